"""aws_xray_sdk.core.models.entity: what segments and subsegments have in common.

They are xtrace's own entities, kept and sent as those are, with the names, attributes and checks of
the official SDK's. The difference in substance: an entity knows what is under it, and a segment
that has ended waits for its open subsegments.

What a program may look at and xtrace keeps otherwise (`cause`, a segment's `aws`, `service`) is
made when it is looked at, and stands in the instance's dict under a name with an underscore. What
must be converted before it is sent makes the segment `_raw`; owner.prepare() does it then.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import traceback

from xtrace import cause as native_cause
from xtrace import ids, model, values
from xtrace.model import GOOD_CHARS, GOOD_KEYS, SUBSEGMENTS
from xtrace.values import LARGEST_INTEGER, SMALLEST_INTEGER

from ..exceptions.exceptions import (
    AlreadyEndedException,
)
from ..utils.compat import annotation_value_types
from ..utils.conversion import is_plain, metadata_to_dict
from . import http
from .throwable import Throwable, as_document, is_own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from .trace_header import TraceHeader

log = logging.getLogger(__name__)

ORIGIN_TRACE_HEADER_ATTR_KEY = "_origin_trace_header"

_common_invalid_name_characters = "?;*()!$~^<>"
_valid_annotation_key_characters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
_is_valid_key = re.compile("[A-Za-z0-9_]*", re.ASCII).fullmatch

_ENDED = "Already ended segment and subsegment cannot be modified."

# Names that were looked at, and what they became. Programs that build names from values fill it.
known_names: dict[object, str] = {}
_MOST_NAMES = 2048


def clean_name(name: Any) -> str:
    """A name without the characters that X-Ray's SDKs take out of it. TypeError for a number."""
    try:
        return known_names[name]
    except (KeyError, TypeError):
        pass
    kept = "".join([each for each in name if each not in _common_invalid_name_characters])
    if len(kept) != len(name):
        log.warning("Characters that X-Ray doesn't take are left out of the name %s", name)
    elif isinstance(name, str):
        if len(known_names) >= _MOST_NAMES:
            known_names.clear()
        known_names[name] = kept
    return kept


class _Nobody:
    """The recorder, and the context, of entities that a program makes by itself."""

    open: dict[model.Entity, int] = {}  # noqa: RUF012 # nothing is ever put there
    environment: dict[str, Any] = {}  # noqa: RUF012
    origin = service_version = constant = recorder = None
    log_groups: tuple[str, ...] = ()
    streaming_threshold = sys.maxsize
    max_trace_back = 10
    redact = True

    def get(self) -> None:
        """Nothing is current."""

    def set(self, entity: model.Entity | None, /) -> None:
        """Nothing becomes current."""

    def segment_ended(self, segment: model.Segment) -> None:
        """Nothing is sent."""

    stream_subsegments = segment_ended

    def too_late(self, entity: model.Entity, call: str) -> None:
        """Nobody counts."""

    def too_many_open(self) -> None:
        """Nobody forgets."""

    def repaired(self, what: str, times: int = 1) -> None:
        """Nobody counts."""

    def was_forgotten(self, entity: model.Entity) -> bool:
        """Nobody forgets."""
        return True


nobody: Any = _Nobody()


def _flag(name: str) -> Any:
    """An attribute that exists once it is set."""

    def get(self: Entity) -> Any:
        fields = self._more
        if fields is None or name not in fields:
            raise AttributeError(name)
        return fields[name]

    def put(self: Entity, value: Any) -> None:
        self._fields[name] = value

    def delete(self: Entity) -> None:
        if self._fields.pop(name, None) is None:
            raise AttributeError(name)

    return property(get, put, delete)


def block(name: str) -> Any:
    """A dict of its own that may be replaced."""

    def get(self: Entity) -> Any:
        return self._dict(name)

    def put(self: Entity, value: Any) -> None:
        self._checked = False
        self._fields[name] = value

    return property(get, put)


class Entity(model.Entity):
    """What segments and subsegments have in common.

    name, id, start_time, parent_id, sampled, in_progress, and the dicts http, annotations,
    metadata, aws, cause and the list subsegments may be read and replaced. end_time, fault, error
    and throttle exist once they are set. What is put under any other name is part of to_dict().
    Whatever changes an entity that has ended raises AlreadyEndedException.
    """

    __slots__ = ("__dict__",)

    sampled: Any
    _children: list[Any] | None = None

    def __init__(self, name: str, entity_id: str | None = None) -> None:
        self.name = clean_name(name)
        self.id = entity_id or ids.segment_id()
        self.start_time = ids.wall_clock()
        self._stop = None
        self.sampled = True
        self._parent = None
        self._annotations = {}
        self._checked = True
        self._metadata = {}
        self._more = None

    # -- attributes -----------------------------------------------------------------------------

    @property
    def end_time(self) -> float | None:
        """Seconds since the epoch. Not there while the entity is open."""
        if self._stop is None:
            raise AttributeError("end_time")
        return self._stop

    @end_time.setter
    def end_time(self, value: float | None) -> None:
        self._stop = value

    fault = _flag("fault")
    error = _flag("error")
    throttle = _flag("throttle")

    http = block("http")
    aws = block("aws")

    @property
    def in_progress(self) -> bool:
        """Whether the entity hasn't ended."""
        return bool(self.__dict__.get("in_progress", self._stop is None))

    @in_progress.setter
    def in_progress(self, value: bool) -> None:
        if bool(value) == (self._stop is None):
            self.__dict__.pop("in_progress", None)  # it is, and goes on with its end
        else:
            self.__dict__["in_progress"] = value

    @property
    def parent_id(self) -> str | None:
        """The id of what this is under."""
        parent_id: str | None = self.__dict__.get("parent_id")
        return parent_id

    @parent_id.setter
    def parent_id(self, value: str | None) -> None:
        self.__dict__["parent_id"] = value

    @property
    def annotations(self) -> dict[str, Any]:
        """Indexed values, by key."""
        self._checked = False
        return self._annotations

    @annotations.setter
    def annotations(self, value: dict[str, Any]) -> None:
        self._checked = False
        self._annotations = value

    @property
    def metadata(self) -> dict[str, dict[str, Any]]:
        """Any values, by namespace and key."""
        self._set_raw()
        found: dict[str, dict[str, Any]] = self.__dict__.get("_metadata_given", self._metadata)
        return found

    @metadata.setter
    def metadata(self, value: dict[str, dict[str, Any]]) -> None:
        self._set_raw()
        self._metadata = value

    @property
    def cause(self) -> Any:
        """{}, or {"exceptions": [Throwable], "working_directory"}, or the id of an exception."""
        self._set_raw()
        return self.__dict__.setdefault("_cause", {})

    @cause.setter
    def cause(self, value: Any) -> None:
        self._set_raw()
        self.__dict__["_cause"] = value

    @property
    def subsegments(self) -> list[Any]:
        """What is directly under this and isn't sent yet."""
        self._tie()  # who has the list has all that is in it, and is to come
        return self._under()

    @subsegments.setter
    def subsegments(self, value: list[Any]) -> None:
        self._children = value
        self._tie()

    def _under(self) -> list[Any]:
        """What `subsegments` is, for those that don't keep it."""
        children = self._children
        if children is None:
            children = self._children = []
        natives = self._more.get(SUBSEGMENTS) if self._more else None
        if natives:  # of xtrace's own integrations, when they are sent together
            children.extend(each for each in natives if each not in children)
        return children

    def _tie(self) -> None:
        """Have all under the segment know what it is under, from now on."""

    def _convert_later(self) -> None:
        """Metadata here may have to be converted before it is sent."""

    def _set_raw(self) -> None:
        """Something here is to be converted before it is sent, and to be looked at then."""
        self._checked = False

    # -- begin and end --------------------------------------------------------------------------

    def close(self, end_time: float | None = None) -> None:
        """End the entity. end_time: seconds since the epoch, else now."""
        self._check_ended()
        self._stop = end_time or self._now()
        self.__dict__.pop("in_progress", None)

    def _now(self) -> float:
        return ids.wall_clock()

    def _check_ended(self) -> None:
        if not self.in_progress:
            raise AlreadyEndedException(_ENDED)

    def _generate_random_id(self) -> str:
        return ids.segment_id()

    # -- the tree -------------------------------------------------------------------------------

    def add_subsegment(self, subsegment: Any) -> None:
        """Put a subsegment under this."""
        self._check_ended()
        if not self.sampled and subsegment.sampled:
            log.warning("A recorded subsegment is put under one that isn't recorded")
        subsegment._parent = self
        subsegment.__dict__.pop("parent_id", None)
        self._under().append(subsegment)

    def remove_subsegment(self, subsegment: Any) -> None:
        """Take a subsegment that is directly under this out again, with what is under it."""
        self._under().remove(subsegment)

    def _with_all_under(self) -> list[Any]:
        """This and everything under it, parents first."""
        found = [self]
        for each in found:
            if each._children:
                found.extend(each._children)
        return found

    # -- what programs put in -------------------------------------------------------------------

    def put_annotation(self, key: Any, value: Any) -> None:
        """Add an indexed value. key: letters, digits and "_". value: a string, number or boolean.

        Others are ignored, with a warning.
        """
        kind = value.__class__
        try:
            if (
                self._stop is None
                and key in GOOD_KEYS
                and (
                    (kind is int and SMALLEST_INTEGER <= value <= LARGEST_INTEGER)
                    or kind is bool
                    or (kind is str and len(value) <= GOOD_CHARS)
                    or (kind is float and value - value == 0)
                )
            ):
                self._annotations[key] = value
                return
        except TypeError:  # an unhashable key
            pass
        self._check_ended()
        if not isinstance(key, str):
            log.warning("An annotation's key is text, not %s; ignored", type(key).__name__)
        elif not isinstance(value, annotation_value_types):
            log.warning("An annotation is a text, number or boolean, not a %s; ignored", kind)
        elif not _is_valid_key(key):
            log.warning("An annotation's key has letters, digits and _; ignored: %r", key)
        else:
            self._checked = False
            self._annotations[key] = value

    def put_metadata(self, key: Any, value: Any, namespace: Any = "default") -> None:
        """Add any value, which isn't indexed. It is read when the entity is sent.

        namespace: text that doesn't begin with "AWS."; others are ignored, with a warning.
        """
        if self._stop is not None:
            self._check_ended()
        if namespace != "default":
            if not isinstance(namespace, str):
                log.warning("The namespace of metadata is text; ignored: %r", namespace)
                return
            if namespace.startswith("AWS."):
                log.warning("Namespaces that begin with AWS. are reserved; ignored: %s", namespace)
                return
            self._checked = False
        if value.__class__ not in _ATOMS:
            self._convert_later()
        group = self._metadata.get(namespace)
        if group is None:
            group = self._metadata.setdefault(namespace, {})
        group[key] = value

    def put_http_meta(self, key: str, value: Any) -> None:
        """Add a field of the request or the response. "status" sets the flags, too.

        None is ignored, and an unknown key with a warning.
        """
        self._check_ended()
        if value is None:
            return
        if key == http.STATUS:
            if isinstance(value, str):
                value = int(value)
            self.apply_status_code(value)
        if key in http.request_keys:
            self.http.setdefault("request", {})[key] = value
        elif key in http.response_keys:
            self.http.setdefault("response", {})[key] = value
        else:
            log.warning("The http block has no key %s; ignored", key)

    def apply_status_code(self, status_code: Any) -> None:
        """Set the flags of an HTTP status: 429 throttle and error, other 4xx error, 5xx fault."""
        self._check_ended()
        if not status_code:
            return
        if status_code >= 500:
            self.add_fault_flag()
        elif status_code == 429:
            self.add_throttle_flag()
            self.add_error_flag()
        elif status_code >= 400:
            self.add_error_flag()

    def add_fault_flag(self) -> None:
        """Mark a failure on this side."""
        self.fault = True

    def add_error_flag(self) -> None:
        """Mark a failure by the caller's doing."""
        self.error = True

    def add_throttle_flag(self) -> None:
        """Mark a refusal for too many requests."""
        self.throttle = True

    def set_aws(self, aws_meta: Any) -> None:
        """Replace the aws block."""
        self._check_ended()
        self.aws = aws_meta

    def add_exception(
        self,
        exception: Any,
        stack: Iterable[Any] | None = None,
        remote: bool = False,
        *,
        fault: bool = True,
    ) -> None:
        """Record an exception and those behind it, and set the fault flag.

        stack: as traceback.extract_tb() gives it; None for the exception's own.
        One that passes several entities of a trace is described in the innermost; the others hold
        its id.
        """
        self._check_ended()
        if fault:
            self.add_fault_flag()
        self._set_raw()
        before = self.cause
        known = self._known_exceptions()
        seen = known.get(id(exception))
        if seen is not None and seen[0] is exception:
            if not isinstance(before, dict) or not before:
                self.cause = seen[1]
            return
        if not isinstance(before, dict):
            before = self.cause = {}
        if not isinstance(exception, BaseException):  # None, or a text, which some programs pass
            before.setdefault("exceptions", []).append(Throwable(exception, stack, remote))
            before["working_directory"] = _working_directory()
            return
        if stack is None:
            stack = innermost_frames(exception.__traceback__, self._max_trace_back())
        described = self._describe(exception, stack, remote)
        before.setdefault("exceptions", []).extend(described)
        before["working_directory"] = _working_directory()
        if len(known) >= _KEPT_EXCEPTIONS:
            known.pop(next(iter(known)), None)
        known[id(exception)] = (exception, described[0].id)

    def _describe(self, exception: BaseException, stack: Any, remote: bool) -> list[Throwable]:
        described = []
        by_id: dict[int, Throwable] = {}
        behind = native_cause._with_all_behind(exception)[: native_cause.MAX_EXCEPTIONS]
        for each, child in behind:
            if each is not exception:
                tb = each.__traceback__
                stack = None if tb is None else innermost_frames(tb, self._max_trace_back())
            throwable = by_id[id(each)] = Throwable(each, stack, remote)
            if child is not None and not hasattr(by_id[id(child)], "cause"):
                by_id[id(child)].cause = throwable.id  # type: ignore[attr-defined]
            described.append(throwable)
        return described

    def _known_exceptions(self) -> dict[int, tuple[BaseException, str]]:
        """Exceptions that were described in this trace, kept so that no id() names another."""
        known: dict[int, tuple[BaseException, str]] = self.__dict__.setdefault("_known", {})
        return known

    def _max_trace_back(self) -> int:
        return int(nobody.max_trace_back)

    # -- trace headers --------------------------------------------------------------------------

    def save_origin_trace_header(self, trace_header: TraceHeader) -> None:
        """Keep the header of the request that this serves; its unknown fields are passed on."""
        setattr(self, ORIGIN_TRACE_HEADER_ATTR_KEY, trace_header)

    def get_origin_trace_header(self) -> TraceHeader | None:
        """The header that was kept."""
        kept: TraceHeader | None = self.__dict__.get(ORIGIN_TRACE_HEADER_ATTR_KEY)
        return kept

    # -- documents ------------------------------------------------------------------------------

    def serialize(self) -> str:
        """to_dict() as JSON."""
        import json  # recording doesn't need it

        document = self.to_dict()
        try:
            return json.dumps(document, default=str, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            return json.dumps(values.plain(document))

    def to_dict(self) -> dict[str, Any]:
        """The entity and all under it as the official SDK has them."""
        document: dict[str, Any] = {}
        for key, value in self._attributes():
            if value or value is False:
                convert = _CONVERTED.get(key)
                document[key] = value if convert is None else convert(value)
        return document

    def _attributes(self) -> Iterator[tuple[str, Any]]:
        yield "id", self.id
        yield "name", self.name
        yield "start_time", self.start_time
        yield "parent_id", self.parent_id
        yield "in_progress", self.in_progress
        fields = self._more or {}
        yield "http", fields.get("http")
        yield "annotations", self._annotations
        yield "metadata", self.__dict__.get("_metadata_given", self._metadata)
        yield "aws", self._aws_block()
        yield "cause", self.__dict__.get("_cause")
        yield "subsegments", self.subsegments
        yield from self._own_attributes(fields)
        if self._stop is not None:
            yield "end_time", self._stop
        for flag in ("fault", "error", "throttle"):
            if flag in fields:
                yield flag, fields[flag]
        for key, value in self.__dict__.items():
            if not key.startswith("_") and key not in _SHOWN:
                yield key, value

    def _own_attributes(self, fields: dict[str, Any]) -> Iterable[tuple[str, Any]]:
        return ()

    def _aws_block(self) -> Any:
        return (self._more or {}).get("aws")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} {self.id}>"


def _as_cause(value: Any) -> Any:
    if isinstance(value, str):
        return value
    return {
        "working_directory": value["working_directory"],
        "exceptions": [each.to_dict() for each in value["exceptions"]],
    }


_CONVERTED: dict[str, Callable[[Any], Any]] = {
    "cause": _as_cause,
    "metadata": metadata_to_dict,
    "subsegments": lambda value: [each.to_dict() for each in list(value)],
}
"""What to_dict() makes of attributes."""

_ATOMS = frozenset((str, int, float, bool, type(None)))
_SHOWN = frozenset(("in_progress", "parent_id", "sampled", "trace_id", "namespace"))
_KEPT_EXCEPTIONS = 8


def innermost_frames(
    tb: Any, most: int, with_callers: bool = False
) -> list[traceback.FrameSummary]:
    """The frames of a traceback that are nearest to where it was raised, outermost first.

    with_callers: of the stack that it came up to as well; without any of its own, in any case.
    """
    found = []
    while tb is not None:
        found.append((tb.tb_frame.f_code, tb.tb_lineno))
        tb = tb.tb_next
    found = [each for each in found if not is_own(each[0].co_filename)]
    if with_callers or not found:
        frame = sys._getframe(1)
        callers: list[tuple[Any, int]] = []
        while frame is not None and len(callers) < most:
            if not is_own(frame.f_code.co_filename):
                callers.append((frame.f_code, frame.f_lineno))
            frame = frame.f_back  # type: ignore[assignment]
        found = [*reversed(callers), *found]
    # Without the text of the lines: nobody reads a file for a trace.
    return [
        traceback.FrameSummary(code.co_filename, line, code.co_name, lookup_line=False)
        for code, line in (found[-most:] if most > 0 else [])
    ]


def _working_directory() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed under us
        return ""


def prepare(batch: Iterable[Any]) -> None:
    """Put what programs left in entities into the form in which xtrace sends it."""
    for entity in batch:
        if not isinstance(entity, Entity):
            continue
        metadata = entity._metadata
        # Nothing but metadata, then; looking into its dict would make that dict.
        if entity._checked and (not metadata or _is_plain_metadata(metadata)):
            continue
        given = entity.__dict__
        found = given.get("_cause")
        if found:
            entity._fields["cause"] = _cause_document(found)
        if "_aws" in given:
            entity._fields["aws"] = _without_sdk(given["_aws"])
        if metadata and "_metadata_given" not in given and not is_plain(metadata):
            given["_metadata_given"] = metadata
            entity._metadata = metadata_to_dict(metadata)
            entity._checked = False


def _is_plain_metadata(metadata: dict[str, dict[str, Any]]) -> bool:
    """is_plain() of metadata as put_metadata() makes it: two levels are dicts, and small."""
    for group in metadata.values():
        for value in group.values():
            if value.__class__ not in _ATOMS and not is_plain(value, 3):
                return False
    return True


def _cause_document(found: Any) -> Any:
    if not isinstance(found, dict):
        return found
    return {**found, "exceptions": [as_document(each) for each in found.get("exceptions", ())]}


def _without_sdk(aws: Any) -> Any:
    """An aws block without the SDK's name and version: xtrace writes its own."""
    if not isinstance(aws, dict) or not isinstance(aws.get("xray"), dict):
        return aws
    mine = ("sdk", "sdk_version")
    xray = {key: value for key, value in aws["xray"].items() if key not in mine}
    rest = {key: value for key, value in aws.items() if key != "xray"}
    return {**rest, "xray": xray} if xray else rest
