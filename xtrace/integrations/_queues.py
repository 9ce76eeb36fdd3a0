"""Queues, once for all libraries: sending a message is a subsegment; the work on it, elsewhere and
later, goes on with its producer's trace, or, if that is asked for, begins a trace with a link to it.

A producer's integration calls sending(), then the library by sent(). What the library does meanwhile,
with a store or by HTTP, is part of it. A consumer's calls begin_work(), and the work by worked_on(), or
end_work() with what it raised. Nothing here raises by itself.
"""

from __future__ import annotations

from .. import faults, header
from ..default import recorder
from ..header import NAME, NO_HEADER
from ._aws import AWS
from ._outgoing import EVERY_LAYER, Call, finished
from ._stores import STORE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, MutableMapping
    from typing import Any

    from ..header import TraceHeader
    from ..model import Entity, Segment

QUEUE = STORE << 1
"""The layer of these libraries."""

_INNER = EVERY_LAYER | AWS | STORE | QUEUE

QUEUED = "queued_seconds"
"""Key of the annotation with how long a message lay in its queue."""


# -- producers ---------------------------------------------------------------------------------


def sending(
    library: str,
    queue: str,
    carrier: MutableMapping[str, str] | None,
    about: Mapping[str, object] | None = None,
) -> Call | None:
    """Begin the subsegment of a message that is sent, and make it current; None where nothing is
    recorded.

    queue: the name of the subsegment: of the queue or topic, as far as it is known.
    carrier: headers of the message, to which the trace header is added, also where the trace isn't
    recorded. about: annotations.
    """
    try:
        parent = recorder._get_current()
        if parent is None:
            return None
        if parent.__class__ is Call and parent.inner & QUEUE and parent._stop is None:
            return None
        if not parent.sampled or (parent._stop is not None and recorder._is_over(parent)):
            if carrier is not None:
                recorder.inject(carrier)
            return None
        call = Call(queue or library, parent, parent.segment, "remote")
        call.layer = QUEUE
        call.inner = _INNER
        call.owner = 0
        call.hops = None
        call.__enter__()
        if carrier is not None:
            recorder.inject(carrier, call)
        if about:
            annotate(call, about)
        return call
    except Exception as error:
        faults.report(f"integration:{library}", "A message isn't recorded", error)
        return None


def sent(
    call: Call | None, send: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Send, and end the subsegment; what the library raises is recorded and passed on."""
    if call is None:
        return send(*args, **kwargs)
    try:
        result = send(*args, **kwargs)
    except BaseException as error:
        finished(call, error)
        raise
    finished(call)
    return result


def current_sending() -> Call | None:
    """The sending that goes on now, for what is known of it only on the way."""
    entity = recorder._get_current()
    if entity.__class__ is Call and entity.layer == QUEUE and entity._stop is None:
        return entity
    return None


def annotate(entity: Entity, about: Mapping[str, object]) -> None:
    """Annotations; None is left out."""
    for key, value in about.items():
        if value is not None:
            entity.put_annotation(key, value)  # type: ignore[arg-type]


# -- consumers ---------------------------------------------------------------------------------


def producer_in(headers: Any) -> TraceHeader:
    """What the trace header among a message's headers says; NO_HEADER if there is none.

    headers: a mapping, or pairs as Kafka has them; names and values as text or bytes.
    """
    try:
        pairs = headers.items() if hasattr(headers, "items") else headers or ()
        for name, value in pairs:
            if _decoded(name).lower() == _NAME and value is not None:
                return header.parse(_decoded(value))
    except Exception as error:
        faults.report("messages", "A message's trace isn't read", error)
    return NO_HEADER


_NAME = NAME.lower()


def _decoded(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, (bytes, bytearray)) else str(value)


def begin_work(
    producer: TraceHeader,
    *,
    name: str | None = None,
    part: str,
    link: bool | None = None,
    about: Mapping[str, object] | None = None,
    queued_seconds: float | None = None,
    linked: set[str] | None = None,
    in_trace: bool = False,
) -> Entity | None:
    """Begin the work on one message, and make it current: a segment in the producer's trace, or
    linked to it; where a segment is open, a subsegment of that.

    name: of the segment; the service's unless given. part: of the subsegment, and the path that
    sampling rules see. link: True begins a trace; None leaves it to the setting. linked, in_trace:
    as for link_to().
    """
    work: Entity | None = None
    try:
        current = recorder._get_current()
        if current is not None and current._stop is None:
            work = recorder.in_subsegment(name or part)
            work.__enter__()
            link_to(current.segment, [producer], linked, in_trace)
            if producer.root is not None and producer.root != work.trace_id:
                found = {"trace_id": producer.root, "id": producer.parent}
                work.put_metadata("producer", found, "message")
        else:
            work = segment = segment_for([producer], name, link, part)
            work.__enter__()
            link_to(segment, [producer], linked)
        if about:
            annotate(work, about)
        if queued_seconds is not None:
            work.put_annotation(QUEUED, round(max(0.0, queued_seconds), 3))
    except Exception as error:
        faults.report("messages", "The work on a message isn't recorded", error)
    return work


def end_work(work: Entity | None, error: BaseException | None = None) -> None:
    """End it; error: what it raised."""
    if work is not None:
        try:
            work.__exit__(None if error is None else type(error), error, None)
        except Exception as fault:
            faults.report("messages", "The work on a message isn't sent", fault)


def worked_on(
    work: Entity | None,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Do the work that was begun, and end it; what it raises is recorded and passed on."""
    try:
        result = function(*args, **kwargs)
    except BaseException as error:
        end_work(work, error)
        raise
    end_work(work)
    return result


def segment_for(
    producers: list[TraceHeader], name: str | None, link: bool | None, path: str | None = None
) -> Segment:
    """The segment for the work on messages, not begun yet."""
    roots = {producer.root for producer in producers}
    request = {"service": name or recorder.service, "path": path}
    links = recorder.link_messages if link is None else link
    if len(roots) == 1 and None not in roots and not links:
        return recorder.in_segment(name, header=producers[0], request=request)
    # A link to what isn't kept leads nowhere: who has kept the producers' work keeps this.
    decisions = {producer.sampled for producer in producers}
    sampling = True if True in decisions else False if decisions == {False} else None
    return recorder.in_segment(name, sampling=sampling, request=request)


def link_to(
    segment: Segment,
    producers: Iterable[TraceHeader],
    linked: set[str] | None = None,
    in_trace: bool = False,
) -> None:
    """Link a segment to traces that it isn't part of.

    linked: ids that it is linked to already; those of now are added. in_trace: also to what called
    it in its own trace, besides its parent.
    """
    if not (segment.sampled and getattr(recorder.context, "makes_segments", True)):
        return
    for producer in producers:
        root, parent = producer.root, producer.parent
        if root is None or parent is None or producer.sampled is False:
            continue
        if root == segment.trace_id and (not in_trace or segment.parent_id == parent):
            continue
        if linked is not None:
            if parent in linked:
                continue
            linked.add(parent)
        segment.add_link(root, parent)
