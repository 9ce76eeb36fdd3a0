"""Log records and traces find each other.

TraceFilter (or patch("logging"), for the records of all loggers), structlog_processor and
loguru_patcher say in each record to which trace it belongs; JSONFormatter writes records as JSON
lines. SegmentHandler, the other way round, has lines travel with the trace.

No record fails because of what is missing: outside of a trace the fields are there and empty. What
the application has put under their names stays.
"""

from __future__ import annotations

import json
import logging
from datetime import datetime, timezone
from functools import wraps
from weakref import WeakKeyDictionary

from .. import faults, values
from ..default import recorder as default_recorder
from ..errors import ConfigurationError
from ..noop import NO_TRACE_ID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import Any

    from ..model import Segment
    from ..recorder import Recorder
    from ._wrap import Patcher

FIELDS = ("trace_id", "segment_id", "sampled", "service")
"""What records have: the trace ("1-<8 hex>-<24 hex>"), the current segment or subsegment in it
(16 hex digits), whether the trace is recorded, and the name of the segment's service."""

NAMESPACE = "xtrace"
"""Of the metadata with the lines that travel with a trace: "logs" of a segment or subsegment, and
"logs_left_out" of a segment."""

MAX_LINE_CHARS = 1000
"""Of the message of one line that travels with a trace."""


def patch(patcher: Patcher) -> None:
    """Replace Logger.makeRecord: a factory of records would come before the `extra` of a call, which
    logging refuses to put over what is there already.
    """
    original = logging.Logger.makeRecord

    @wraps(original)
    def makeRecord(self: Any, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record = original(self, *args, **kwargs)
        _add_fields(record, default_recorder)
        return record

    patcher.replace(logging.Logger, "makeRecord", makeRecord)


class TraceFilter(logging.Filter):
    """For a handler: records get trace_id, segment_id, sampled and service. It lets all pass."""

    def __init__(self, recorder: Recorder = default_recorder) -> None:
        super().__init__()
        self._recorder = recorder

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the fields."""
        _add_fields(record, self._recorder)
        return True


def structlog_processor(
    logger: Any, method_name: str, event_dict: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """A processor for structlog: adds the fields to an event, inside of a trace."""
    found = fields(default_recorder)
    if found["trace_id"]:
        for name, value in found.items():
            event_dict.setdefault(name, value)
    return event_dict


def loguru_patcher(record: Any) -> None:
    """A patcher for loguru: logger.configure(patcher=loguru_patcher). The fields are in `extra`."""
    extra = record["extra"]
    for name, value in fields(default_recorder).items():
        extra.setdefault(name, value)


def fields(recorder: Recorder = default_recorder) -> dict[str, Any]:
    """The fields of a record that is made now: FIELDS; empty texts and False outside of a trace."""
    found: dict[str, Any] = {}
    _add_to(found, recorder)
    return found


def _add_fields(record: logging.LogRecord, recorder: Recorder) -> None:
    there = record.__dict__
    if (
        "segment_id" in there
    ):  # they were added where the record was made, which is the better place
        return
    if "trace_id" in there or "sampled" in there or "service" in there:
        there.update({**fields(recorder), **{n: there[n] for n in FIELDS if n in there}})
    else:
        _add_to(there, recorder)


def _add_to(found: dict[str, Any], recorder: Recorder) -> None:
    try:
        entity = recorder._get_current()
        if entity is not None:
            segment = entity.segment
            trace_id = segment._trace_id or segment.trace_id
            if trace_id != NO_TRACE_ID:
                found["trace_id"] = trace_id
                found["segment_id"] = entity.id if entity.sampled else ""
                found["sampled"] = entity.sampled
                found["service"] = segment.name
                return
    except Exception as error:
        faults.report("integration:logging", "A log record doesn't name its trace", error)
    found["trace_id"] = found["segment_id"] = ""
    found["sampled"] = False
    found["service"] = recorder.service or ""


# -- JSON --------------------------------------------------------------------------------------

_STANDARD = frozenset(
    (*vars(logging.LogRecord("", 0, "", 0, "", (), None)), "message", "asctime", "taskName")
)
_WRITTEN = ("timestamp", "level", "logger", "message", "exception", "stack")


class JSONFormatter(logging.Formatter):
    """Writes a record as one line of JSON.

    {"timestamp": "2026-01-31T12:00:00.000Z", "level", "logger", "message", "service", "trace_id",
    "segment_id", "sampled", ..., "exception", "stack"}: what there is of it, with what the call
    gave as `extra` in between. Fields of the trace are added if no filter has done it.
    """

    def __init__(self, recorder: Recorder = default_recorder) -> None:
        super().__init__()
        self._recorder = recorder

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        _add_fields(record, self._recorder)
        time = datetime.fromtimestamp(record.created, timezone.utc)
        line: dict[str, Any] = {
            "timestamp": time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        there = record.__dict__
        has_trace = there["trace_id"] != ""
        for name in FIELDS:
            if has_trace or there[name]:
                line[name] = there[name]
        for name, value in there.items():
            if name not in _STANDARD and name not in FIELDS:
                line[f"{name}_" if name in _WRITTEN else name] = value
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            line["exception"] = record.exc_text
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        try:
            return json.dumps(line, default=values.to_json, allow_nan=False)
        except (TypeError, ValueError, RecursionError):  # NaN, a cycle, a tuple as key
            return json.dumps(values.plain(line))


# -- lines that travel with the trace ----------------------------------------------------------


class SegmentHandler(logging.Handler):
    """Has log lines travel with the trace, for the console's tab Logs: as metadata of the segment or
    subsegment that was current.

    Only lines of recorded traces, and of a segment no more than max_lines with max_chars characters
    altogether; how many were left out the segment says. What the lines say is sent as it is.
    """

    def __init__(
        self,
        level: int | str = logging.INFO,
        max_lines: int = 100,
        max_chars: int = 16_000,
        recorder: Recorder = default_recorder,
    ) -> None:
        super().__init__(level)
        for name, value in (("max_lines", max_lines), ("max_chars", max_chars)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ConfigurationError(f"{name} is {value!r}. Write a whole number from 1 on.")
        self._max_lines = max_lines
        self._max_chars = max_chars
        self._recorder = recorder
        self._kept: WeakKeyDictionary[Segment, _Kept] = WeakKeyDictionary()

    def emit(self, record: logging.LogRecord) -> None:
        """Add the line to what is current."""
        try:
            entity = self._recorder._get_current()
            if entity is None or not entity.sampled or record.name.partition(".")[0] == "xtrace":
                return
            if entity._stop is not None:
                entity._too_late("log line")
                return
            message = self.format(record)
            if len(message) > MAX_LINE_CHARS:
                message = message[:MAX_LINE_CHARS] + "…"
            segment = entity.segment
            kept = self._kept.get(segment)
            if kept is None:
                kept = self._kept[segment] = _Kept()
            if kept.lines >= self._max_lines or kept.chars + len(message) > self._max_chars:
                kept.left_out += 1
                if segment._stop is None:
                    segment.put_metadata("logs_left_out", kept.left_out, NAMESPACE)
                return
            kept.lines += 1
            kept.chars += len(message)
            line = {
                "time": record.created,
                "level": record.levelname,
                "message": message,
                "logger": record.name,
            }
            entity.metadata.setdefault(NAMESPACE, {}).setdefault("logs", []).append(line)
        except Exception:
            self.handleError(record)


class _Kept:
    """How much of a segment's log lines travels with it. Counted under the handler's lock."""

    __slots__ = ("chars", "left_out", "lines")

    def __init__(self) -> None:
        self.lines = 0
        self.chars = 0
        self.left_out = 0
