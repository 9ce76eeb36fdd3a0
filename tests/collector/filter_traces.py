"""Traces for the tests of filters, and the same in SQLite."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from xtrace.collector.causes import CauseEntity, CauseException, CauseService, RootCause
from xtrace.collector.store.schema import SCHEMA
from xtrace.collector.trace import Call, NodeKey, Part, Trace, compile_trace

if TYPE_CHECKING:
    from collections.abc import Iterable

TRACE_ID = "1-5759e988-bd862e3fe1be46a994272793"
START = 1_465_510_280.0


def segment(name: str = "api.example.com", id: int = 1, parent: int = 0, **members: Any) -> Any:
    """A segment document that took a second, unless `end_time` says otherwise."""
    document = {
        "trace_id": TRACE_ID,
        "id": f"{id:016x}",
        "name": name,
        "start_time": START,
        "end_time": START + 1,
        **members,
    }
    return {**document, "parent_id": f"{parent:016x}"} if parent else document


def subsegment(name: str, id: int, **members: Any) -> Any:
    document = segment(name, id, **members)
    del document["trace_id"]
    return document


def called(name: str, id: int, **members: Any) -> Any:
    """A call to a service that sends nothing itself."""
    return subsegment(name, id, namespace="remote", **members)


def lasting(seconds: float) -> Any:
    return segment(end_time=START + seconds)


def annotated(**annotations: Any) -> Any:
    return segment(annotations=annotations)


def requested(url: str = "http://api.example.com/", status: int = 200, **request: Any) -> Any:
    return segment(
        http={"request": {"url": url, **request}, "response": {"status": status}},
        error=400 <= status < 500,
        throttle=status == 429,
        fault=status >= 500,
    )


def of(*documents: Any, causes: dict[str, list[RootCause]] | None = None) -> Trace:
    """The trace of documents; causes: in place of those it has."""
    trace = compile_trace(TRACE_ID, documents)
    if causes is not None:
        trace._causes = {"fault": [], "error": [], "responsetime": [], **causes}
    return trace


def cause(*services: CauseService, client_impacting: bool = True) -> RootCause:
    return RootCause(client_impacting, list(services))


def on_the_way(
    name: str, *entities: CauseEntity, type: str | None = None, inferred: bool = False
) -> CauseService:
    return CauseService(NodeKey(name, type, None), [name], inferred, list(entities))


def entity(
    name: str,
    *exceptions: tuple[str, str],
    remote: bool = False,
    coverage: float | None = None,
) -> CauseEntity:
    return CauseEntity(name, remote, coverage, [CauseException(*each) for each in exceptions])


def made(kind: type[Any], defaults: dict[str, Any], values: dict[str, Any]) -> Any:
    thing = kind.__new__(kind)
    for name, value in {**defaults, **values}.items():
        setattr(thing, name, value)
    return thing


def part(**values: Any) -> Part:
    """A part by its attributes; what isn't given is missing."""
    given = {"ok", "error", "throttle", "fault", "inferred", "root", "orphan", "in_progress"}
    nothing = dict.fromkeys(Part.__slots__)
    return made(Part, {**nothing, **dict.fromkeys(given, False)}, values)


def call(source: NodeKey, target: NodeKey, **values: Any) -> Call:
    flags = dict.fromkeys(("ok", "error", "throttle", "fault", "link"), False)
    nothing = dict.fromkeys(Call.__slots__)
    return made(Call, {**nothing, **flags, "source": source, "target": target}, values)


def trace(**values: Any) -> Trace:
    causes = {"fault": [], "error": [], "responsetime": []}
    empty = {
        "id": TRACE_ID,
        "start": START,
        "end": START,
        "duration": 0.0,
        "response_time": None,
        "partial": False,
        "root": None,
        "parts": [],
        "calls": [],
        "annotations": {},
        "users": [],
        "revision": 1,
        "_causes": causes,
    }
    return made(Trace, empty, values)


def database(traces: Iterable[Trace]) -> sqlite3.Connection:
    """The store's tables with what filters look at; trace_no is the place in `traces`."""
    connection = sqlite3.connect(":memory:")
    connection.executescript(SCHEMA)
    nodes: dict[NodeKey, int] = {}

    def put(table: str, **columns: Any) -> None:
        names = ", ".join(columns)
        places = ", ".join("?" * len(columns))
        values = [int(v) if isinstance(v, bool) else v for v in columns.values()]
        connection.execute(f"insert into {table} ({names}) values ({places})", values)

    def node(key: NodeKey) -> int:
        if key not in nodes:
            nodes[key] = len(nodes) + 1
            put("nodes", node_no=nodes[key], **key._asdict())
        return nodes[key]

    def status(of: Part | Call) -> dict[str, Any]:
        names = ("ok", "error", "fault", "throttle", "response_time")
        return {name: getattr(of, name) for name in names}

    def http(of: Part | None) -> dict[str, Any]:
        names = ("http_url", "http_method", "http_status", "http_user_agent", "http_client_ip")
        return {name: getattr(of, name, None) for name in names}

    for number, each in enumerate(traces):
        root = each.root
        put(
            "traces",
            trace_no=number,
            trace_id=f"{number}",
            received=0.0,
            duration=each.duration,
            response_time=each.response_time,
            has_ok=root is not None and root.ok,
            has_error=root is not None and root.error,
            has_fault=root is not None and root.fault,
            has_throttle=any(part.throttle for part in each.parts),
            is_partial=each.partial,
            has_inferred=any(part.inferred for part in each.parts),
            root_node=None if root is None else node(root.node),
            **http(root),
        )
        values = {("user", user) for user, _ in each.users}
        for place, part in enumerate(each.parts):
            fields = {
                "availabilityzone": part.availability_zone,
                "instance.id": part.instance_id,
                "resource.arn": part.resource_arn,
            }
            values |= {(field, text) for field, text in fields.items() if text is not None}
            if not part.orphan:
                put(
                    "parts",
                    trace_no=number,
                    part_no=place,
                    node_no=node(part.node),
                    root=part.root,
                    inferred=part.inferred,
                    duration=part.duration,
                    http_status=part.http_status,
                    **status(part),
                )
        for place, call in enumerate(each.calls):
            put(
                "calls",
                trace_no=number,
                call_no=place,
                source_no=node(call.source),
                target_no=node(call.target),
                link=call.link,
                **status(call),
            )
        pairs = [(key, value) for key, found in each.annotations.items() for value, _ in found]
        for place, (key, value) in enumerate(pairs):
            kind = "s" if isinstance(value, str) else "b" if isinstance(value, bool) else "n"
            put(
                "annotations",
                trace_no=number,
                annotation_no=place,
                key=key,
                kind=kind,
                text=value if isinstance(value, str) else None,
                number=None if isinstance(value, str) else float(value),
            )
        for field, text in values:
            put("values_of", trace_no=number, field=field, text=text)
    return connection
