"""What links between traces lead from, on SQLite.

A link is followed when its trace is compiled, and what it led to is kept. When the other trace
changes it is compared with that, and the traces whose links lead elsewhere now are compiled anew:
the other one may come later, and grow.
"""

from __future__ import annotations

import logging
import sqlite3
from collections import OrderedDict

import orjson

from ..documents import text
from ..trace import NodeKey, compile_trace
from .schema import documents_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import TypeAlias

    from ..trace import Trace

    # The node that a link leads from, and when what it is about ended.
    Producer: TypeAlias = tuple[NodeKey, float | None]
    # The id of another trace, and of a segment or subsegment in it.
    Link: TypeAlias = tuple[str, str]

log = logging.getLogger("xtrace.collector")

MAX_LINKS = 100
"""To other traces, that are followed of one trace; X-Ray takes no more. The first by start."""

MAX_ID_CHARS = 250
"""No trace or segment with a longer id is stored."""

MAX_KNOWN_IDS = 50_000
AT_ONCE = 500


class Links:
    """Knows what links to some traces lead from, as of their last compilations."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Mapping[str, Producer]] = OrderedDict()
        self._ids = 0
        self._any = False

    def read(self, connection: sqlite3.Connection) -> None:
        """Learn what is in the table."""
        self._any = connection.execute("select 1 from links limit 1").fetchone() is not None

    def compiled(self, trace: Trace) -> None:
        """A trace that is known has been compiled anew."""
        if trace.id in self._known:
            self._keep(trace.id, trace.producers())

    def forget(self, trace_id: str) -> None:
        """A trace is no more."""
        self._ids -= len(self._known.pop(trace_id, ()))

    def _keep(self, trace_id: str, producers: Mapping[str, Producer]) -> None:
        self.forget(trace_id)
        self._known[trace_id] = producers
        self._ids += len(producers)
        while self._ids > MAX_KNOWN_IDS and len(self._known) > 1:
            self.forget(next(iter(self._known)))

    def producers(
        self, connection: sqlite3.Connection, trace_id: str
    ) -> Mapping[str, Producer] | None:
        """What links to a trace lead from, by the ids in it; None if it isn't stored."""
        producers = self._known.get(trace_id)
        if producers is not None:
            self._known.move_to_end(trace_id)
            return producers
        found = connection.execute(
            "select trace_no from traces where trace_id = ?", (trace_id,)
        ).fetchone()
        if found is None:
            return None
        documents = documents_of(connection, found[0])
        try:
            trace = compile_trace(trace_id, [orjson.loads(data) for data in documents])
            producers = trace.producers()
        except Exception:  # a fault of ours; it isn't that of the trace with the link
            log.exception("Trace %s can't be compiled to follow a link", trace_id)
            producers = {}
        self._keep(trace_id, producers)
        return producers

    def write(self, connection: sqlite3.Connection, rows: Sequence[tuple[object, ...]]) -> None:
        """Keep what was found: trace_no, link_no, to_trace, id and found of each link."""
        if rows:
            connection.executemany("insert into links values (?, ?, ?, ?, ?)", rows)
            self._any = True

    def linked_to(self, connection: sqlite3.Connection, trace_ids: Sequence[str]) -> list[str]:
        """Those of these traces that others link to."""
        found: list[str] = []
        for start in range(0, len(trace_ids) if self._any else 0, AT_ONCE):
            some = trace_ids[start : start + AT_ONCE]
            marks = ", ".join("?" * len(some))
            rows = connection.execute(
                f"select distinct to_trace from links where to_trace in ({marks})", some
            )
            found.extend(trace_id for (trace_id,) in rows)
        return found

    def outdated(self, connection: sqlite3.Connection, trace_id: str) -> Iterator[str]:
        """The traces whose links to this one lead elsewhere now than they did."""
        producers = self.producers(connection, trace_id) or {}
        kept = connection.execute(
            "select distinct id, found from links where to_trace = ?", (trace_id,)
        ).fetchall()
        for id, found in kept:
            if found != packed(producers.get(id)):
                rows = connection.execute(
                    "select distinct trace_id from links join traces using (trace_no) "
                    "where to_trace = ? and id = ? and found is ?",
                    (trace_id, id, found),
                )
                yield from [linking for (linking,) in rows]


class Following:
    """Follows the links of one trace while it is compiled. found: what they led to.

    producers: what links to a trace lead from, None if it isn't stored. recorded: what the links of
    this one led to before.
    """

    def __init__(
        self,
        producers: Callable[[str], Mapping[str, Producer] | None],
        recorded: Callable[[], Mapping[Link, Producer | None]],
    ) -> None:
        self._producers = producers
        self._recorded = recorded
        self.found: dict[Link, Producer | None] = {}

    def __call__(self, trace_id: str, id: str) -> Producer | None:
        """What a link leads from; see compile_trace()."""
        link = trace_id, id
        if link in self.found:
            return self.found[link]
        if len(self.found) == MAX_LINKS or not (_is_stored(trace_id) and _is_stored(id)):
            return None
        producers = self._producers(trace_id)
        # The other trace may have made room since; what it led to stays true.
        producer = self._recorded().get(link) if producers is None else producers.get(id)
        self.found[link] = producer
        return producer


def _is_stored(id: str) -> bool:
    """Whether an id can be one of what is stored."""
    return 0 < len(id) <= MAX_ID_CHARS and text(id) == id


def recorded(connection: sqlite3.Connection, trace_no: int) -> dict[Link, Producer]:
    """What the links of a trace led to when it was last compiled."""
    rows = connection.execute(
        "select to_trace, id, found from links where trace_no = ? and found is not null",
        (trace_no,),
    )
    return {(to_trace, id): unpacked(data) for to_trace, id, data in rows}


def unpacked(data: bytes | str) -> Producer:
    """The producer that is kept so."""
    *node, end = orjson.loads(data)
    return NodeKey(*node), end


def packed(producer: Producer | None) -> bytes | None:
    """A producer as it is kept."""
    return None if producer is None else orjson.dumps([*producer[0], producer[1]])
