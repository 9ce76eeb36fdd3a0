"""Where a collector keeps what it receives: the interface, and the types that pass through it.

A store keeps every document byte for byte and derives all else from the documents of a trace: its
summary, what filters look at, and rollups for the service graph. Everything it adds up is additive,
so that the cost of a document doesn't grow with what is stored, and so that a second store, on
another engine, can let the engine do the sums. Nothing here says how; `sqlite` is one way.

All times are seconds since the epoch, durations seconds, both as floats.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from ..failures import Frame
    from ..filters import Filter
    from ..graph import Rollup, Subject
    from ..trace import NodeKey, Trace
    from .outbox import Outbox


class StoreError(Exception):
    """The store can't be used; says what to do."""


class Document(NamedTuple):
    """A document that can be stored: it has the members that every document must have.

    data: as it was received. content: the same, parsed; a JSON object with text in trace_id, id
    and name, and a finite number in start_time. Whoever has handed it over doesn't change it.
    """

    trace_id: str
    data: bytes
    content: dict[str, Any]


class Window(NamedTuple):
    """A time range: start <= time < end."""

    start: float
    end: float


class RangeType(Enum):
    """What of a trace must lie in a window for the trace to be found.

    TRACE_ID: the time in its id, or its start if the id holds no time near it. EVENT: any moment
    of it. SERVICE: the end of any of its segments.
    """

    TRACE_ID = "TraceId"
    EVENT = "Event"
    SERVICE = "Service"


class Page(NamedTuple):
    """Some of the traces that were looked for, newest first.

    summaries: in the shape of the X-Ray API, times as numbers. scanned: how many traces were
    looked at for this page, found or not. cursor: where the next page begins, None after the last.
    A page may be short, or empty, though more follows.
    """

    summaries: list[dict[str, Any]]
    scanned: int
    cursor: str | None


class Order(Enum):
    """What traces can be sorted by; of http.* those of the root."""

    START = "start"
    RESPONSE_TIME = "response_time"
    DURATION = "duration"
    STATUS = "http_status"
    URL = "url"
    METHOD = "method"


class Ranking(NamedTuple):
    """Summaries in an order. complete: all traces were looked at."""

    summaries: list[dict[str, Any]]
    complete: bool


class Cell(NamedTuple):
    """How many traces there are of one kind.

    start: of the period in which they began, a multiple of its length. status: OK to OPEN, as in
    `graph`, of the root. microseconds: of the response time, cut to two digits; None if it isn't
    known yet. seconds: the response times added up.
    """

    start: float
    status: int
    microseconds: int | None
    traces: int
    seconds: float


class Distribution(NamedTuple):
    """Traces by time, status and response time. since: before it nothing was looked at, as there was
    no time; None if all was.
    """

    cells: list[Cell]
    since: float | None


class Share(NamedTuple):
    """The traces that have a value. counts: OK, ERROR, THROTTLE, FAULT, OPEN. timed: how many have a
    response time; seconds: their sum.
    """

    value: str | float | bool
    counts: list[int]
    timed: int
    seconds: float

    @property
    def traces(self) -> int:
        """How many traces have the value."""
        return sum(self.counts)


class Facet(NamedTuple):
    """The values of one thing, the most frequent first. values: how many there are, in all."""

    by: str
    shares: list[Share]
    values: int


class Facets(NamedTuple):
    """traces: how many were found, whatever values they have. since: as of Distribution."""

    traces: int
    facets: list[Facet]
    since: float | None


FACETS = (
    "url",
    "http_status",
    "method",
    "client_ip",
    "user_agent",
    "user",
    "service",
    "type",
    "entry",
    "status",
    "error",
    "availability_zone",
    "instance",
    "arn",
)
"""What traces can be grouped by, and "annotation.KEY". service, type: of every node that takes part;
entry: name of the root's; status: "ok", "error", ...; error: exceptions at the ends of root causes."""


class FailureGroup(NamedTuple):
    """Failures that are the same, see `failures`. failures: how many; traces: how many have some.
    first, last: seconds.

    series: count by the start of the period. samples: trace id, entity id and time, the newest first.
    """

    group: str
    type: str
    message: str
    frame: Frame | None
    failures: int
    traces: int
    first: float
    last: float
    nodes: list[NodeKey]
    series: dict[float, int]
    samples: list[tuple[str, str, float]]


class FailureGroups(NamedTuple):
    """The most frequent first. since: as of Distribution."""

    groups: list[FailureGroup]
    since: float | None


class Run(NamedTuple):
    """What was received under a name. first, last: when its first and last traces began; None if it
    has none. pinned: it isn't trimmed.
    """

    name: str
    begun: float
    pinned: bool
    traces: int
    first: float | None
    last: float | None


class Removed(NamedTuple):
    """How much was removed; how many traces were kept, because they belong to pinned runs."""

    traces: int
    documents: int
    kept: int


class Change(NamedTuple):
    """A trace has changed. number: grows with every change, of all traces together."""

    number: int
    trace_id: str
    summary: dict[str, Any]


class Counts(NamedTuple):
    """What became of the documents handed to a store since it was opened.

    taken = stored + dropped + waiting. dropped: there was no room, in memory or in the store.
    trimmed_traces and trimmed_documents were stored once, and made room. stale: traces whose
    newest documents don't show in summaries and graph yet. failed: traces that couldn't be
    compiled, a fault of ours; their documents are kept.
    """

    taken: int
    stored: int
    dropped: int
    waiting: int
    trimmed_traces: int
    trimmed_documents: int
    stale: int
    failed: int


class Size(NamedTuple):
    """What a store holds. oldest, newest: when its first and last trace arrived, None if empty."""

    traces: int
    documents: int
    bytes: int
    oldest: float | None
    newest: float | None


class SamplingCount(NamedTuple):
    """How often a sampling rule was matched, borrowed from and sampled, from `time` on.

    time: the beginning of a period of ten seconds.
    """

    rule: str
    time: float
    requests: int
    borrowed: int
    sampled: int


class Store(ABC):
    """Keeps documents and answers questions about them. All methods may be called on any thread.

    Reading raises StoreError when the store can't be read; writing counts instead.
    """

    # -- what comes in

    @abstractmethod
    def write(self, documents: Sequence[Document], timeout: float = 0.0) -> int:
        """Take documents; gives how many: all, or none if there was no room for them.

        timeout: how long to wait for room. What was taken is stored within about 0.3 s, in
        batches; what a crash loses is what was taken after the last batch. What was not taken is
        counted as dropped.
        """

    @abstractmethod
    def flush(self, timeout: float | None = None) -> bool:
        """Wait until what was taken before is stored and shows everywhere; False if it took longer."""

    def is_safe(self, timeout: float) -> bool:
        """Wait until what was taken before outlives this process; False if it doesn't, or took longer.

        True at once for a store that keeps nothing beyond the process, or answers for itself.
        """
        return True

    @property
    def fails(self) -> bool:
        """Whether the last attempt to store something failed, and is to be repeated."""
        return False

    @abstractmethod
    def close(self) -> None:
        """Store what was taken, and give up the store."""

    def outbox(self, targets: Sequence[str]) -> Outbox | None:
        """From now on, keep account of which documents are still to be delivered to each of these.

        None: this store can't.
        """
        return None

    # -- traces

    @abstractmethod
    def raw(self, trace_id: str) -> list[bytes]:
        """The documents of a trace as they were received, in the order of arrival."""

    @abstractmethod
    def traces(self, trace_ids: Sequence[str]) -> list[Trace]:
        """Those of these traces that are stored, compiled from all that was taken, in this order."""

    @abstractmethod
    def find(
        self,
        window: Window,
        *,
        range_type: RangeType = RangeType.TRACE_ID,
        filter: Filter | None = None,
        groups: Mapping[str, Filter] | None = None,
        run: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
        seconds: float = 0.2,
    ) -> Page:
        """Traces in a window that a filter matches, the newest first.

        groups: what `group.name` in a filter stands for. run: only those of this run. limit: the most summaries of a page.
        seconds: a page ends when it has been looked for so long. cursor: of the page before, of
        the same question; traces that arrive meanwhile don't move what follows. Raises ValueError
        for a cursor that is none.
        """

    @abstractmethod
    def ranked(
        self,
        window: Window,
        by: Order,
        *,
        highest: bool = True,
        filter: Filter | None = None,
        run: str | None = None,
        limit: int = 100,
        seconds: float = 2.0,
    ) -> Ranking:
        """The first traces in an order; what has no value comes last.

        filter: without groups, here and below. seconds: how long to look at most.
        """

    @abstractmethod
    def distribution(
        self,
        window: Window,
        step: float,
        *,
        filter: Filter | None = None,
        run: str | None = None,
        seconds: float = 2.0,
    ) -> Distribution:
        """How many traces there are by time, status and response time.

        step: length of the periods. seconds: how long to look at most; the newest come first.
        """

    @abstractmethod
    def facets(
        self,
        window: Window,
        by: Sequence[str],
        *,
        filter: Filter | None = None,
        run: str | None = None,
        limit: int = 100,
        seconds: float = 2.0,
    ) -> Facets:
        """Traces by the values that they have. by: of FACETS, or "annotation.KEY".

        limit: the most values of each. Raises ValueError for something else.
        """

    @abstractmethod
    def failures(
        self,
        window: Window,
        step: float,
        *,
        group: str | None = None,
        filter: Filter | None = None,
        run: str | None = None,
        samples: int = 5,
        seconds: float = 2.0,
    ) -> FailureGroups:
        """What failed in the traces in a window. group: only failures of this group."""

    @abstractmethod
    def matching(
        self,
        trace_ids: Sequence[str],
        *,
        filter: Filter | None = None,
        run: str | None = None,
    ) -> set[str]:
        """Those of these traces that are stored, match, and are of this run."""

    @abstractmethod
    def followers(self, trace_id: str, limit: int = 100) -> list[tuple[str, str]]:
        """Traces with a link to this one, by id, and the segment or subsegment in it that they
        link to.
        """

    @abstractmethod
    def extent(self) -> Window | None:
        """When the first and the last of the traces began, None if there are none."""

    @abstractmethod
    def remove(self, run: str | None = None, pinned: bool = False) -> Removed:
        """Remove all traces, or those of a run, and what was derived from them.

        pinned: those of pinned runs, too; else they are kept. A run named here goes, pinned or not,
        and so does its name. Settings and counts of sampling stay.
        """

    # -- runs

    @abstractmethod
    def runs(self) -> list[Run]:
        """Every run, the newest last."""

    @abstractmethod
    def current_run(self) -> str | None:
        """The run that new traces are of."""

    @abstractmethod
    def begin_run(self, name: str | None) -> None:
        """From now on new traces are of this run, which may be there already; None: of none.

        A trace is of the run in which its first document arrived. Nothing is in a run when the store
        is opened.
        """

    @abstractmethod
    def pin_run(self, name: str, pinned: bool) -> bool:
        """Say whether a run is kept when room has to be made; False if there is no such run."""

    @abstractmethod
    def put_in_run(self, name: str, trace_ids: Sequence[str]) -> None:
        """Have stored traces be of a run, which is made if it isn't there; new ones aren't of it."""

    @abstractmethod
    def run_of(self, trace_id: str) -> str | None:
        """The run that a stored trace is of."""

    # -- changes

    @abstractmethod
    def changes(self, after: int, limit: int = 1000) -> list[Change]:
        """Traces that changed after this number, by number; each once, with its newest change."""

    @abstractmethod
    def last_change(self) -> int:
        """The number of the newest change, 0 if there was none."""

    # -- the service graph

    @abstractmethod
    def graph(
        self,
        window: Window,
        filter: Filter | None = None,
        groups: Mapping[str, Filter] | None = None,
        run: str | None = None,
    ) -> list[Rollup]:
        """What was seen of nodes and edges in a window, added up.

        The window is widened to whole minutes. With a filter or run: of traces in the window that
        match, or are of the run.
        """

    @abstractmethod
    def series(
        self,
        window: Window,
        period: float,
        filter: Filter | None = None,
        groups: Mapping[str, Filter] | None = None,
        subjects: Callable[[Subject], bool] | None = None,
        run: str | None = None,
    ) -> list[tuple[float, list[Rollup]]]:
        """The same for each period of so many seconds (a multiple of 60): its start and rollups.

        subjects: which nodes and edges are asked for. Periods begin at multiples of the period;
        those without rollups are left out.
        """

    @abstractmethod
    def vocabulary(
        self, kind: str, key: str | None = None, prefix: str = "", limit: int = 50
    ) -> list[str]:
        """Words that occur in traces, for completions: those that begin with a prefix, sorted.

        kind: "name" and "type" of nodes, "annotation" (keys), "value" (texts of the annotation
        `key`), or "user", "availabilityzone", "instance.id", "resource.arn", "http.url",
        "http.method". Raises ValueError for another kind.
        """

    # -- small things that are kept as they are

    @abstractmethod
    def setting(self, name: str) -> Any:
        """The JSON value kept under a name, None if there is none."""

    @abstractmethod
    def settings(self, prefix: str) -> dict[str, Any]:
        """The values whose names begin so, by name, sorted."""

    @abstractmethod
    def put_setting(self, name: str, value: Any) -> None:
        """Keep a JSON value under a name, in place of what was there; None removes it.

        It is stored when this returns. Raises StoreError if it can't be.
        """

    @abstractmethod
    def add_sampling(self, counts: Sequence[SamplingCount]) -> None:
        """Add to what is kept of the same rule and time."""

    @abstractmethod
    def sampling(self, window: Window) -> list[SamplingCount]:
        """What was added in a window, by time and rule."""

    # -- about itself

    @abstractmethod
    def counts(self) -> Counts:
        """What became of the documents handed over."""

    @abstractmethod
    def size(self) -> Size:
        """What it holds."""


def is_url(path: str) -> bool:
    """Whether a store's path is the URL of a server, not a file."""
    return path.startswith(("clickhouse:", "clickhouses:"))


def check_path(path: str) -> None:
    """Raise StoreError for the URL of a database that this can't keep traces in."""
    scheme, slashes, _ = path.partition("://")
    if slashes and scheme.isalnum() and not is_url(path):
        raise StoreError(
            f"{scheme}:// is no store. Name a file, as in traces.db, or "
            "clickhouse://host:8123/database."
        )


def shown(path: str) -> str:
    """A store's path as people may see it: without a password."""
    head, at, host = path.rpartition("@")
    if not is_url(path) or not at:
        return path
    scheme, _, user = head.partition("://")
    return f"{scheme}://{user.partition(':')[0]}:***@{host}"


def open_store(
    path: str,
    *,
    max_bytes: int | None = None,
    max_age: float | None = None,
    max_waiting_bytes: int = 16 * 1024 * 1024,
) -> Store:
    """The store in a file, or in memory for ":memory:"; nobody else may write to it meanwhile. Or on
    ClickHouse for "clickhouse://host:8123/database", with any number of others.

    max_bytes: the most a file holds, max_age: how long it keeps a trace after its first arrival
    (seconds); oldest traces go first. max_waiting_bytes: of documents that wait to be stored,
    which take several times as much memory.
    Raises StoreError if it can't be opened, and leaves what is there as it is.
    """
    check_path(path)
    if is_url(path):
        from .clickhouse import ClickHouseStore

        return ClickHouseStore(path, max_age=max_age, max_waiting_bytes=max_waiting_bytes)
    from .sqlite import SQLiteStore

    return SQLiteStore(
        path, max_bytes=max_bytes, max_age=max_age, max_waiting_bytes=max_waiting_bytes
    )


def open_to_read(path: str) -> Store:
    """The store in a file that another process may be writing to; what would write raises StoreError.

    Raises StoreError if it can't be opened.
    """
    if is_url(path):
        from .clickhouse import ClickHouseStore

        return ClickHouseStore(path, read_only=True)
    from .sqlite import SQLiteStore

    return SQLiteStore(path, read_only=True)
