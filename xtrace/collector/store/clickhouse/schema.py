"""Where a ClickHouse is, and the tables of the store on it.

Documents are what must last. A row of `traces` is made of all documents of a trace, by whichever collector
has inserted one: rows of one trace replace each other, and the one that knows the most documents wins.
Filters are compiled to conditions on these rows (filters/dialects.py), with `t` for traces.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from .. import StoreError, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLING_DAYS = 1

ROWS_A_GRANULE = 1024
"""Read at least where a trace's documents, or its row, are looked up; they are larger than most."""

_TEXT, _FLAG, _SECONDS = "String", "UInt8", "Nullable(Float64)"
_MAYBE, _NUMBER = "Nullable(String)", "Int64"


def _node(prefix: str) -> dict[str, str]:
    return {f"{prefix}name": _TEXT, f"{prefix}type": _MAYBE, f"{prefix}account_id": _MAYBE}


_OUTCOME = {"ok": _FLAG, "error": _FLAG, "fault": _FLAG, "throttle": _FLAG}

ARRAYS: dict[str, dict[str, str]] = {
    "parts": {
        **_node("node_"),
        "root": _FLAG,
        "inferred": _FLAG,
        **_OUTCOME,
        "response_time": _SECONDS,
        "duration": _SECONDS,
        "end_time": _SECONDS,
        "http_status": "Nullable(Int32)",
    },
    "calls": {
        **_node("source_"),
        **_node("target_"),
        "link": _FLAG,
        **_OUTCOME,
        "response_time": _SECONDS,
    },
    "annotations": {"key": _TEXT, "kind": _TEXT, "text": _MAYBE, "number": _SECONDS},
    "values": {"field": _TEXT, "text": _TEXT},
    "links": {"to_trace": _TEXT, "id": _TEXT, "found": _MAYBE},
    "failures": {
        "node": _TEXT,  # graph.subject_text()
        "group_id": _TEXT,
        "type": _TEXT,
        "message": _TEXT,
        "frame": _MAYBE,
        "time": "Float64",
        "entity": _TEXT,
    },
    # What it says about the graph, see graph.Observation; times in microseconds, buckets in ms.
    "seen": {
        "subject": _TEXT,
        "status": _FLAG,
        "start": _NUMBER,
        "end": _NUMBER,
        "response": _NUMBER,
        "bucket": _NUMBER,
        "lasted": _NUMBER,
        "root": _FLAG,
        "received": _FLAG,
    },
}
"""What hangs on a trace: arrays of the same length, `parts.ok` and so on."""

TRACES: dict[str, str] = {
    "trace_id": _TEXT,
    "version": "UInt64",  # see rows.version()
    "documents": "UInt32",
    "received": "Float64",  # when its first document arrived
    "run": _TEXT,  # empty: of none
    "placed": _FLAG,  # it was put in its run, and didn't begin in it
    "time": "Float64",
    "start_time": "Float64",
    "end_time": _SECONDS,
    "duration": _SECONDS,
    "response_time": _SECONDS,
    "has_ok": _FLAG,
    "has_error": _FLAG,
    "has_fault": _FLAG,
    "has_throttle": _FLAG,
    "is_partial": _FLAG,
    "has_inferred": _FLAG,
    "http_url": _MAYBE,
    "http_method": _MAYBE,
    "http_status": "Nullable(Int32)",
    "http_user_agent": _MAYBE,
    "http_client_ip": _MAYBE,
    "root_name": _MAYBE,
    "root_type": _MAYBE,
    "root_account_id": _MAYBE,
    "microseconds": "Nullable(Int64)",  # of the response time, cut to two digits
    "seen_first": _NUMBER,  # the least of seen.start, and the most
    "seen_last": _NUMBER,
    "minutes": f"Array({_NUMBER})",  # in which something in its documents begins; only ever more
    "summary": f"{_TEXT} CODEC(ZSTD)",  # JSON
    "place": "UInt32",  # among the rows of an insertion
    **{
        f"{array}.{name}": f"Array({kind})"
        for array, columns in ARRAYS.items()
        for name, kind in columns.items()
    },
}
"""Columns of a trace that a collector inserts, and their types."""

DOCUMENTS = {
    "collector": _TEXT,
    "number": "UInt64",  # grows with time, on whichever collector; in nanoseconds
    "run": _TEXT,
    "trace_id": _TEXT,
    "data": f"{_TEXT} CODEC(ZSTD)",  # as received
}
LINKS = {"to_trace": _TEXT, "trace_id": _TEXT}
SETTINGS = {"name": _TEXT, "value": _TEXT, "version": "UInt64"}
SAMPLING = {
    "time": "Float64",
    "rule": _TEXT,
    "requests": _NUMBER,
    "borrowed": _NUMBER,
    "sampled": _NUMBER,
}
GRAPH = {
    "generation": _TEXT,
    "minute": _NUMBER,  # its first second
    "version": "UInt64",  # when it was begun to be made, in microseconds
    "is_marked": _FLAG,  # to be added up; there are no sums
    # As in graph.Rollup; first and last: the outline.
    "sums.subject": f"Array({_TEXT})",
    "sums.counts": f"Array(Array({_NUMBER}))",
    "sums.roots": f"Array({_NUMBER})",
    "sums.received": f"Array({_NUMBER})",
    "sums.microseconds": "Array(Int128)",
    "sums.buckets": f"Array(Array({_NUMBER}))",
    "sums.in_buckets": f"Array(Array({_NUMBER}))",
    "sums.later": f"Array(Array({_NUMBER}))",
    "sums.in_later": f"Array(Array({_NUMBER}))",
    "sums.first": f"Array({_NUMBER})",
    "sums.last": f"Array({_NUMBER})",
}
TABLES = {
    "documents": DOCUMENTS,
    "traces": TRACES,
    "links": LINKS,
    "graph": GRAPH,
    "settings": SETTINGS,
    "sampling": SAMPLING,
}


class Place(NamedTuple):
    """What a URL says: clickhouse://user:password@host:8123/database?cluster=name.

    cluster: tables are replicated and distributed on it. secure: over TLS (clickhouses:).
    """

    host: str
    port: int
    user: str
    password: str
    database: str
    cluster: str | None
    secure: bool
    url: str

    @property
    def on(self) -> str:
        """What says in a statement that it is for the whole cluster."""
        return f" ON CLUSTER {self.cluster}" if self.cluster else ""

    def local(self, table: str) -> str:
        """The table that holds the rows."""
        return f"{table}_local" if self.cluster else table


def place_of(url: str) -> Place:
    """Read a URL. Raises StoreError."""
    try:
        parts = urlsplit(url)
        secure = parts.scheme == "clickhouses"
        said = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        cluster = said.pop("cluster", None)
        database = unquote(parts.path.strip("/")) or "xtrace"
        if not parts.hostname or said or not all(map(_is_name, (database, cluster or "x"))):
            raise ValueError
        port = parts.port or (8443 if secure else 8123)
    except ValueError:
        raise StoreError(
            f"{shown(url)!r} can't be read. Write clickhouse://user:password@host:8123/database, "
            "perhaps with ?cluster=name."
        ) from None
    return Place(
        parts.hostname,
        port,
        unquote(parts.username or "default"),
        unquote(parts.password or ""),
        database,
        cluster,
        secure,
        shown(url),
    )


def _is_name(text: str) -> bool:
    return text.isascii() and text.replace("_", "").isalnum()


def tables(place: Place, max_age: float | None) -> list[tuple[str, str]]:
    """The names of the tables, and the statements that make them."""
    made = [
        _table(
            place,
            "documents",
            ["received DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC')"],
            ["INDEX by_received received TYPE minmax GRANULARITY 1"],
            "ReplacingMergeTree",
            "PARTITION BY toDate(received) ORDER BY (trace_id, collector, number)"
            f"{_ttl('received', max_age)}",
        ),
        # A trace's rows may lie in several days; FINAL chooses among all of them.
        _table(
            place,
            "traces",
            ["changed UInt64 DEFAULT toUnixTimestamp64Micro(now64(6)) + place"],
            [
                f"INDEX by_{column} {column} TYPE minmax GRANULARITY 1"
                for column in (
                    "time",
                    "start_time",
                    "end_time",
                    "seen_first",
                    "seen_last",
                    "changed",
                )
            ],
            "ReplacingMergeTree(version)",
            "PARTITION BY toDate(fromUnixTimestamp64Micro(toInt64(changed)), 'UTC') "
            f"ORDER BY trace_id{_ttl('fromUnixTimestamp64Micro(toInt64(changed))', max_age)}",
        ),
        _table(
            place,
            "links",
            ["made DateTime DEFAULT now()"],
            [],
            "ReplacingMergeTree",
            f"PARTITION BY toDate(made, 'UTC') ORDER BY (to_trace, trace_id){_ttl('made', max_age)}",
        ),
        _table(
            place,
            "graph",
            [],
            [],
            "ReplacingMergeTree(version)",
            f"ORDER BY (generation, minute){_ttl('minute', max_age)}",
        ),
        _table(place, "settings", [], [], "ReplacingMergeTree(version)", "ORDER BY name"),
        _table(
            place,
            "sampling",
            [],
            [],
            "SummingMergeTree",
            f"ORDER BY (time, rule) TTL toDateTime(time) + INTERVAL {SAMPLING_DAYS} DAY",
        ),
    ]
    return [*made, *_distributed(place)]


def _table(
    place: Place, name: str, more: list[str], indexes: list[str], engine: str, rest: str
) -> tuple[str, str]:
    columns = [f"`{column}` {kind}" for column, kind in TABLES[name].items()]
    granules = f" SETTINGS index_granularity = {ROWS_A_GRANULE}" if name in _LARGE else ""
    if " TTL " in rest and name in (*_LARGE, "links"):
        granules += f"{', ' if granules else ' SETTINGS '}ttl_only_drop_parts = 1"
    table = place.local(name)
    return table, (
        f"CREATE TABLE IF NOT EXISTS {table}{place.on} "
        f"({', '.join([*more, *columns, *indexes])}) "
        f"ENGINE = {'Replicated' if place.cluster else ''}{engine} {rest}{granules}"
    )


_LARGE = ("documents", "traces")


def _ttl(column: str, max_age: float | None) -> str:
    return "" if max_age is None else f" TTL toDateTime({column}) + INTERVAL {int(max_age)} SECOND"


def _distributed(place: Place) -> Iterator[tuple[str, str]]:
    if place.cluster:
        for name, by in (
            ("documents", "trace_id"),
            ("traces", "trace_id"),
            ("links", "to_trace"),
            ("graph", "minute"),
            ("settings", "name"),
            ("sampling", "rule"),
        ):
            yield (
                name,
                f"CREATE TABLE IF NOT EXISTS {name}{place.on} AS {name}_local ENGINE = "
                f"Distributed({place.cluster}, currentDatabase(), {name}_local, cityHash64({by}))",
            )
