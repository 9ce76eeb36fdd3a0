"""What is measured, of whom, and what it is held to: the peers, the workloads and the bars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

# -- peers -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Peer:
    """One column of the table.

    module: its file in peers/. environment: the file in requirements/ and the virtual environment.
    imports: the statements by which a program imports it, or None.
    counted: whether its instructions are counted; with threads of its own, they would be mixed in.
    """

    name: str
    title: str
    module: str
    environment: str
    imports: str | None
    counted: bool


_OFFICIAL = "import aws_xray_sdk.core"
_INSTALL = "from xtrace.compat import aws_xray_sdk; aws_xray_sdk.install()"

PEERS = {
    peer.name: peer
    for peer in (
        Peer("floor", "floor", "floor", "xtrace", None, True),
        Peer("xtrace", "xtrace", "xtrace", "xtrace", "import xtrace", True),
        Peer("xtrace-orjson", "+orjson", "xtrace", "xtrace-orjson", "import xtrace", True),
        Peer("xtrace-layer", "layer", "layer", "xtrace", f"{_INSTALL}; {_OFFICIAL}", True),
        Peer("official", "official", "official", "official", _OFFICIAL, True),
        Peer("otel", "OTel", "otel", "otel", "import opentelemetry.sdk.trace", False),
        Peer("ddtrace", "ddtrace", "ddtrace", "ddtrace", "import ddtrace.trace", False),
    )
}

OFFICIAL = "official"
OTEL = "otel"
FLOOR = "floor"

# -- bars --------------------------------------------------------------------------------------

EVERY_PEER = "every peer"
NOTHING = ""


@dataclass(frozen=True)
class Bar:
    """What xtrace's figure must not exceed.

    most: of the ratio to the figure of `against`: a peer's name, or EVERY_PEER for the lowest
    of all others; with NOTHING it is of the figure itself.
    title: of its line in the table; the workload's first bar stands in the workload's line.
    """

    most: float
    peer: str = "xtrace"
    against: str = OFFICIAL
    title: str = ""


def _through_the_layer() -> Bar:
    return Bar(1.15, peer="xtrace-layer", against="xtrace", title="  through the layer")


def _below_every_peer() -> Bar:
    return Bar(1.0, against=EVERY_PEER, title="  to the best other")


# -- workloads ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """A method of the peers that a workload measures.

    per: how many of the workload's units one iteration of the method has.
    datagrams: how many one iteration must send, where that is always the same.
    count: iterations for counting instructions; None: too long for that. xtrace adds up its ledger
    once in a thousand datagrams: where they are a multiple, that is in each count equally often.
    """

    method: str
    per: int = 1
    datagrams: int | None = None
    title: str = ""
    count: int | None = 1000


def cost(parts: Sequence[float]) -> float:
    """The figure of a workload with one part: that part's."""
    return parts[0]


def added(parts: Sequence[float]) -> float:
    """What tracing adds: the first part with it, the second without."""
    return parts[0] - parts[1]


def added_in_turn(parts: Sequence[float]) -> float:
    """The same where it is a small difference of two large figures, which scatter: it is taken in each
    round, between neighbours in time, and the figure is the median of that.
    """
    return added(parts)


def growth(parts: Sequence[float]) -> float:
    """How many times a unit costs more in the first part than in the second."""
    return parts[0] / parts[1]


CHUNKS = "chunks"
IMPORTS = "imports"
OBJECTS = "objects"
RESIDENT = "resident"


@dataclass(frozen=True)
class Workload:
    """One line of the table, with more below it for its parts and further bars.

    measured: CHUNKS: CPU time of short interleaved chunks; IMPORTS: in fresh processes that import;
    OBJECTS, RESIDENT: growth of Python's objects, or of RSS, in a fresh process.
    figure: from the values of the parts to the workload's.
    rounds: of the chunks, as a share of those that are asked for; for parts that take long.
    """

    name: str
    title: str
    note: str
    parts: tuple[Part, ...]
    bars: tuple[Bar, ...] = ()
    figure: Callable[[Sequence[float]], float] = cost
    measured: str = CHUNKS
    rounds: float = 1.0


OVER_A_CONNECTION = 3.0
"""Rounds of what waits for another process: its times scatter most."""

WORKLOADS = (
    Workload(
        "sampled-trace",
        "sampled trace",
        "a segment and five subsegments, one inside the other, each with two annotations and a "
        "dict of five keys as metadata; recorded, encoded and sent",
        (Part("sampled_trace", datagrams=1),),
        (Bar(0.35), Bar(0.18, peer="xtrace-orjson", title="  with orjson")),
    ),
    Workload(
        "unsampled-trace",
        "unsampled trace",
        "the same calls with in_segment(sampling=0). OTel: the sampler ALWAYS_OFF. ddtrace: a "
        "parent with sampling priority -1",
        (Part("unsampled_trace", datagrams=0),),
        (Bar(0.05),),
    ),
    Workload(
        "captured",
        "captured function",
        "one call of a function that returns its argument, decorated with capture; 20 calls to a "
        "segment, whose own cost is included",
        (Part("captured", per=20, datagrams=1),),
        (Bar(0.36), _below_every_peer(), _through_the_layer()),
    ),
    Workload(
        "captured-async",
        "captured async function",
        "the same, awaited; official: capture_async with its AsyncContext",
        (Part("captured_async", per=20, datagrams=1),),
        (Bar(0.30), _below_every_peer(), _through_the_layer()),
    ),
    *(
        Workload(
            name,
            f"layer: {title}",
            f"{what}; 20 to a segment, whose own cost is included. The ratio is of the layer, by the "
            "names of aws_xray_sdk, to xtrace's own names",
            (Part(method, per=20, datagrams=1),),
            (_through_the_layer(),),
        )
        for name, title, method, what in (
            ("with", "with", "with_subsegment", "with recorder.in_subsegment(name)"),
            ("begin-end", "begin/end", "begin_end", "begin_subsegment() and end_subsegment()"),
            ("put-annotation", "put_annotation", "put_annotation", "recorder.put_annotation()"),
        )
    ),
    Workload(
        "captured-streamed",
        "captured, streamed",
        "the same function in one segment that stays open, past the streaming threshold: every "
        "subsegment is encoded and sent by itself",
        (Part("captured_streamed", count=31_000),),
    ),
    Workload(
        "large-segment",
        "  the one to the other",
        "a subsegment with two annotations and metadata, in a segment of so many; begin, end and "
        "making the documents included. They go to an emitter that drops them: sending is a "
        "system call for each streamed subsegment and one for a whole segment of ten, which "
        "would hide, or pass for, growth of the SDK's own work. The bar is held against this one",
        (
            Part("large_segments", per=10_000, title="subsegment, 1 of 10,000", count=1),
            Part("small_segments", per=10, title="subsegment, 1 of 10"),
        ),
        (Bar(1.25, against=NOTHING),),
        figure=growth,
        rounds=0.25,
    ),
    Workload(
        "large-segment-sent",
        "  the one to the other",
        "the same over UDP, where each streamed subsegment is a datagram, and so a system call, of "
        "its own",
        (
            Part("large_segments_sent", per=10_000, title="sent, 1 of 10,000", count=1),
            Part("small_segments_sent", per=10, title="sent, 1 of 10"),
        ),
        figure=growth,
        rounds=0.25,
    ),
    Workload(
        "open-siblings",
        "  the one to the other",
        "so many subsegments of one segment begun, all left open, then ended one by one, as "
        "concurrent tasks do; dropped instead of sent",
        (
            Part("many_siblings", per=4_000, title="open sibling, 1 of 4,000", count=None),
            Part("few_siblings", per=10, title="open sibling, 1 of 10", count=None),
        ),
        figure=growth,
        rounds=0.15,
    ),
    Workload(
        "sampling-first-sight",
        "sampling, first sight",
        "LocalSampler.should_trace with ten rules (a reservoir of one a second, then one in "
        "twenty), of which the last matches; a path that was never seen before",
        (Part("sampling_first_sight"),),
        (Bar(0.12),),
    ),
    Workload(
        "sampling-repeated",
        "sampling, repeated",
        "the same with the same request each time",
        (Part("sampling_repeated"),),
        (Bar(0.03),),
    ),
    Workload(
        "header",
        "header parse + inject",
        "an incoming trace header parsed, and the header of the current subsegment written into an "
        "empty dict. OTel: extract and inject of its default propagators. ddtrace: those of "
        "HTTPPropagator",
        (Part("header"),),
        (Bar(0.25),),
    ),
    Workload(
        "flask-sampled",
        "Flask request, sampled",
        "what tracing adds to a call of the application's WSGI callable, its body read and closed: "
        "the traced application minus an untraced one, interleaved in the same process (for "
        "ddtrace, which patches all applications of a process: in the floor's)",
        (Part("flask_sampled", datagrams=1), Part("flask_untraced", datagrams=0)),
        (Bar(0.42),),
        figure=added,
    ),
    Workload(
        "flask-unsampled",
        "Flask request, unsampled",
        "the same with an incoming header that says Sampled=0 (ddtrace: priority -1; OTel: the "
        "sampler ALWAYS_OFF)",
        (Part("flask_unsampled", datagrams=0), Part("flask_untraced", datagrams=0)),
        (Bar(0.15),),
        figure=added,
    ),
    Workload(
        "django-sampled",
        "Django request, sampled",
        "as for Flask: a project's WSGI handler with the SDK's middleware, minus one without any; "
        "statements and templates aren't traced",
        (Part("django_sampled", datagrams=1), Part("django_untraced", datagrams=0)),
        (Bar(0.42),),
        figure=added,
    ),
    Workload(
        "django-unsampled",
        "Django request, unsampled",
        "the same with an incoming header that says Sampled=0",
        (Part("django_unsampled", datagrams=0), Part("django_untraced", datagrams=0)),
        (Bar(0.15),),
        figure=added,
    ),
    *(
        Workload(
            name,
            title,
            f"what tracing adds to a {title} of two bytes over a connection that is kept, from another "
            "process on the loopback; ten to a segment, traced minus untraced in turn",
            (
                Part(f"{method}_traced", per=10, datagrams=1),
                Part(f"{method}_untraced", per=10, datagrams=1),
            ),
            (Bar(most, against=against),),
            figure=added_in_turn,
            rounds=OVER_A_CONNECTION,
        )
        for name, title, method, most, against in (
            ("requests", "requests, get", "requests", 0.50, OFFICIAL),
            ("httpx", "httpx, get", "httpx", 0.40, OTEL),
            ("httpx-async", "httpx, async get", "httpx_async", 0.40, OTEL),
            ("aiohttp", "aiohttp, get", "aiohttp", 0.40, OTEL),
        )
    ),
    Workload(
        "botocore",
        "botocore, DynamoDB GetItem",
        "what tracing adds to a call of botocore's client to a server on the loopback, which always "
        "answers the same item; ten to a segment, traced minus untraced in turn",
        (
            Part("botocore_traced", per=10, datagrams=1),
            Part("botocore_untraced", per=10, datagrams=1),
        ),
        (Bar(0.45),),
        figure=added_in_turn,
        rounds=OVER_A_CONNECTION,
    ),
    Workload(
        "starlette-sampled",
        "Starlette request, sampled",
        "what tracing adds to a call of the ASGI application by its middleware, without a server: "
        "traced minus untraced, as for Flask. OTel: without its spans for receive and send, to which "
        "the ratio is; the official SDK has no such integration",
        (Part("starlette_sampled", datagrams=1), Part("starlette_untraced", datagrams=0)),
        (Bar(0.22, against="otel"),),
        figure=added,
    ),
    Workload(
        "starlette-unsampled",
        "Starlette request, unsampled",
        "the same with an incoming header that says Sampled=0 (ddtrace: priority -1; OTel: the "
        "sampler ALWAYS_OFF)",
        (Part("starlette_unsampled", datagrams=0), Part("starlette_untraced", datagrams=0)),
        (Bar(0.08, against="otel"),),
        figure=added,
    ),
    Workload(
        "sqlite3",
        "sqlite3 query",
        "what tracing adds to connection.execute() of a statement with literals; ten to a segment, "
        "minus the same segment with an untraced connection. OTel doesn't trace that shortcut, so "
        "there it is cursor().execute()",
        (
            Part("sqlite_traced", per=10, datagrams=1),
            Part("sqlite_untraced", per=10, datagrams=1),
        ),
        (Bar(0.30),),
        figure=added,
    ),
    *(
        Workload(
            name,
            f"redis-py, {title}",
            f"what tracing adds to a command ({title}) to a redis-server on the loopback; ten to a "
            "segment, traced minus untraced in turn",
            (
                Part(f"{method}_traced", per=10, datagrams=1),
                Part(f"{method}_untraced", per=10, datagrams=1),
            ),
            (Bar(0.40, against=OTEL),),
            figure=added_in_turn,
            rounds=OVER_A_CONNECTION,
        )
        for name, title, method in (
            ("redis", "GET", "redis"),
            ("redis-async", "async GET", "redis_async"),
        )
    ),
    Workload(
        "redis-pipeline",
        "redis-py, pipeline of 1,000",
        "the same of a pipeline of 1,000 commands, which is one subsegment; a small difference of two "
        "large figures, so it has no bar",
        (
            Part("redis_pipeline_traced", datagrams=1),
            Part("redis_pipeline_untraced", datagrams=1),
        ),
        figure=added,
        rounds=0.5,
    ),
    *(
        Workload(
            name,
            title,
            f"what tracing adds to a query by {title}, with a parameter and one row, over a connection "
            "that is kept, to a PostgreSQL on the loopback; ten to a segment, traced minus untraced in "
            "turn",
            (
                Part(f"{method}_traced", per=10, datagrams=1),
                Part(f"{method}_untraced", per=10, datagrams=1),
            ),
            (Bar(0.40, against=OTEL),),
            figure=added_in_turn,
            rounds=OVER_A_CONNECTION,
        )
        for name, title, method in (
            ("psycopg", "psycopg, execute", "psycopg"),
            ("psycopg-async", "psycopg, async execute", "psycopg_async"),
            ("asyncpg", "asyncpg, fetch", "asyncpg"),
        )
    ),
    Workload(
        "log-filter",
        "log record",
        "TraceFilter on a record of the standard library's logging, inside of a subsegment; the bar "
        "is in microseconds",
        (Part("log_filter"),),
        (Bar(1.0, against=NOTHING),),
    ),
    Workload(
        "import",
        "import, ms",
        "wall time of the import in a fresh process with compiled files; the median of many",
        (Part("milliseconds"),),
        (Bar(0.06), Bar(0.15, peer="xtrace-layer", title="  through the layer")),
        measured=IMPORTS,
    ),
    Workload(
        "import-modules",
        "import, modules",
        "modules loaded beyond those of a bare Python",
        (Part("modules"),),
        (Bar(60, against=NOTHING),),
        measured=IMPORTS,
    ),
    Workload(
        "import-memory",
        "import, RSS, MiB",
        "growth of VmRSS by the import",
        (Part("mebibytes"),),
        (Bar(0.08),),
        measured=IMPORTS,
    ),
    Workload(
        "open-segments",
        "open segments, bytes",
        "10,000 open segments, each with one open subsegment: bytes of Python's objects "
        "(tracemalloc) for each pair; clear_trace_entities() between them. xtrace: with "
        "model.MAX_OPEN raised, beyond which it forgets the oldest open ones",
        (Part("open_segments"),),
        (Bar(0.70),),
        measured=OBJECTS,
    ),
    Workload(
        "open-segments-rss",
        "open segments, RSS bytes",
        "the same in another fresh process, as growth of VmRSS",
        (Part("open_segments"),),
        (Bar(0.70),),
        measured=RESIDENT,
    ),
)

TIME_NOTES = (
    "CPU time of the calling thread (time.thread_time), in microseconds unless a line says "
    "otherwise: the lower decile of many chunks of a few milliseconds, interleaved over the peers, and the "
    "mean of that over several processes of each. Of what is added to a call over a "
    "connection: the median of the differences between neighbours in time.",
    "ratio: of these figures, xtrace to official unless the line says otherwise; held against "
    "the bar. rounds: the median of the same ratio taken round by round.",
)
COUNT_NOTES = (
    "Thousands of instructions per unit, as valgrind's callgrind counts them; what the kernel does, "
    "sending for one, is not in them. OTel and ddtrace are left out: they have threads of their own. "
    "ratio: xtrace to official. The bars are of time.",
)
NOTES = (
    "floor: a dict written by hand, json.dumps and one datagram. +orjson: xtrace with orjson "
    "installed; xtrace without. layer: xtrace by the names of aws_xray_sdk, without orjson.",
    "xtrace, official and floor send to a socket that another process drains. OTel and ddtrace "
    "don't send UDP and leave encoding or sending to other threads: OTel runs its batch span "
    "processor with an exporter that drops everything, ddtrace its usual writer without an agent. "
    "So their figures leave out work that the others' include.",
)
