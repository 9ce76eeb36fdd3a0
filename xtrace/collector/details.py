"""What stands behind a row of a trace: exceptions, statement, request, and what can be copied of it. Pure."""

from __future__ import annotations

import shlex

import sqlparse

from .causes import own_exceptions
from .documents import entities_of, number, text
from .failures import frames, is_own, own_frame
from .timeline import INFERRED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .failures import Frame
    from .timeline import Timeline
    from .trace import Trace

MAX_FORMATTED_CHARS = 20_000
"""Of a statement that is laid out; longer ones stay as they are, as it would take seconds."""

MAX_EXCEPTIONS = 200


# -- exceptions --------------------------------------------------------------------------------


def exceptions_of(trace: Trace, entity: dict[str, Any]) -> list[dict[str, Any]]:
    """The exceptions of an entity with those behind them, in the form of the API.

    A cause that is an id stands for an exception that is told elsewhere in the trace.
    """
    cause: Any = entity.get("cause")
    told = _told(trace, cause) if cause.__class__ is str else own_exceptions(cause)
    told = told[:MAX_EXCEPTIONS]
    places = {each["id"]: n for n, each in enumerate(told) if each.get("id").__class__ is str}
    return [
        {
            "id": text(each.get("id")),
            "type": text(each.get("type")),
            "message": text(each.get("message")),
            "remote": each.get("remote") is True,
            "truncated": int(number(each.get("truncated")) or 0),
            "skipped": int(number(each.get("skipped")) or 0),
            "cause": _place(places, each.get("cause")),
            "stack": [{**frame._asdict(), "own": is_own(frame.path)} for frame in frames(each)],
        }
        for each in told
    ]


def _place(places: dict[str, int], cause: Any) -> int | None:
    return places.get(cause) if cause.__class__ is str else None


def _told(trace: Trace, id: str) -> list[dict[str, Any]]:
    """The exception with an id, and those behind it, wherever in the trace they are told."""
    known: dict[str, dict[str, Any]] = {}
    for part in trace.parts:
        for entity in entities_of(part.document):
            for each in own_exceptions(entity.get("cause")):
                own_id = each.get("id")
                if own_id.__class__ is str:
                    known.setdefault(own_id, each)
    found: list[dict[str, Any]] = []
    wanted: Any = id
    while wanted.__class__ is str and wanted in known:
        found.append(known.pop(wanted))
        wanted = found[-1].get("cause")
    return found


MAX_TOLD = 200
MAX_TOLD_FRAMES = 3
MAX_TOLD_CHARS = 500


def told_exceptions(timeline: Timeline, rows: int) -> tuple[list[list[Any]], int]:
    """The exceptions of a trace where it tells them: row, type, message, whether it is the cause of one
    of the same row, a few frames, the innermost first; and how many more there are.

    rows: how many rows are looked at. One that several rows tell is the last one's: it was raised there.
    """
    telling: list[tuple[int, list[dict[str, Any]]]] = []
    met: set[str] = set()
    for place in range(min(rows, len(timeline.entities)) - 1, -1, -1):
        if timeline.rows[place].kind == INFERRED:
            continue  # of what was called and sent nothing, its caller tells the same
        new = []
        for each in own_exceptions(timeline.entities[place].get("cause")):
            id = each.get("id")
            if id.__class__ is not str:
                new.append(each)
            elif id not in met:
                met.add(id)
                new.append(each)
        if new:
            telling.append((place, new))
    found: list[list[Any]] = []
    for place, exceptions in reversed(telling):
        behind = {each["cause"] for each in exceptions if each.get("cause").__class__ is str}
        for each in exceptions[: MAX_TOLD - len(found)]:
            told = [(text(each.get(name)) or "")[:MAX_TOLD_CHARS] for name in ("type", "message")]
            id = each.get("id")
            found.append([place, *told, id.__class__ is str and id in behind, _few(frames(each))])
    return found, sum(len(exceptions) for _, exceptions in telling) - len(found)


def _few(stack: list[Frame]) -> list[dict[str, Any]]:
    """The innermost frames, among them one of the application's own code, if there is any."""
    few = stack[:MAX_TOLD_FRAMES]
    own = own_frame(stack)
    if own is not None and own not in few and is_own(own.path):
        few[-1] = own
    return [{**frame._asdict(), "own": is_own(frame.path)} for frame in few]


# -- what it did -------------------------------------------------------------------------------


def request_of(entity: dict[str, Any]) -> dict[str, Any] | None:
    """Method and URL of the HTTP request that an entity is about, None if it is about none."""
    http = entity.get("http")
    request = http.get("request") if http.__class__ is dict else None
    if request.__class__ is not dict:
        return None
    url = text(request.get("url"))
    return {"method": text(request.get("method")), "url": url} if url else None


def sql_of(entity: dict[str, Any]) -> dict[str, Any] | None:
    """The statement of an entity, as it is and laid out, None if it has none."""
    sql: Any = entity.get("sql")
    statement = text(sql.get("sanitized_query")) if sql.__class__ is dict else None
    if not statement:
        return None
    return {
        "text": statement,
        "formatted": _formatted(statement),
        "database_type": text(sql.get("database_type")),
        "url": text(sql.get("url")),
    }


def _formatted(statement: str) -> str:
    if len(statement) > MAX_FORMATTED_CHARS:
        return statement
    try:
        return str(sqlparse.format(statement, reindent=True, keyword_case="upper"))
    except Exception:  # whatever stands in a statement, it can be shown as it is
        return statement


# -- what can be copied ------------------------------------------------------------------------


def curl_of(trace_id: str, entity: dict[str, Any]) -> str | None:
    """A command that makes the request of an entity again, traced; None if it is about none."""
    request = request_of(entity)
    if request is None:
        return None
    method = request["method"] or "GET"
    header = f"X-Amzn-Trace-Id: Root={trace_id};Sampled=1"
    words = ["curl", *([] if method == "GET" else ["-X", method]), "-H", header, request["url"]]
    return shlex.join(words)


_CLI_NAMES = {"dynamodb": "dynamodb", "s3": "s3api", "sqs": "sqs", "sns": "sns", "lambda": "lambda"}
_CLI_OPTIONS = {
    "table_name": "--table-name",
    "bucket_name": "--bucket",
    "key": "--key",
    "queue_url": "--queue-url",
    "function_name": "--function-name",
    "topic_arn": "--topic-arn",
    "stream_name": "--stream-name",
}


def aws_command_of(entity: dict[str, Any]) -> str | None:
    """The AWS CLI's command for the call of an entity, as far as it is known; None if it is about none."""
    aws: Any = entity.get("aws")
    operation = text(aws.get("operation")) if aws.__class__ is dict else None
    if entity.get("namespace") != "aws" or not operation:
        return None
    service = (text(entity.get("name")) or "").lower()
    words = ["aws", _CLI_NAMES.get(service, service), _dashed(operation)]
    for member, option in _CLI_OPTIONS.items():
        value = text(aws.get(member))
        if value:
            words += [option, value]
    region = text(aws.get("region"))
    if region:
        words += ["--region", region]
    return shlex.join(words)


def _dashed(operation: str) -> str:
    """GetItem -> get-item."""
    made = ""
    for n, char in enumerate(operation):
        after_small = n > 0 and operation[n - 1].islower()
        before_small = n > 0 and n + 1 < len(operation) and operation[n + 1].islower()
        made += (
            f"-{char.lower()}" if char.isupper() and (after_small or before_small) else char.lower()
        )
    return made
