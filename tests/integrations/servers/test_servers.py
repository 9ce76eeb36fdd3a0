"""The contract, with every framework on a real server. See contract.py."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

import pytest

import xtrace
from tests.helpers import eventually
from tests.integrations.servers.contract import FRAMEWORKS, GATE, ask, ask_raw, begun, framework
from tests.marks import SECRET
from xtrace.emitters import Emitter
from xtrace.model import Segment

ROOT = Path(__file__).parents[3]
TRACE = "1-5759e988-bd862e3fe1be46a994272793"
CALLER = "53995c3f42cd8ad8"
SAMPLED = f"Root={TRACE};Parent={CALLER};Sampled=1"
UNSAMPLED = f"Root={TRACE};Parent={CALLER};Sampled=0"


class Served:
    """A framework with two servers: one of a traced application, one of an untraced one."""

    def __init__(self, module, port, untraced_port):
        self.module = module
        self.port = port
        self.untraced_port = untraced_port

    def ask(self, path, headers=None, method="GET"):
        return ask(self.port, path, headers, method)

    def ask_both(self, path, headers=None, method="GET"):
        """The answers of both, for comparison."""
        return (
            ask(self.port, path, headers, method).constant,
            ask(self.untraced_port, path, headers, method).constant,
        )


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=marks) for name, marks in FRAMEWORKS.items()],
)
def servers(request):
    module = framework(request.param)
    with ExitStack() as stack:
        change_back = xtrace.recorder.override(service="shop")
        traced = module.trace(module.application())
        change_back()
        yield Served(
            module,
            stack.enter_context(module.serving(traced)),
            stack.enter_context(module.serving(module.application())),
        )


@pytest.fixture
def served(servers, traces):
    change_back = xtrace.recorder.override(service="shop")
    GATE.close()
    yield servers
    GATE.open()
    eventually(lambda: not xtrace.recorder.open)
    change_back()


def only_segment(traces):
    eventually(lambda: traces.segments and not xtrace.recorder.open)
    (segment,) = traces.segments
    return segment


# -- what is recorded --------------------------------------------------------------------------


def test_a_request_is_a_segment(served, traces):
    answer = served.ask(
        f"/items/7?token={SECRET}", {"User-Agent": "me", "Host": "shop.test:8080", "X-Text": "a"}
    )
    segment = only_segment(traces)
    assert answer.body == b"item 7"
    assert segment["name"] == "shop"
    assert segment["http"]["request"] == {
        "method": "GET",
        "url": "http://shop.test:8080/items/7",
        "user_agent": "me",
        "client_ip": "127.0.0.1",
    }
    assert segment["http"]["response"] == {"status": 200, "content_length": 6}
    assert [part["name"] for part in segment["subsegments"]] == ["work"]
    assert not {"error", "fault", "throttle", "cause"} & segment.keys()


def test_the_route_is_recorded_as_the_framework_writes_it(served, traces):
    if served.module.TEMPLATE is None:
        pytest.skip("no framework, no routes")
    served.ask("/items/7")
    assert only_segment(traces)["annotations"] == {"http_route": served.module.TEMPLATE}


def test_the_first_forwarded_address_is_the_client_s(served, traces):
    served.ask("/plain", {"X-Forwarded-For": "10.0.0.1, 10.0.0.2"})
    request = only_segment(traces)["http"]["request"]
    assert (request["client_ip"], request["x_forwarded_for"]) == ("10.0.0.1", True)


@pytest.mark.parametrize(
    ("path", "status", "flags"),
    [
        ("/plain", 200, set()),
        ("/unchanged", 304, set()),
        ("/nowhere/at/all", 404, {"error"}),
        ("/busy", 429, {"error", "throttle"}),
        ("/fails", 500, {"fault"}),
    ],
)
def test_the_final_response_sets_the_flags(served, traces, path, status, flags):
    assert served.ask(path).status == status
    segment = only_segment(traces)
    assert segment["http"]["response"]["status"] == status
    assert {flag for flag in ("error", "throttle", "fault") if segment.get(flag)} == flags


def test_an_exception_is_recorded_once_with_its_own_traceback(served, traces):
    served.ask("/fails")
    exception, *others = only_segment(traces)["cause"]["exceptions"]
    assert "ValueError" not in [other["type"] for other in others]
    assert (exception["type"], exception["message"]) == ("ValueError", "boom")
    assert exception["stack"][0]["path"].endswith(f"apps/{framework_name(served)}.py")


def framework_name(served):
    return served.module.__name__.rpartition(".")[2]


def test_a_head_request_is_one_too(served, traces):
    served.ask("/plain", method="HEAD")
    segment = only_segment(traces)
    assert segment["http"]["request"]["method"] == "HEAD"
    assert "fault" not in segment


def test_a_stream_s_parts_are_in_its_segment(served, traces):
    assert served.ask("/stream").body == b"012"
    segment = only_segment(traces)
    assert [part["name"] for part in segment["subsegments"]] == ["part 0", "part 1", "part 2"]
    assert segment["end_time"] >= segment["subsegments"][2]["end_time"]


def test_a_segment_lasts_until_the_last_byte(served, traces):
    with begun(served.port, "/gate/a") as rest:
        eventually(lambda: GATE.arrived == ["a"])
        assert traces.documents == []
        GATE.open()
        assert rest() == b"there"
    segment = only_segment(traces)
    assert [part["name"] for part in segment["subsegments"]] == ["a"]
    assert segment["http"]["response"]["status"] == 200


def test_a_client_that_leaves_ends_the_segment(served, traces):
    with begun(served.port, "/gate/a"):
        eventually(lambda: GATE.arrived == ["a"])
    GATE.open()
    segment = only_segment(traces)
    assert segment["http"]["response"]["status"] == 200
    assert not {"fault", "error", "cause"} & segment.keys()
    assert served.ask("/plain").status == 200


def test_interleaved_requests_keep_apart(served, traces):
    names = [f"n{number}" for number in range(8)]
    with ExitStack() as stack:
        rests = [stack.enter_context(begun(served.port, f"/gate/{name}")) for name in names]
        eventually(lambda: sorted(GATE.arrived) == names)
        callers = [threading.Thread(target=served.ask, args=("/items/1",)) for _ in range(8)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        GATE.open()
        assert {rest() for rest in rests} == {b"there"}
    eventually(lambda: len(traces.segments) == 16)
    assert len({segment["trace_id"] for segment in traces.segments}) == 16
    for segment in traces.segments:
        (part,) = segment["subsegments"]
        path = segment["http"]["request"]["url"].rpartition("/")[2]
        assert part["name"] == ("work" if path == "1" else path)


# -- headers and sampling ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "answered", "recorded"),
    [
        (None, None, True),
        (SAMPLED, f"Root={TRACE}", True),
        (UNSAMPLED, f"Root={TRACE}", False),
        (f"Root={TRACE}", f"Root={TRACE}", True),
        (f"Root={TRACE};Sampled=?", f"Root={TRACE};Sampled=1", True),
        ("nonsense" * 100, None, True),
    ],
)
def test_the_response_carries_the_trace_id(served, traces, sent, answered, recorded):
    header = served.ask("/items/1", {"X-Amzn-Trace-Id": sent} if sent else {}).trace_header
    if recorded:
        trace_id = only_segment(traces)["trace_id"]
        answered = answered or f"Root={trace_id}"
    assert header == answered
    assert len(traces.documents) == recorded


def test_the_caller_s_trace_goes_on(served, traces):
    served.ask("/plain", {"X-Amzn-Trace-Id": SAMPLED})
    segment = only_segment(traces)
    assert (segment["trace_id"], segment["parent_id"]) == (TRACE, CALLER)


def test_a_tracestate_goes_on_with_it(served, monkeypatch):
    states = []
    begin = Segment.__enter__

    def kept(segment):
        states.append(segment.header.tracestate)
        return begin(segment)

    monkeypatch.setattr(Segment, "__enter__", kept)
    parent = f"00-{TRACE[2:10]}{TRACE[11:]}-{CALLER}-01"
    served.ask("/plain", {"traceparent": parent, "tracestate": "vendor=1"})
    assert states == ["vendor=1"]


def test_a_traceparent_does_too(served, traces):
    served.ask("/plain", {"traceparent": f"00-{TRACE[2:10]}{TRACE[11:]}-{CALLER}-01"})
    segment = only_segment(traces)
    assert (segment["trace_id"], segment["parent_id"]) == (TRACE, CALLER)


class Sampler:
    """Decides as it is told, and keeps what it was asked."""

    def __init__(self, decision):
        self.decision = decision
        self.asked = []

    def should_trace(self, request=None):
        self.asked.append(request)
        if isinstance(self.decision, Exception):
            raise self.decision
        return self.decision


@pytest.mark.parametrize("asks", ["", ";Sampled=?"])
def test_the_sampler_sees_host_method_and_path(served, traces, asks):
    sampler = Sampler(False)
    change_back = xtrace.recorder.override(sampler=sampler, sampling=True)
    headers = {"Host": "shop.test:8080", "X-Amzn-Trace-Id": f"Root={TRACE}{asks}"}
    answer = served.ask("/items/1", headers)
    change_back()
    assert sampler.asked == [
        {"service": "shop", "host": "shop.test", "method": "GET", "path": "/items/1"}
    ]
    assert answer.trace_header == f"Root={TRACE}" + (";Sampled=0" if asks else "")
    assert (answer.body, traces.documents) == (b"item 1", [])


def test_the_name_may_go_by_the_host(served, traces):
    change_back = xtrace.recorder.override(dynamic_naming="*.shop.test")
    served.ask("/plain", {"Host": "eu.shop.test:80"})
    served.ask("/plain", {"Host": "evil.test"})
    eventually(lambda: len(traces.segments) == 2)
    change_back()
    assert sorted(segment["name"] for segment in traces.segments) == ["eu.shop.test", "shop"]


def test_unsampled_requests_leave_nothing_behind(served, traces):
    for path in ("/items/1", "/stream", "/fails", "/nowhere"):
        mine, theirs = served.ask_both(path, {"X-Amzn-Trace-Id": UNSAMPLED})
        assert mine == theirs
    assert traces.documents == []
    assert not xtrace.recorder.open


# -- the response stays as it is ---------------------------------------------------------------

PATHS = ["/plain", "/items/7", "/nowhere", "/fails", "/busy", "/unchanged", "/stream"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_responses_are_those_of_the_untraced_application(served, path, method):
    mine, theirs = served.ask_both(path, method=method)
    assert mine == theirs


def test_switched_off_there_is_no_header_either(served, traces):
    change_back = xtrace.recorder.override(enabled=False)
    answer = served.ask("/items/1")
    change_back()
    assert (answer.body, answer.trace_header, traces.documents) == (b"item 1", None, [])


def test_a_sampler_that_raises_leaves_the_decision_to_the_rules(served, traces, lenient_faults):
    change_back = xtrace.recorder.override(sampler=Sampler(RuntimeError("ours")), sampling=True)
    mine, theirs = served.ask_both("/items/1")
    change_back()
    assert mine == theirs
    assert xtrace.stats().faults["sampler"] == 1


ALWAYS_CALLED = ["incoming_request", "response_header", "describe_request", "describe_response"]


@pytest.mark.parametrize("path", ["/items/7", "/fails", "/stream", "/busy"])
@pytest.mark.parametrize(
    "entry",
    [
        *ALWAYS_CALLED,
        "describe_route",
        "add_route",
        "Segment.__enter__",
        "Segment.__exit__",
        "Segment._stopped_by",
    ],
)
def test_our_own_failure_leaves_the_response_as_it_is(
    served, monkeypatch, lenient_faults, entry, path
):
    def fail(*args, **kwargs):
        raise RuntimeError("ours")

    _, _, method = entry.partition(".")
    if method:
        monkeypatch.setattr(Segment, method, fail)
    else:
        monkeypatch.setattr(import_module(served.module.ENTRIES), entry, fail, raising=False)
    mine, theirs = served.ask_both(path)
    assert mine == theirs
    if entry in ALWAYS_CALLED:
        eventually(lambda: xtrace.stats().faults)
    if method:  # what was begun is never ended
        xtrace.recorder.open.clear()


def test_an_emitter_or_a_name_that_fails_leaves_it_too(served, lenient_faults):
    class Broken(Emitter):
        def send(self, batch):
            raise RuntimeError("ours")

    class Naming:
        def get_name(self, host):
            raise RuntimeError("ours")

    change_back = xtrace.recorder.override(emitter=Broken("broken:"), dynamic_naming=Naming())
    mine, theirs = served.ask_both("/items/7")
    eventually(lambda: not xtrace.recorder.open)
    change_back()
    assert mine == theirs
    assert xtrace.stats().faults.keys() >= {"naming", "emitter"}


# -- what strangers send -----------------------------------------------------------------------


def raw(*lines):
    return b"".join(line + b"\r\n" for line in (*lines, b"Connection: close", b""))


HOSTILE = {
    "no host": raw(b"GET /plain HTTP/1.0"),
    "empty host": raw(b"GET /plain HTTP/1.1", b"Host:"),
    "odd host": raw(b"GET /plain HTTP/1.1", b"Host: [::1"),
    "bad escapes": raw(b"GET /echo/%zz%ff%00?%zz=%ff HTTP/1.1", b"Host: a"),
    "no path": raw(b"GET ?a HTTP/1.1", b"Host: a"),
    "absolute": raw(b"GET http://b/plain?x HTTP/1.1", b"Host: a"),
    "utf-8 path": raw("GET /echo/ä HTTP/1.1".encode(), b"Host: a"),
    "escaped path": raw(b"GET /echo/%C3%A4%20b HTTP/1.1", b"Host: a"),
    "latin-1 header": raw(b"GET /echo/a HTTP/1.1", b"Host: a", b"X-Text: \xe4\xff"),
    "latin-1 trace header": raw(b"GET /plain HTTP/1.1", b"Host: a", b"X-Amzn-Trace-Id: \xe4\xff"),
    "latin-1 host": raw(b"GET /plain HTTP/1.1", b"Host: \xe4"),
    "large trace header": raw(
        b"GET /plain HTTP/1.1", b"Host: a", b"X-Amzn-Trace-Id: " + b"a=b;" * 25_000
    ),
    "large user agent": raw(b"GET /plain HTTP/1.1", b"Host: a", b"User-Agent: " + b"m" * 50_000),
    "carriage return": raw(
        b"GET /plain HTTP/1.1", b"Host: a", b"X-Amzn-Trace-Id: Root=1-\rX-Evil: 1"
    ),
    "folded line": raw(b"GET /plain HTTP/1.1", b"Host: a", b"X-Amzn-Trace-Id: a=b;", b" X-Evil: 1"),
    "extra field": raw(
        b"GET /plain HTTP/1.1",
        b"Host: a",
        b"X-Amzn-Trace-Id: Root=" + TRACE.encode() + b";Sampled=?;x=%0d%0aX-Evil: 1",
    ),
    "two trace headers": raw(
        b"GET /plain HTTP/1.1",
        b"Host: a",
        b"X-Amzn-Trace-Id: Root=" + TRACE.encode(),
        b"X-Amzn-Trace-Id: nonsense",
    ),
    "odd client": raw(b"GET /plain HTTP/1.1", b"Host: a", b"X-Forwarded-For: ,\x01 \xff"),
}


@pytest.mark.parametrize("request_", HOSTILE.values(), ids=HOSTILE)
def test_whatever_a_client_sends_the_answer_is_the_untraced_one(served, traces, request_):
    for _ in range(10):
        traces.clear()
        mine = ask_raw(served.port, request_)
        theirs = ask_raw(served.untraced_port, request_)
        if (mine is None) == (theirs is None):
            break  # else one closed the connection before its refusal was read
    assert (mine and mine.constant) == (theirs and theirs.constant)
    if mine is not None and mine.status == 200:
        assert mine.trace_header.startswith("Root=1-")
        assert only_segment(traces)["http"]["request"]["url"].startswith("http://")


# -- patching ------------------------------------------------------------------------------------


@pytest.fixture
def library(served):
    if served.module.LIBRARY is None:
        pytest.skip("nothing to patch")
    yield served.module.LIBRARY
    xtrace.unpatch(served.module.LIBRARY)


def test_patching_traces_every_application_and_never_twice(served, traces, library):
    made_before = served.module.application()
    xtrace.patch(library)
    make = served.module.application
    for app in (made_before, make(), served.module.trace(make())):
        with served.module.serving(app) as port:
            assert ask(port, "/items/7").body == b"item 7"
            assert ask(port, "/fails").status == 500
            eventually(lambda: len(traces.segments) == 2)
        item, fails = sorted(traces.segments, key=lambda segment: "cause" in segment)
        assert item["annotations"] == {"http_route": served.module.TEMPLATE}
        assert len(fails["cause"]["exceptions"]) == 1
        traces.clear()


def test_unpatched_while_it_serves_a_request_is_finished(served, traces, library):
    xtrace.patch(library)
    with served.module.serving(served.module.application()) as port:
        with begun(port, "/gate/a") as rest:
            xtrace.unpatch(library)
            GATE.open()
            assert rest() == b"there"
        assert only_segment(traces)["subsegments"][0]["name"] == "a"
        traces.clear()
        if library != "aiohttp_server":  # its servers keep what they began with
            assert ask(port, "/items/7").trace_header is None
            assert traces.documents == []


def test_patched_before_its_import_a_library_is_traced_too(served, library):
    code = (
        "import xtrace, xtrace.testing\n"
        f"xtrace.patch({library!r})\n"
        "from tests.integrations.servers.contract import ask, framework\n"
        "from tests.helpers import eventually\n"
        f"module = framework({framework_name(served)!r})\n"
        "with xtrace.testing.recording(service='shop') as traces:\n"
        "    with module.serving(module.application()) as port:\n"
        "        ask(port, '/items/7')\n"
        "        eventually(lambda: traces.segments)\n"
        "print(traces.segment('shop')['http']['response']['status'])"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ran.stdout == "200\n", ran.stderr
