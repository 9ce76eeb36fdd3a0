"""How entities of the layer end, and what is sent when. No module of the official SDK's.

A segment that has ended waits until all under it has; then it is sent whole, once. What begins after
that is sent by itself.
"""

from __future__ import annotations

import atexit
import copy
import os
from weakref import WeakSet

from xtrace import faults, forks, ids, model
from xtrace.model import OPEN

from .models.entity import Entity, prepare
from .models.segment import Segment
from .models.subsegment import Subsegment, below

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from xtrace.recorder import Recorder

    from .recorder import AWSXRayRecorder


def _native(name: str) -> Any:
    """What an owner has of xtrace's own recorder."""
    return property(lambda self: getattr(self._native, name))


class Owner:
    """What entities have as their recorder: how they end, and what is sent when.

    A segment that has ended waits until all under it has; then it is sent whole, once.
    """

    def __init__(self, recorder: AWSXRayRecorder) -> None:
        self.recorder = recorder
        native = recorder._native
        self._native = native
        self.open = native.open
        _owners.add(self)
        # Segments that have ended and wait for what is open under them.
        self.waiting: dict[Segment, bool] = {}
        self.constant: Any = None
        self._constant_of: tuple[Any, Any, Any] = (None, None, None)
        self.threshold = 0
        """More subsegments than that are a reason for check(); kept by the recorder."""

    # Each by itself: with a __getattr__, every attribute of this class would take longer to read.
    log_groups = _native("log_groups")
    max_trace_back = _native("max_trace_back")
    redact = _native("redact")
    repaired = _native("repaired")
    service_version = _native("service_version")
    too_late = _native("too_late")
    was_forgotten = _native("was_forgotten")

    # -- beginning ------------------------------------------------------------------------------

    def add(self, entity: Any) -> None:
        """List an entity as open."""
        native = self._native
        if not native.in_use:
            self._begin_use()
        opened = self.open
        opened[entity] = OPEN
        if len(opened) > model.MAX_OPEN:
            self.too_many_open()

    def _begin_use(self) -> None:
        self._native.begin_use()
        if self._native._emitters is None:
            self.default_emitter()
        atexit.register(self.flush)  # after xtrace's own, which is called after this therefore

    def too_many_open(self) -> None:
        """Give up the oldest, and send the segments that have waited for them."""
        self._native.too_many_open()
        awaited = {each.segment for each in list(self.open)}
        for segment in list(self.waiting):
            if segment not in awaited and self.waiting.pop(segment, False):
                self.send_whole(segment)

    def attach(self, subsegment: Subsegment) -> None:
        """Put a subsegment under its parent, and list it as open."""
        parent: Any = subsegment._parent
        is_there = subsegment.segment._stop is None or subsegment.segment in self.waiting
        if isinstance(parent, Entity) and is_there:
            parent._under().append(subsegment)
        else:
            subsegment.segment._tie()
        subsegment.segment.increment()
        self.add(subsegment)

    def attach_late(self, subsegment: Subsegment, parent: Any) -> None:
        """Begin a subsegment of something that has ended: it is sent by itself, if its segment was."""
        subsegment._parent = parent
        if subsegment.segment in self.waiting:
            parent._under().append(subsegment)
        else:
            subsegment.segment._tie()
        subsegment.segment.increment()
        if subsegment.sampled:
            self.add(subsegment)

    # -- ending ---------------------------------------------------------------------------------

    def end_subsegment(self, subsegment: Subsegment, end_time: float | None) -> None:
        """End a subsegment, make current what is under it, and send what is complete."""
        segment = subsegment.segment
        current = segment._current
        # Looked at before this one counts: whoever sends the segment then sends it too.
        is_late = segment._stop is not None and segment not in self.waiting
        if subsegment.sampled:
            if self._may_end(subsegment):
                subsegment._stop = end_time or (segment._base + ids.monotonic_clock())
                segment._ended.append(subsegment)
                segment.decrement_ref_counter()
        elif subsegment._stop is None:
            self.open.pop(subsegment, None)
            segment._tie()
            subsegment._stop = end_time or (segment._base + ids.monotonic_clock())
            segment.decrement_ref_counter()
        if current.get() is subsegment:
            current.set(below(subsegment))
        self.check(segment)
        if is_late:
            self._send_late(subsegment)

    def check(self, segment: Any) -> None:
        """Send what is complete after the end of a subsegment."""
        if segment._stop is None:
            if self.recorder._has_own_streaming():
                self.recorder.stream_subsegments()
                return
            streaming = self.recorder._streaming
            if streaming.is_eligible(segment):
                streaming.stream(segment, self.recorder._stream_subsegment_out)
            return
        if segment.ready_to_send():
            self._finish(segment)

    def _may_end(self, entity: Any) -> bool:
        if self.open.pop(entity, 0):
            return True
        # It was forgotten, or a program has put it there by itself: it may be in no list.
        entity.segment._tie()
        self._native.was_forgotten(entity)
        return entity._stop is None

    def _send_late(self, subsegment: Subsegment) -> None:
        """Send a subsegment whose segment is gone, unless something that is open is above it."""
        above = below(subsegment)
        if above is subsegment.segment or not isinstance(above, Subsegment):
            self.send_tree(subsegment)

    def end_segment(self, segment: Segment, end_time: float | None) -> None:
        """End a segment, and send it if nothing under it is open."""
        is_closed = segment._stop is not None
        if not is_closed:
            segment._stop = end_time or (segment._base + ids.monotonic_clock())
        # One that the program has closed by itself is still to be sent.
        if self.open.pop(segment, None) or not is_closed:
            if segment._begun <= segment._closed and segment.sampled:
                # Nothing is open under it, as nearly always, and nobody else has seen it wait.
                current = segment._current
                if segment._parent is None and current.get() is segment:
                    current.set(None)
                else:
                    segment._leave_context()
                self._send(segment)
                return
            self.waiting[segment] = True
        if segment._begun <= segment._closed:
            self._finish(segment)
        elif not segment.sampled:
            self.waiting.pop(segment, None)  # nobody waits for it

    def _finish(self, segment: Segment) -> None:
        if not segment.sampled:
            self.waiting.pop(segment, None)
            segment._leave_context()
        elif self.waiting.pop(segment, False):  # whoever takes it out sends it
            segment._leave_context()
            self.send_whole(segment)

    # -- sending --------------------------------------------------------------------------------

    def send_whole(self, segment: Segment) -> None:
        """Send a segment with all that has ended under it."""
        self.waiting.pop(segment, None)
        self.open.pop(segment, None)
        if segment.sampled:
            self._send(segment)

    def _send(self, segment: Segment) -> None:
        self._renew_constant()
        if segment._raw:
            prepare([segment, *segment._ended])
        parent = segment._parent
        if segment._children:
            ended = segment._ended[:]
            self._native.segment_ended(segment)
            segment._release(ended)
        else:
            self._native.segment_ended(segment)
        segment._parent = parent

    def send_tree(self, subsegment: Any) -> None:
        """Send a subsegment that has ended, with all under it, as a document of its own."""
        if not subsegment.sampled:
            return
        segment = subsegment.segment
        batch = []
        for each in subsegment._with_all_under():
            try:
                segment._ended.remove(each)  # one step: whoever takes it sends it
                batch.append(each)
            except ValueError:
                pass
        if batch:
            self._renew_constant()
            if segment._raw:
                prepare(batch)
            self._native._send(batch)

    def flush(self) -> None:
        """Send what waits for something that never ends, before the process does."""
        with faults.absorb("exit"):
            for segment in list(self.waiting):
                if self.waiting.pop(segment, False):
                    self.send_whole(segment)
            for entity in list(self.open):
                self._send_ended_under(entity.segment)

    def _send_ended_under(self, segment: Any) -> None:
        if isinstance(segment, Segment) and segment._ended:
            prepare(list(segment._ended))
            self._native.send_ended(segment)

    def _renew_constant(self) -> None:
        """Have documents say what the process runs on, which may have changed."""
        recorder = self.recorder
        version = self._native.service_version
        aws, origin, known_version = self._constant_of
        if recorder._aws_metadata != aws or recorder._origin != origin or version != known_version:
            from xtrace import document  # it was imported to begin with, by the emitters

            self._constant_of = copy.deepcopy(recorder._aws_metadata), recorder._origin, version
            owner: Any = self
            self.constant = document.Constant(owner)

    # -- emitters -------------------------------------------------------------------------------

    def default_emitter(self) -> Any:
        """The emitter of a recorder that wasn't given one."""
        native = self._native
        emitters = native._emitters
        if emitters is None:
            if os.environ.get("XTRACE_EMITTER"):
                emitters = list(native.emitters)
            else:
                from .emitters.udp_emitter import UDPEmitter  # not before there is one to make

                emitters = native._emitters = [UDPEmitter()]
        return emitters[0]

    def send_by(self, emitter: Any) -> None:
        """Send by another emitter from now on."""
        from xtrace.emitters import Emitter  # with what writes documents: not before it is needed

        from .handed import Handed

        is_ours = isinstance(emitter, Emitter) and hasattr(emitter, "ledger")
        self._native._replace_emitters([emitter if is_ours else Handed(emitter)])

    def native_segment(
        self,
        name: str,
        native: Recorder,
        current: Any,
        trace_id: str | None = None,
        parent_id: str | None = None,
        header: Any = None,
    ) -> Segment:
        """A segment that xtrace's own recorder makes, in the order of its arguments."""
        segment = Segment(name, None, trace_id, parent_id)
        segment._owner = self
        segment._current = current
        segment.header = header
        return segment

    # -- what entities of xtrace's own integrations need ------------------------------------------

    @property
    def environment(self) -> dict[str, Any]:
        """The aws block of all segments, but for the SDK's name."""
        found = self.recorder._aws_metadata
        return {key: value for key, value in found.items() if key != "xray"}

    @property
    def origin(self) -> str | None:
        """What the process runs on."""
        return self.recorder._origin

    @property
    def streaming_threshold(self) -> int:
        """How many ended calls of theirs a segment holds."""
        try:
            return int(self.recorder.streaming_threshold)
        except Exception:  # a program's own streaming may have none
            return 30

    def segment_ended(self, segment: Any) -> None:
        """Send a segment of theirs."""
        self._native.segment_ended(segment)

    def stream_subsegments(self, segment: Any) -> None:
        """Send their calls that have ended; ours are sent by our own rules."""
        batch = []
        for each in list(segment._ended):
            if not isinstance(each, Entity):
                try:
                    segment._ended.remove(each)
                    batch.append(each)
                except ValueError:
                    pass
        if batch:
            self._native._send(batch)


_owners: WeakSet[Owner] = WeakSet()


def _after_fork_in_child() -> None:
    """What waits is the parent's to send."""
    for owner in list(_owners):
        owner.waiting.clear()


forks.in_child(_after_fork_in_child)
