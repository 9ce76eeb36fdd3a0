"""What the layer does otherwise than the official SDK, and where the programs of the oracle see it.

docs/compat.md has the table that is made of it; a test compares both. A difference that no row here
knows fails the comparison, and so does a row whose difference isn't seen any more.
"""

from __future__ import annotations

from typing import NamedTuple


class Difference(NamedTuple):
    """One decision. seen: programs (a regular expression) and paths in what they did (another)."""

    behaviour: str
    official: str
    ours: str
    why: str
    seen: tuple[tuple[str, str], ...] = ()


CONTEXTS = (
    Difference(
        "Threads and tasks",
        "`Context` is per thread: tasks share one stack. `AsyncContext` belongs to the loop it was "
        "made in",
        "Both follow threads, tasks, callbacks and any event loop; no task factory is installed",
        "Parents are right, nothing vanishes under `asyncio.run`",
    ),
    Difference(
        "A subsegment begun after its segment was sent",
        "`AlreadyEndedException` in the caller",
        "Recorded under what it belongs to, and sent by itself",
        "A teardown hook or a task that lives on doesn't fail",
        ((r"core\.late_subsegment", r"noted\[0\]"),),
    ),
    Difference(
        "`end_subsegment()` or `end_segment()` of one that the program has closed by itself",
        "`AlreadyEndedException`, again and again: it stays current, and the segment is never sent",
        "What it is under is current, and a segment is sent",
        "Tracing calls don't raise, and nothing is lost",
        (
            (r"corners\.closed_by_hand", r"noted\[[01]\]"),
            (r"swapped\.a_segment_closed_by_hand", r"(sent\[0\]|noted\[[34]\])"),
        ),
    ),
    Difference(
        "`put_annotation()` and `put_metadata()` of the recorder, where what is current has ended",
        "`AlreadyEndedException`",
        "Counted (`xtrace.stats()`), with a log line; on the entity itself the exception stays",
        "Tracing calls don't raise",
        ((r"swapped\.a_segment_closed_by_hand", r"noted\[2\]"),),
    ),
    Difference(
        "A subsegment that a decorated function leaves open",
        "Ends in place of the function's own, which stays open and current",
        "Stays open and current; the function's own ends with the function",
        "A call lasts as long as it lasts",
        ((r"corners\.left_open_by_a_function", r"noted\[[01]\].*"),),
    ),
    Difference(
        "A second `begin_segment()` while one is open",
        "The first is lost, silently",
        "Nests in it, with a log line; the first is current again afterwards",
        "Nothing is lost",
    ),
    Difference(
        "The last subsegments end in two threads at once",
        "The segment may be sent twice",
        "Sent once",
        "A trace holds each part once",
    ),
    Difference(
        "A subsegment ended in a thread that was handed it by `set_trace_entity()`",
        "`AttributeError`",
        "Ends, and is sent if that completes its segment",
        "It is the documented recipe for threads",
    ),
    Difference(
        "Work that is open, or waits for something open, when the process exits",
        "Not sent",
        "Sent, as in progress where it is open",
        "Nothing is lost",
    ),
    Difference(
        "`LOG_ERROR` where no segment is open",
        "A line for each call",
        "At most 100 lines a minute from one place in the program",
        "A forgotten segment doesn't fill the disk",
    ),
)

ENTITIES = (
    Difference(
        "`put_annotation()` and `put_metadata()` of the recorder, in a Lambda function without an open "
        "subsegment",
        "`FacadeSegmentMutationException`",
        "A log line; on the segment itself the exception stays",
        "Tracing calls don't raise",
        ((r"parts\.lambda_segments", r"noted\[0\]"),),
    ),
    Difference(
        "A subsegment without sampling, in a recorded segment",
        "Sent inside its parent's document, id all zero",
        "Never sent",
        "That is what it is for",
    ),
    Difference(
        "Subsegments that a segment holds, where whole trees were streamed or removed",
        "The count drifts, until each subsegment is sent by itself",
        "What is really held",
        "Fewer datagrams",
        (
            (r"core\.streaming_of_siblings", r"(sent.*|noted\[0\])"),
            (r"afterwards\.changed_afterwards", r"noted\[11\]"),
        ),
    ),
    Difference(
        "The `id` or `trace_id` of a segment, or a `parent_segment`, changed by a program",
        "What is under it keeps the former",
        "What is under it has the new one, too",
        "A document fits its parent",
        ((r"afterwards\.ids_are_changed", r"noted\[[345]\]"),),
    ),
    Difference(
        "Documents of more than 64 KB",
        "Lost",
        "Split, then shortened with a mark; drops are counted",
        "Nothing is lost in silence",
    ),
    Difference(
        "Metadata that JSON doesn't know: keys, cycles, NaN, bytes, enums, exceptions, functions, "
        "generators, query sets",
        "The whole segment is lost, or never written; bytes are lists of numbers, others `{}`; "
        "generators are consumed, queries run",
        "That value alone becomes text, `null` or a mark; nothing is consumed",
        "Tracing doesn't change what a program does",
    ),
    Difference(
        "On the wire: `in_progress: false`, `namespace: local`, `trace_id` and `type` of embedded "
        "subsegments, attributes that X-Ray doesn't know",
        "Sent",
        "Left out; `to_dict()` and `serialize()` have them",
        "X-Ray doesn't need them, and some collectors refuse them",
    ),
    Difference(
        "`aws.xray` on the wire",
        "`X-Ray for Python` and its version",
        "`xtrace for Python` and its version; `segment.aws` says what the official one says",
        "Who reads a trace knows what wrote it",
    ),
    Difference(
        "`vars()` and `__dict__` of an entity",
        "All attributes",
        "Those that a program has put there, and our own; the others are properties and slots",
        "An entity costs less to make; `to_dict()` has all",
    ),
    Difference(
        "`namespace` and `sql` of a segment",
        "`AttributeError`",
        "`None` and `{}`",
        "They are xtrace's own entities, which have more",
        ((r"afterwards\.attributes_that_there_are", r"noted\[[67]\]\[1\]"),),
    ),
    Difference(
        "An emitter of a program's own that raises",
        "Its exception reaches the code that ends the segment, which stays current",
        "Logged and counted; the segment has ended",
        "Tracing calls don't raise",
    ),
    Difference(
        "More than 50 annotations in a segment",
        "Sent; X-Ray indexes 50",
        "The rest becomes metadata",
        "They stay readable",
    ),
)

ERRORS = (
    Difference(
        "Stack frames of a recorded exception",
        "In `with`, the outermost ones; in decorators, the line that recorded it is among them",
        "The innermost ones, down to where it was raised",
        "The place of the failure is in the trace",
        (
            (r"core\.exception_in_capture", r".*stack.*"),
            (r"clients\.requests_failures", r".*stack.*"),
            (r"web\.(flask_faults|bottle_requests)", r".*stack.*"),
        ),
    ),
    Difference(
        "`__cause__` and `__context__` of an exception",
        "Left out",
        "Further entries, linked by `cause`",
        "The reason is often behind the first one",
        (
            (r".*", r".*cause\.exceptions\[0\]\.cause"),
            (r".*", r".*cause\.exceptions\[[1-9]\]"),
        ),
    ),
    Difference(
        "`KeyboardInterrupt`, `SystemExit`, cancellation",
        "In `with` a fault, in decorators nothing",
        "The annotation `cancelled`, everywhere",
        "Being stopped from outside is no failure",
        ((r"core\.a_base_exception_in_with", r".*(cause|fault|annotations)"),),
    ),
    Difference(
        "`add_exception()` of one that is recorded in the trace already",
        "Replaces what the entity holds by an id, also by one of another trace",
        "Keeps it; refers by id within one trace",
        "No cause is lost",
    ),
    Difference(
        "A `meta_processor` that raises",
        "Its exception replaces the result; the subsegment stays open for ever",
        "Logged; the result is the function's",
        "Tracing doesn't break the call",
        ((r"core\.a_meta_processor_that_fails", r"(sent\[0\]|noted\[0\])"),),
    ),
    Difference(
        "A refused call of AWS (4xx)",
        "`error` and `fault`",
        "`error`; `fault` from 500 on",
        "A missing key is no outage",
        ((r"clients\.botocore_answers", r"sent\[0\]\.subsegments\[2\]\.fault"),),
    ),
    Difference(
        "A call of AWS that reaches no service: no connection, a timeout, a wrong parameter",
        "Looks like a success",
        "`fault` and cause; values of parameters are left out",
        "Outages are seen",
        ((r"clients\.botocore_unreachable", r".*(cause|fault)"),),
    ),
)

SETTINGS = (
    Difference(
        "`configure()` without `stream_sql`",
        "Switches SQL text on again",
        "Leaves it as it is",
        "Text that was switched off stays off",
        ((r"core\.stream_sql_of_configure", r"noted\[0\]"),),
    ),
    Difference(
        "A subclass of the recorder with properties of its own in place of `context`, `emitter` or "
        "`streaming`",
        "Asked",
        "Not asked: what is given to `configure()`, or to `_context` and such, counts. Its methods, and "
        "`service`, are asked",
        "A call costs a fraction",
    ),
    Difference(
        "`configure()` without `daemon_address`",
        "Sampling rules are asked of 127.0.0.1:2000 again",
        "The address stays",
        "Both addresses are the one that was set",
    ),
    Difference(
        "A sampler of a class of your own",
        "Is told the daemon's address only if its class is named `DefaultSampler`",
        "Is, if it has `load_settings()`",
        "Subclasses work",
    ),
    Difference(
        "`dynamic_naming` before `service`; host names with a port",
        "The name is fixed too early; `*.example.com` doesn't match `a.example.com:8080`",
        "Looked up late; the port doesn't count",
        "Segments are named as written",
        ((r"web\.flask_names_by_host", r"sent\[2\]\.(id|name)"),),
    ),
    Difference(
        "Rules of more than one page; without a daemon",
        "The first page; an error with a traceback every five minutes",
        "All pages; one line at most a minute",
        "All rules count",
    ),
    Difference(
        "Forked workers",
        "Don't ask for sampling rules any more",
        "Ask again",
        "Rules apply in all workers",
    ),
    Difference(
        "A rule reload while a request is decided",
        "May raise `AttributeError` in `begin_segment()`",
        "Doesn't",
        "Tracing calls don't raise",
    ),
    Difference(
        "`EC2Plugin` elsewhere; `ECSPlugin` elsewhere",
        "Waits up to 2 seconds; says the host is a container of ECS",
        "Sees at once that it isn't there; says nothing",
        "Programs start, and traces say what is true",
        ((r"parts\.a_container", r"noted\[3\]"),),
    ),
    Difference(
        "The daemon's address",
        "IPv4 only; a name is looked up for each datagram",
        "IPv6 in brackets, too; looked up once a minute, in the background",
        "No stall",
    ),
)

PROPAGATION = (
    Difference(
        "A trace header with a trailing `;`, or blanks after one",
        "Ignored, wholly or in parts",
        "Read",
        "Other senders write such headers",
        ((r"parts\.headers", r"noted\[[789]\].*"),),
    ),
    Difference(
        "Ids in a header that aren't ids",
        "Taken over",
        "The request begins a trace of its own; ids given to `begin_segment()` are taken as they are",
        "X-Ray refuses them",
    ),
    Difference(
        "An unsampled request",
        "Goes on as trace `1-00000000-...`",
        "Goes on as the trace that it came in; zeros where none came",
        "Logs and other services keep the trace id",
        (
            (r"parts\.an_unsampled_request_goes_on", r"noted.*"),
            (r"web\.flask_headers", r"noted\[7\]"),
        ),
    ),
    Difference(
        "Lambda: a header without Parent and Sampled",
        "Replaced by zeros with `Sampled=0`",
        "Passed on as it came",
        "The caller's trace goes on",
    ),
    Difference(
        "Lambda: the same trace again with another parent or decision",
        "The first invocation's parent stays",
        "Each invocation has its own",
        "Retries and loops are under their own parent",
    ),
    Difference(
        "A chain of addresses in `X-Forwarded-For`",
        "All of it is the client's address",
        "The first is",
        "It is an address",
        ((r"web\.flask_chain_of_proxies", r".*client_ip"),),
    ),
)

FUNCTIONS = (
    Difference(
        "`capture()` of generators and coroutine functions, and automatic patching of such",
        "Duration 0",
        "From the first step to the last",
        "That is the work",
    ),
    Difference(
        "`in_subsegment(...)` as a decorator with `namespace`; `with capture():`",
        "Ignored; `TypeError`",
        "Taken; named `subsegment`",
        "Arguments mean the same everywhere",
    ),
    Difference(
        "A decorated function in a module that is patched, or decorated twice",
        "Two subsegments for each call",
        "One",
        "A call is one call",
    ),
    Difference(
        "`is_already_recording()` of a decorated function",
        "`False`",
        "`True`",
        "It is; this is how a call is one call",
        ((r"corners\.marks_of_recording", r"noted\[[012]\]"),),
    ),
    Difference(
        "`patch()` with a text in place of a list",
        "Taken letter by letter: no such modules",
        "The one module",
        "It says what is meant",
        ((r"corners\.patched_by_a_text", r"noted\[[01]\].*"),),
    ),
    Difference(
        "What `capture()` gives",
        "A `wrapt.FunctionWrapper`",
        "A function with `__wrapped__`",
        "A third of the cost of a call",
    ),
    Difference(
        "Mocks that are patched into a class or a module: `Segment.close`, `Context.put_segment`, "
        "`SDKConfig.sdk_enabled`, `AWSXRayRecorder.record_subsegment` and such; or into an entity: its "
        "`close`, `put_annotation` or `add_subsegment`; `time.time`",
        "Called",
        "Not called where a faster way comes to the same. Mocks on the recorder itself, its context, "
        "streaming, sampler or emitter, on `global_sdk_config`, and subclasses, are; freezegun and "
        "time-machine work",
        "A call costs a fraction",
        (
            (r"swapped\.entities_methods", r"noted\[3\]"),
            (r"swapped\.the_switch_is_mocked", r"(sent\[0\]\.subsegments\[1\]|noted\[4\])"),
        ),
    ),
    Difference(
        "`unpatch()`, with wrapt 2; a patch that fails half-way",
        "Does nothing; is applied again on top",
        "Puts back what was there; nothing is left of it",
        "Patching is all or nothing",
    ),
)

CLIENTS = (
    Difference(
        "User and password in a URL",
        "Recorded (requests, aiohttp)",
        "Left out",
        "Secrets don't belong in traces",
        ((r"clients\.requests_with_a_password", r".*url"),),
    ),
    Difference(
        "`requests.Session.send(prepared)`",
        "Not recorded",
        "Recorded",
        "It is a call",
        ((r"clients\.requests_prepared", r"sent\[0\]\.subsegments"),),
    ),
    Difference(
        "`http.client`: port in the URL; the trace header",
        "Left out; the enclosing subsegment's id, none where only a segment is open",
        "There; the call's own id. Still a subsegment each for sending, answer and reads",
        "Two ports are two services, and the called one is under its call",
        ((r"clients\.http_client(_ignored)?", r".*url"),),
    ),
    Difference(
        "`http.client` below urllib3 2",
        "Not recorded",
        "Recorded",
        "It is a call",
        ((r"clients\.http_client_by_requests", r"sent\[0\]\.subsegments"),),
    ),
    Difference(
        "Keys of maps among AWS's parameters",
        "The text `dict_keys(['t1', 't2'])`",
        "A list",
        "It is JSON",
        ((r"clients\.botocore_parameters", r".*_names"),),
    ),
    Difference(
        "The list of AWS's parameters",
        "Ten names of S3's operations are misspelt",
        "The right ones as well",
        "What is listed is recorded",
    ),
    Difference(
        "pynamodb",
        "Two subsegments for each call; fails with `http://localhost` endpoints; region `0`",
        "One; works; the client's region",
        "A call is one call",
        ((r"clients\.pynamodb_calls", r"sent\[0\]\.subsegments\[0\]\.subsegments"),),
    ),
    Difference(
        "httpx",
        "Replaces `httpx.Client`",
        "Leaves the classes, and records clients made before, too",
        "`isinstance()` holds",
    ),
)

DATABASES = (
    Difference(
        "`with connect(...) as c`; `executescript()`",
        "Not recorded",
        "Recorded",
        "It is the documented use",
        (
            (r"data\.sqlite_with", r"sent\[0\]\.subsegments"),
            (r"data\.psycopg2_by_url", r"sent\[0\]\.subsegments"),
            (r"data\.psycopg_statements", r"sent\[0\]\.subsegments\[[12]\].*"),
        ),
    ),
    Difference(
        "`callproc('p')`, arguments by keyword, `sqlite3.connect(database=...)`",
        "`TypeError`, `IndexError`",
        "Passed on",
        "Tracing doesn't break the call",
        (
            (r"data\.sqlite_by_keyword", r"noted\[0\]"),
            (r"data\.cursors_of_any_driver", r"(noted\[6\]|sent\[0\]\.subsegments\[4\].*)"),
        ),
    ),
    Difference(
        "psycopg2 and psycopg",
        "Proxies, which some functions refuse; `unknown` for a connection by URL; no async",
        "Subclasses of the drivers' own classes; what the connection says; async, too",
        "What works without tracing works with it",
        ((r"data\.psycopg2_by_url", r"noted\[0\]"),),
    ),
    Difference(
        "pg8000",
        "No version from 1.21 on; `pg8000.native` isn't recorded",
        "Both",
        "Newer versions count",
        ((r"data\.pg8000_statements", r".*database_version"),),
    ),
    Difference(
        "MongoDB commands outside of a segment",
        "`AttributeError` in the listener",
        "Nothing",
        "Tracing doesn't break the call",
        ((r"data\.mongodb_commands", r"(failed|noted.*)"),),
    ),
    Difference(
        "SQLAlchemy: SQLite's name, a missing user, statements of sessions",
        "No name, `user: null`, two subsegments for each",
        "`sqlite` or the file, no user, one",
        "A statement is one statement",
        (
            (r"data\.sqlalchemy_(core|sessions)", r".*(\.name|\.id|\.sql\.user)"),
            (
                r"data\.sqlalchemy_sessions",
                r"sent\[0\]\.subsegments\[0\]\.(subsegments|sql\.database_version)",
            ),
        ),
    ),
    Difference(
        "`ext.sqlalchemy` and `ext.flask_sqlalchemy`",
        "SQLAlchemy 1 and Flask-SQLAlchemy 2 only; importing them changes SQLAlchemy's own classes; "
        "errors aren't recorded",
        "SQLAlchemy 1.4 and 2, Flask-SQLAlchemy 2 and 3; only their own classes; errors are recorded",
        "They work with what is installed today",
        ((r"data\.sqlalchemy_orm", r"(sent.*|noted.*|failed)"),),
    ),
)

SERVERS = (
    Difference(
        "Django: a view that raises `Http404` or `PermissionDenied`",
        "`fault`, `error` and a cause",
        "`error`: the final response decides",
        "A missing page is no outage",
        ((r"web\.django_not_found_by_a_view", r".*(cause|fault)"),),
    ),
    Difference(
        "Django: `override_settings(XRAY_RECORDER=...)`, for who has imported `settings` before",
        "Has the former values",
        "Has the new ones",
        "It is what a test that overrides them looks at",
    ),
    Difference(
        "Django: async handlers; a middleware inside that raises",
        "Made sync; the segment stays open",
        "Served as what they are; ended",
        "Nothing is lost",
    ),
    Difference(
        "Flask: the name of a template's subsegment",
        "The application's, with Flask 3",
        "The template's; `template_render` for one made from a text",
        "It says what was rendered",
        ((r"web\.flask_templates", r".*(name|id)"),),
    ),
    Difference(
        "Rendering outside of a request; several middlewares",
        "`AttributeError`; a subsegment for each middleware",
        "Nothing; one",
        "Tracing doesn't break the call",
    ),
    Difference(
        "Bottle: `redirect()` and `abort()`; `x_forwarded_for`",
        "A fault with a cause, without a trace header in the response; always true",
        "The response that they are; true where the header was used",
        "A redirect is no failure",
        (
            (r"web\.bottle_requests", r".*x_forwarded_for"),
            (r"web\.bottle_requests", r"sent\[[23]\]\.(cause|fault)"),
            (r"web\.bottle_requests", r"noted\[[23]\]\.header"),
        ),
    ),
    Difference(
        "aiohttp server: a request without `Host`",
        "`KeyError`",
        "Served",
        "Tracing doesn't break the call",
    ),
    Difference(
        "A request to a service for which there is no name",
        "`SegmentNameMissingException`: Flask answers with 500",
        "Served; the segment is named `unnamed`",
        "Tracing doesn't break the request",
    ),
    Difference(
        "Subsegments that a request leaves open",
        "Keep the segment from being sent, for ever",
        "End with the request",
        "Nothing is lost",
    ),
)

AREAS = {
    "Contexts and life cycle": CONTEXTS,
    "Entities and documents": ENTITIES,
    "Exceptions and flags": ERRORS,
    "Settings and sampling": SETTINGS,
    "Headers and Lambda": PROPAGATION,
    "Decorators and patching": FUNCTIONS,
    "Calls": CLIENTS,
    "Databases": DATABASES,
    "Requests": SERVERS,
}

ALL = [difference for area in AREAS.values() for difference in area]


def table() -> str:
    """The table of docs/compat.md."""
    lines = []
    for area, differences in AREAS.items():
        lines += [
            f"### {area}",
            "",
            "| what | official SDK | xtrace | why |",
            "| --- | --- | --- | --- |",
        ]
        for each in differences:
            lines.append(f"| {each.behaviour} | {each.official} | {each.ours} | {each.why} |")
        lines.append("")
    return "\n".join(lines)
