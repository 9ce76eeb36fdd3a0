"""Rows of traces, made of all documents that any collector has inserted.

Whoever inserts a document makes the row of its trace anew, of all its documents. Two that insert at the
same time may both leave one out that the other has just inserted, but whoever inserted last has read
all: of rows of one trace the one that knows most wins, and ClickHouse settles that. So nobody has to agree
with anybody, and doing it again does no harm, which is what mends a collector's death on the way.

Links between traces are the same: that one trace links to another is written before the other is
read, and who inserts a document of the other looks for such links afterwards; one of them meets the
other's writing.
"""

from __future__ import annotations

import logging
import time
from typing import NamedTuple

import orjson

from ...trace import compile_trace
from ..derive import derive
from ..links import Following, unpacked
from .database import chunks
from .rows import minutes_in, row_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any, TypeAlias

    from ...trace import Trace
    from ..links import Link, Producer
    from .database import Database

    Producers: TypeAlias = Mapping[str, Producer]

log = logging.getLogger("xtrace.collector")

TRACES_AT_ONCE = 1_000
"""Whose rows are made and inserted together."""

MAX_KNOWN_LINKS = 100_000

SLOW_SECONDS = 0.005
"""A trace that takes longer to compile isn't compiled for each of its documents: see `Settling.took`."""


class Received:
    """Documents of one trace, parsed, in the order of arrival. run: that of the first, "" for none.
    minutes: in which something in them begins.
    """

    __slots__ = ("contents", "first", "minutes", "run")

    def __init__(self) -> None:
        self.contents: list[Any] = []
        self.minutes: set[int] = set()
        self.first = 0
        self.run = ""

    def add(self, number: int, run: str, content: Any) -> None:
        """The next document."""
        if not self.contents:
            self.first, self.run = number, run
        self.contents.append(content)
        self.minutes |= minutes_in(content)


class _Compiled(NamedTuple):
    """A trace, what its links lead to, and the seconds that it took."""

    trace: Trace
    following: Following
    took: float


class Settling:
    """Makes rows. To be used by one thread at a time.

    failed: traces that couldn't be compiled. took: seconds it took to compile those that take long.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._linked: dict[tuple[str, str], None] = {}
        self.failed = 0
        self.took: dict[str, float] = {}

    def settle(
        self, traces: Mapping[str, Received | None], *, placed: str | None = None, any_placed: bool
    ) -> list[str]:
        """Write the rows of traces; gives the ids of those that have no documents any more.

        traces: by id what is known of their documents; whether it is all, ClickHouse says. placed: the
        run they are put in. any_placed: there are traces that were put in runs. Raises StoreError.
        """
        gone: list[str] = []
        for ids in chunks(list(traces), TRACES_AT_ONCE):
            gone += self._settle({id: traces[id] for id in ids}, placed, any_placed)
        return gone

    def _settle(
        self, asked: dict[str, Received | None], placed: str | None, any_placed: bool
    ) -> list[str]:
        found = self._documents(asked)
        gone = [id for id in asked if id not in found]
        traces = self._compiled(found)
        links = self._written_links(traces)
        # Those that link to these, where the links lead elsewhere now.
        linking = self._linking(list(found))
        recorded = self.recorded(linking)
        producers: dict[str, Producers | None] = {}
        for linking_id, targets in linking.items():
            for id in targets:
                if id not in producers:
                    producers[id] = traces[id].trace.producers() if id in traces else {}
            if not _leads_where_it_did(recorded.get(linking_id), producers):
                links[linking_id] = []
        more = self._documents({id: None for id in links if id not in found})
        found.update(more)
        traces.update(self._compiled(more))
        links = {id: list(traces[id].following.found) for id in links if id in traces}
        # What links lead to.
        others = {to for of in links.values() for to, _ in of}
        linked = self._documents(dict.fromkeys(others - found.keys()))
        for id in others - producers.keys():
            documents = found.get(id) or linked.get(id)
            producers[id] = None if documents is None else self._producers(id, documents)
        recorded.update(self.recorded(links.keys() - recorded.keys()))
        for id in links:
            self._compile(id, found[id], traces, producers.get, recorded.get(id, {}))
        runs = self._placed(found) if any_placed else {}
        rows: list[list[Any]] = []
        for trace_id, (trace, following, took) in traces.items():
            documents = found[trace_id]
            run = placed if placed is not None else runs.get(trace_id)
            known = {to for to, _ in links.get(trace_id, ())}
            begun = time.monotonic()
            try:
                row = row_of(
                    trace_id,
                    derive(trace, following.found),
                    documents=len(documents.contents),
                    linked=sum(
                        len(of.contents)
                        for of in (found.get(id) or linked.get(id) for id in known)
                        if of is not None
                    ),
                    received=documents.first / 1e9,
                    run=documents.run if run is None else run,
                    placed=run is not None,
                    place=len(rows),
                    minutes=documents.minutes,
                )
            except Exception:
                self._fail(trace_id)
                continue
            rows.append(row)
            took += time.monotonic() - begun
            if took > SLOW_SECONDS:
                self.took[trace_id] = took
        if rows:
            self.failed += len(self._database.insert_what_goes("traces", rows))
        return gone

    def _compiled(self, found: Mapping[str, Received]) -> dict[str, _Compiled]:
        """Traces, without what their links lead to."""
        traces: dict[str, _Compiled] = {}
        for id, documents in found.items():
            self._compile(id, documents, traces, lambda _: {}, {})
        return traces

    def _compile(
        self,
        id: str,
        documents: Received,
        traces: dict[str, _Compiled],
        producers: Callable[[str], Producers | None],
        recorded: Mapping[Link, Producer | None],
    ) -> None:
        begun = time.monotonic()
        following = Following(producers, lambda: recorded)
        try:
            trace = compile_trace(id, documents.contents, following)
        except Exception:
            traces.pop(id, None)
            self._fail(id)
        else:
            traces[id] = _Compiled(trace, following, time.monotonic() - begun)

    def _fail(self, trace_id: str) -> None:
        self.failed += 1
        log.exception("Trace %s can't be compiled; its documents are kept", trace_id)

    def _producers(self, trace_id: str, documents: Received) -> Producers:
        try:
            return compile_trace(trace_id, documents.contents).producers()
        except Exception:  # a fault of ours; it isn't that of the trace with the link
            log.exception("Trace %s can't be compiled to follow a link", trace_id)
            return {}

    # -- what is there

    def _documents(self, traces: Mapping[str, Received | None]) -> dict[str, Received]:
        """All documents of traces. traces: with those that are known."""
        found: dict[str, Received] = {}
        unknown = []
        counted = dict(self._counts([id for id, known in traces.items() if known is not None]))
        for id, known in traces.items():
            if known is not None and counted.get(id) == len(known.contents):
                found[id] = known
            elif known is None or id in counted:
                unknown.append(id)
        for trace_id, number, run, data in documents_of(self._database, unknown):
            found.setdefault(trace_id, Received()).add(number, run, orjson.loads(data))
        return found

    def _counts(self, ids: Sequence[str]) -> Iterator[tuple[str, int]]:
        for some in chunks(ids):
            yield from self._database.query(
                "SELECT trace_id, count() FROM documents FINAL WHERE trace_id IN ? GROUP BY trace_id",
                (some,),
            )

    def _written_links(self, traces: Mapping[str, _Compiled]) -> dict[str, list[Link]]:
        """The links of traces to others, which are written before anybody looks where they lead."""
        links = {id: list(of.following.found) for id, of in traces.items() if of.following.found}
        pairs = {(to, id) for id, of in links.items() for to, _ in of}
        new = sorted(pair for pair in pairs if pair not in self._linked)
        if new:
            self._database.insert("links", new)
            if len(self._linked) > MAX_KNOWN_LINKS:
                self._linked.clear()
            self._linked.update(dict.fromkeys(new))
        return links

    def _linking(self, ids: Sequence[str]) -> dict[str, set[str]]:
        """Traces, besides these, with links to these; and to which of them."""
        found: dict[str, set[str]] = {}
        among = set(ids)
        for some in chunks(ids):
            rows = self._database.query(
                "SELECT DISTINCT trace_id, to_trace FROM links WHERE to_trace IN ?", (some,)
            )
            for trace_id, to in rows:
                if trace_id not in among:
                    found.setdefault(trace_id, set()).add(to)
        return found

    def recorded(self, ids: Iterable[str]) -> dict[str, dict[Link, Producer | None]]:
        """What the links of traces led to when their rows were made; as far as they have rows."""
        found: dict[str, dict[Link, Producer | None]] = {}
        for some in chunks(list(ids)):
            rows = self._database.query(
                "SELECT trace_id, `links.to_trace`, `links.id`, `links.found` FROM traces FINAL "
                "WHERE trace_id IN ?",
                (some,),
            )
            found.update({trace_id: led(*links) for trace_id, *links in rows})
        return found

    def _placed(self, ids: Iterable[str]) -> dict[str, str]:
        runs: dict[str, str] = {}
        for some in chunks(list(ids)):
            runs.update(
                self._database.query(
                    "SELECT trace_id, run FROM traces FINAL WHERE placed AND trace_id IN ?", (some,)
                )
            )
        return runs


def led(
    to_traces: Sequence[str], ids: Sequence[str], found: Sequence[str | None]
) -> dict[Link, Producer | None]:
    """What the links of a row led to."""
    return {
        (to, id): None if end is None else unpacked(end)
        for to, id, end in zip(to_traces, ids, found, strict=True)
    }


def _leads_where_it_did(
    recorded: Mapping[Link, Producer | None] | None, producers: Mapping[str, Producers | None]
) -> bool:
    """Whether all links of a row lead where they did when it was made."""
    return recorded is not None and all(
        (producers[to] or {}).get(id) == end
        for (to, id), end in recorded.items()
        if to in producers
    )


def documents_of(database: Database, ids: Sequence[str]) -> Iterator[tuple[str, int, str, bytes]]:
    """Id, number, run and data of the documents of traces, in the order of arrival."""
    for some in chunks(ids):
        rows = database.query(
            "SELECT trace_id, number, run, data FROM documents FINAL WHERE trace_id IN ? "
            "ORDER BY number, collector",
            (some,),
            as_bytes=True,
        )
        for trace_id, number, run, data in rows:
            yield trace_id.decode(), number, run.decode(), data
