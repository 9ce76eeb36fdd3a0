"""The ASGI middleware, message by message: what servers and applications may do by the specification."""

from __future__ import annotations

import asyncio
import sys
import weakref

import fastapi
import litestar
import litestar.background_tasks
import pytest
import quart
from starlette.applications import Starlette
from starlette.background import BackgroundTask, BackgroundTasks
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Host, Mount, Route, Router

import xtrace
from tests.helpers import eventually
from xtrace.errors import SegmentNameMissing
from xtrace.integrations.asgi import XRayMiddleware
from xtrace.recorder import Recorder

TRACE = "1-5759e988-bd862e3fe1be46a994272793"
START = {"type": "http.response.start", "status": 200, "headers": [(b"x", b"y")]}


@pytest.fixture(autouse=True)
def named(traces):
    change_back = xtrace.recorder.override(service="shop")
    yield
    change_back()


def scope_of(path="/", type="http", headers=(), **others):
    return {
        "type": type,
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http" if type == "http" else "ws",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"shop.test"), *headers],
        "client": ("10.1.2.3", 5000),
        "server": ("127.0.0.1", 80),
        **others,
    }


class Server:
    """Calls an application for one request or websocket, and keeps what it sends."""

    def __init__(self, *received, fail_at=None):
        self.received = list(received) or [{"type": "http.request"}]
        self.fail_at = fail_at
        self.sent = []
        self.at = {}

    async def receive(self):
        if self.received:
            return self.received.pop(0)
        return await asyncio.Event().wait()  # never

    async def send(self, message):
        if message["type"] == self.fail_at:
            raise OSError("the client has gone")
        self.sent.append(message)

    async def serve(self, app, scope):
        try:
            await app(scope, self.receive, self.send)
        finally:
            self.current = xtrace.recorder.get_trace_entity()

    def run(self, app, scope=None):
        asyncio.run(self.serve(app, scope or scope_of()))
        assert self.current is None
        return self.sent


def sending(*messages):
    """A traced application that sends these messages."""

    async def app(scope, receive, send):
        for message in messages:
            await send(message)

    return XRayMiddleware(app)


# -- how responses end ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("messages", "length"),
    [
        ([{"type": "http.response.body", "body": b"abc"}], 3),
        ([{"type": "http.response.body"}], 0),
        (
            [
                {"type": "http.response.body", "body": b"ab", "more_body": True},
                {"type": "http.response.body", "body": b"c", "more_body": False},
            ],
            3,
        ),
        ([{"type": "http.response.pathsend", "path": "/etc/hostname"}], None),
        (
            [
                {"type": "http.response.zerocopysend", "file": 3, "more_body": True},
                {"type": "http.response.zerocopysend", "file": 3},
            ],
            None,
        ),
        (
            [
                {"type": "http.response.zerocopysend", "file": 3, "more_body": True},
                {"type": "http.response.body", "body": b"abc"},
            ],
            None,
        ),
    ],
)
def test_the_segment_ends_with_the_last_of_the_body(traces, messages, length):
    seen = []

    async def app(scope, receive, send):
        for message in (START, *messages):
            assert traces.documents == []
            await send(message)
        seen.extend(traces.documents)

    sent = Server().run(XRayMiddleware(app))
    assert sent[1:] == messages
    (segment,) = seen
    response = {"status": 200} if length is None else {"status": 200, "content_length": length}
    assert segment["http"]["response"] == response
    assert "annotations" not in segment
    assert len(traces.documents) == 1


def test_trailers_come_after_the_body(traces):
    body = {"type": "http.response.body", "body": b"abc"}
    trailers = {"type": "http.response.trailers", "headers": []}

    async def app(scope, receive, send):
        await send({**START, "trailers": True})
        await send(body)
        await send({**trailers, "more_trailers": True})
        assert traces.documents == []
        await send(trailers)
        assert len(traces.documents) == 1

    Server().run(XRayMiddleware(app))
    assert traces.segment("shop")["http"]["response"]["content_length"] == 3


def test_early_hints_and_informational_responses_are_passed_on(traces):
    hints = [
        {"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]},
        {"type": "http.response.start", "status": 103, "headers": []},
        {"type": "http.response.debug", "info": {}},
        {"type": "http.response.push", "path": "/a.css", "headers": []},
    ]
    sent = Server().run(sending(*hints, START, {"type": "http.response.body"}))
    assert sent[:4] == hints
    assert traces.segment("shop")["http"]["response"]["status"] == 200


def test_the_application_s_messages_are_not_changed(traces):
    headers = [(b"content-length", b"2")]
    start = {"type": "http.response.start", "status": 200, "headers": headers}
    app = sending(start, {"type": "http.response.body", "body": b"ok"})
    for _ in range(2):
        sent = Server().run(app)
        assert len(sent[0]["headers"]) == 2
    assert headers == [(b"content-length", b"2")]


@pytest.mark.parametrize("headers", [{}, {"headers": ()}, {"headers": iter([(b"a", b"b")])}])
def test_headers_may_be_any_iterable_or_missing(traces, headers):
    start = {"type": "http.response.start", "status": 200, **headers}
    sent = Server().run(sending(start, {"type": "http.response.body"}))
    assert sent[0]["headers"][-1][0] == b"x-amzn-trace-id"


def test_an_application_that_returns_early_is_told_from_one_that_is_done(traces):
    Server().run(sending(START, {"type": "http.response.body", "more_body": True}))
    assert traces.segment("shop")["annotations"] == {"cancelled": "IncompleteResponse"}


def test_a_client_that_has_gone_is_no_fault(traces):
    app = sending(START, {"type": "http.response.body", "body": b"a"})
    with pytest.raises(OSError, match="gone"):
        Server(fail_at="http.response.body").run(app)
    segment = traces.segment("shop")
    assert segment["annotations"] == {"cancelled": "OSError"}
    assert not {"fault", "cause"} & segment.keys()


def test_starlette_s_word_for_it_is_no_fault_either(traces):
    async def endpoint(request):
        async def parts():
            yield b"a"

        return StreamingResponse(parts())

    app = XRayMiddleware(Starlette(routes=[Route("/", endpoint)]))
    with pytest.raises(ClientDisconnect):
        Server(fail_at="http.response.body").run(app)
    segment = traces.segment("shop")
    assert segment["annotations"]["cancelled"] == "ClientDisconnect"
    assert "fault" not in segment


@pytest.mark.parametrize("begun", [False, True])
def test_cancelled_requests_are_marked(traces, begun):
    async def app(scope, receive, send):
        if begun:
            await send(START)
        await asyncio.Event().wait()

    async def main():
        server = Server()
        task = asyncio.create_task(server.serve(XRayMiddleware(app), scope_of()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    segment = traces.segment("shop")
    assert segment["annotations"] == {"cancelled": "CancelledError"}
    assert segment["http"].get("response") == (
        {"status": 200} | {"content_length": 0} if begun else None
    )
    assert "fault" not in segment


def test_a_timeout_around_the_application_ends_the_segment(traces):
    async def app(scope, receive, send):
        await asyncio.Event().wait()

    async def outer(scope, receive, send):
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(XRayMiddleware(app)(scope, receive, send), 0.01)

    Server().run(outer)
    assert traces.segment("shop")["annotations"] == {"cancelled": "CancelledError"}


def test_an_exception_before_the_response_is_a_500(traces):
    async def app(scope, receive, send):
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        Server().run(XRayMiddleware(app))
    segment = traces.segment("shop")
    assert (segment["http"]["response"]["status"], segment["fault"]) == (500, True)


def test_an_exception_in_the_body_leaves_the_status_that_was_sent(traces):
    async def app(scope, receive, send):
        await send(START)
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        Server().run(XRayMiddleware(app))
    segment = traces.segment("shop")
    assert (segment["http"]["response"]["status"], segment["fault"]) == (200, True)
    assert segment["cause"]["exceptions"][0]["message"] == "boom"


def test_an_exception_that_is_a_response_is_no_cause(traces):
    async def endpoint(request):
        raise HTTPException(503)

    Server().run(XRayMiddleware(Starlette(routes=[Route("/", endpoint)])))
    segment = traces.segment("shop")
    assert segment["fault"] is True
    assert "cause" not in segment


def test_exceptions_and_their_context_are_those_of_the_application(lenient_faults, monkeypatch):
    def fail(*args):
        raise RuntimeError("ours")

    async def app(scope, receive, send):
        raise ValueError("boom")

    for entry in ("incoming_request", "describe_response"):
        with monkeypatch.context() as patching:
            patching.setattr(f"xtrace.integrations._asgi.{entry}", fail)
            with pytest.raises(ValueError, match="boom") as caught:
                Server().run(XRayMiddleware(app))
        assert caught.value.__context__ is None


def test_a_segment_that_the_application_has_ended_itself_is_left_alone(traces):
    async def app(scope, receive, send):
        xtrace.end_segment()
        await send(START)
        await send({"type": "http.response.body"})

    Server().run(XRayMiddleware(app))
    assert "response" not in traces.segment("shop")["http"]


# -- what isn't a request ------------------------------------------------------------------------


def test_unknown_scopes_are_passed_on_untouched(traces):
    seen = []

    async def app(scope, receive, send):
        seen.append((scope, receive, send))

    server = Server()
    scope = {"type": "telepathy"}
    asyncio.run(XRayMiddleware(app)(scope, server.receive, server.send))
    assert seen == [(scope, server.receive, server.send)]
    assert scope == {"type": "telepathy"}
    assert traces.documents == []


@pytest.mark.parametrize("end", ["lifespan.shutdown.complete", "lifespan.shutdown.failed"])
def test_a_lifespan_is_passed_on_and_what_is_open_at_its_end_is_sent_before(traces, end):
    begun = {"type": "lifespan.startup.complete"}
    messages, sent = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}], []
    left_open = []

    async def app(scope, receive, send):
        assert scope == {"type": "lifespan"}
        assert (await receive())["type"] == "lifespan.startup"
        await send(begun)
        with xtrace.in_segment("shop"):
            left_open.append(xtrace.recorder.in_subsegment("left open"))
            left_open[0].begin()
        assert (await receive())["type"] == "lifespan.shutdown"
        await send({"type": end})

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append((message, [each.get("in_progress") for each in traces.subsegments]))

    asyncio.run(XRayMiddleware(app)({"type": "lifespan"}, receive, send))
    assert sent == [(begun, []), ({"type": end}, [True])]
    left_open[0].close()  # tests that come later wait until nothing is open


def test_an_application_without_a_lifespan_says_so_itself(traces):
    async def app(scope, receive, send):
        raise ValueError("no lifespan")

    server = Server()
    with pytest.raises(ValueError, match="no lifespan"):
        asyncio.run(XRayMiddleware(app)({"type": "lifespan"}, server.receive, server.send))
    assert traces.documents == []


def test_a_lifespan_ends_though_nothing_can_be_flushed(traces, monkeypatch, lenient_faults):
    sent = []

    async def app(scope, receive, send):
        await send({"type": "lifespan.shutdown.complete"})

    async def send(message):
        sent.append(message)

    def fails(*args):
        raise RuntimeError("boom")

    with monkeypatch.context() as broken:
        broken.setattr(Recorder, "flush", fails)
        asyncio.run(XRayMiddleware(app)({"type": "lifespan"}, Server().receive, send))
    assert len(sent) == 1


# -- websockets ----------------------------------------------------------------------------------


def websocket_app(close=None, error=None):
    async def app(scope, receive, send):
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] != "websocket.disconnect":
            with xtrace.in_subsegment("echo"):
                await send({"type": "websocket.send", "text": message["text"]})
            if error:
                raise error
        if close:
            await send({"type": "websocket.close", "code": close})

    return XRayMiddleware(app)


CONNECT = {"type": "websocket.connect"}
TEXT = {"type": "websocket.receive", "text": "hello"}


def test_a_websocket_is_one_segment_with_its_close_code(traces):
    shown = []

    class Watching(Server):
        async def receive(self):
            if self.received == [TEXT, LEFT]:
                shown.extend(traces.documents)
            return await super().receive()

    LEFT = {"type": "websocket.disconnect", "code": 1001}
    sent = Watching(CONNECT, TEXT, LEFT).run(websocket_app(), scope_of("/live", "websocket"))
    assert [m["type"] for m in sent] == ["websocket.accept", "websocket.send"]
    assert sent[0]["headers"][0][0] == b"x-amzn-trace-id"
    (in_progress,) = shown
    assert in_progress["in_progress"] is True
    complete = traces.segments[-1]
    assert complete["id"] == in_progress["id"]
    assert complete["http"] == {
        "request": {"method": "GET", "url": "ws://shop.test/live", "client_ip": "10.1.2.3"},
        "response": {"status": 101},
    }
    assert complete["annotations"] == {"websocket_close_code": 1001}
    assert complete["subsegments"][0]["name"] == "echo"
    assert "fault" not in complete


def test_a_websocket_that_is_refused_is_a_403(traces):
    app = sending({"type": "websocket.close"})
    Server(CONNECT).run(app, scope_of(type="websocket"))
    segment = traces.segment("shop")
    assert (segment["http"]["response"]["status"], segment["error"]) == (403, True)


def test_a_websocket_may_be_refused_by_a_response(traces):
    app = sending(
        {"type": "websocket.http.response.start", "status": 429, "headers": []},
        {"type": "websocket.http.response.body", "body": b"later"},
    )
    sent = Server(CONNECT).run(app, scope_of(type="websocket"))
    assert sent[0]["headers"][0][0] == b"x-amzn-trace-id"
    assert traces.segment("shop")["throttle"] is True


def test_an_exception_in_a_websocket_is_a_fault(traces):
    app = websocket_app(error=ValueError("boom"))
    with pytest.raises(ValueError, match="boom"):
        Server(CONNECT, TEXT).run(app, scope_of(type="websocket"))
    segment = traces.segments[-1]
    assert segment["fault"] is True
    assert segment["cause"]["exceptions"][0]["message"] == "boom"


def test_a_websocket_that_the_client_leaves_is_no_fault(traces):
    class WebSocketDisconnect(Exception):
        pass

    app = websocket_app(error=WebSocketDisconnect())
    with pytest.raises(WebSocketDisconnect):
        Server(CONNECT, TEXT).run(app, scope_of(type="websocket"))
    assert not {"fault", "cause"} & traces.segments[-1].keys()


def test_the_code_for_an_internal_error_is_a_fault(traces):
    left = {"type": "websocket.disconnect", "code": 1011}
    Server(CONNECT, left).run(websocket_app(), scope_of(type="websocket"))
    assert traces.segments[-1]["fault"] is True


def test_an_unsampled_websocket_leaves_nothing_behind(traces):
    headers = [(b"x-amzn-trace-id", f"Root={TRACE};Sampled=0".encode())]
    left = {"type": "websocket.disconnect", "code": 1000}
    sent = Server(CONNECT, left).run(websocket_app(), scope_of(type="websocket", headers=headers))
    assert sent[0]["headers"] == [(b"x-amzn-trace-id", f"Root={TRACE}".encode())]
    assert traces.documents == []


# -- applications in applications ----------------------------------------------------------------


async def plain(request):
    return PlainTextResponse("ok")


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/items/7", "/items/{item:int}"),
        ("/nowhere", None),
        ("/shops/3/items/7", "/shops/{shop}/items/{item}"),
        ("/deep/a/b/c", "/deep/{x}/{y}/{z}"),
        ("/users/users/a", "/users/{name}/a"),
        ("/opaque/at/all", "/opaque"),
        ("/wrapped/9", "/wrapped/{item}"),
        ("/hidden/9/8", None),
    ],
)
@pytest.mark.parametrize("above", ["", "/above"])
def test_the_route_s_template_has_the_paths_of_its_mounts(traces, path, template, above):
    async def opaque(scope, receive, send):
        await PlainTextResponse("ok")(scope, receive, send)

    class Wrapped:
        def __init__(self, app):
            self.app = app

        async def __call__(self, scope, receive, send):
            await self.app(scope, receive, send)

    route = Route("/{b}", plain)
    inner = Starlette(routes=[Route("/items/{item}", plain), Mount("/{a}", routes=[route])])
    app = Starlette(
        routes=[
            Route("/items/{item:int}", plain),
            Mount("/shops/{shop}", inner),
            Mount("/deep/{x}", routes=[Mount("/{y}", routes=[Route("/{z}", plain)])]),
            Mount("/users/{name}", routes=[Route("/a", plain)]),
            Mount("/opaque", opaque),
            Mount("/wrapped", Wrapped(Router(routes=[Route("/{item}", plain)]))),
            Mount("/hidden", Wrapped(inner)),
            Host("other.test", Router(routes=[Route("/{item}", plain)])),
        ]
    )
    Server().run(XRayMiddleware(app), scope_of(above + path, root_path=above))
    segment = traces.segment("shop")
    assert segment.get("annotations", {}).get("http_route") == template


def test_a_route_without_a_path_is_none(traces):
    async def opaque(scope, receive, send):
        await PlainTextResponse("ok")(scope, receive, send)

    app = XRayMiddleware(Starlette(routes=[Host("shop.test", opaque)]))
    Server().run(app)
    assert "annotations" not in traces.segment("shop")


def test_a_mounted_application_with_a_middleware_of_its_own_is_no_second_segment(traces):
    inner = XRayMiddleware(Starlette(routes=[Route("/a", plain)]))
    app = Starlette(
        routes=[Mount("/inner", inner)],
        middleware=[Middleware(XRayMiddleware), Middleware(XRayMiddleware)],
    )
    sent = Server().run(XRayMiddleware(app), scope_of("/inner/a"))
    assert len(traces.documents) == 1
    assert [name for name, _ in sent[0]["headers"]].count(b"x-amzn-trace-id") == 1


def test_starlette_s_own_middlewares_may_stand_around_and_inside(traces):
    class Passing(BaseHTTPMiddleware):
        async def dispatch(self, request, call_next):
            with xtrace.in_subsegment("outer"):
                return await call_next(request)

    async def endpoint(request):
        with xtrace.in_subsegment("inner"):
            return PlainTextResponse("ok")

    app = XRayMiddleware(Starlette(routes=[Route("/", endpoint)], middleware=[Middleware(Passing)]))
    Server().run(app)
    names = {part["name"] for part in traces.subsegments}
    assert names == {"outer", "inner"}


def test_names_may_go_by_the_route(traces):
    class Naming:
        def get_name(self, host):
            return None

        def get_route_name(self, template):
            return f"shop {template}"

    change_back = xtrace.recorder.override(dynamic_naming=Naming())
    app = XRayMiddleware(Starlette(routes=[Route("/items/{item}", plain)]))
    Server().run(app, scope_of("/items/7"))
    change_back()
    (segment,) = traces.segments
    assert segment["name"] == "shop /items/item"  # as X-Ray accepts it


# -- background tasks ----------------------------------------------------------------------------


def test_background_tasks_are_subsegments_that_don_t_stretch_the_segment(traces):
    async def first():
        assert len(traces.segments) == 1
        with xtrace.in_subsegment("inside"):
            pass

    def second():  # in a thread
        raise ValueError("in the background")

    async def endpoint(request):
        tasks = BackgroundTasks()
        tasks.add_task(first)
        tasks.add_task(second)
        return PlainTextResponse("ok", background=tasks)

    app = Starlette(routes=[Route("/", endpoint)])
    xtrace.patch("starlette")
    try:
        with pytest.raises(ValueError, match="in the background"):
            Server().run(app)
    finally:
        xtrace.unpatch("starlette")
    segment = traces.segment("shop")
    assert "fault" not in segment
    for name in ("first", "second"):
        part = traces.subsegment(name)
        assert (part["trace_id"], part["parent_id"]) == (segment["trace_id"], segment["id"])
        assert part["start_time"] >= segment["end_time"]
    assert traces.subsegment("inside")["parent_id"] == traces.subsegment("first")["id"]
    assert traces.subsegment("second")["fault"] is True


def test_with_both_libraries_patched_a_background_task_is_one_subsegment(traces):
    app = fastapi.FastAPI()

    def task():
        pass

    @app.get("/")
    def endpoint(background: fastapi.BackgroundTasks):
        background.add_task(task)

    xtrace.patch(["starlette", "fastapi"])
    try:
        Server().run(app)
    finally:
        xtrace.unpatch(["starlette", "fastapi"])
    assert len(traces.segments) == 1
    assert traces.subsegment("task")


def test_outside_of_requests_background_tasks_run_as_ever(traces):
    ran = []
    xtrace.patch("starlette")
    try:
        asyncio.run(BackgroundTask(ran.append, 1)())
    finally:
        xtrace.unpatch("starlette")
    assert (ran, traces.documents) == ([1], [])


def test_litestar_s_background_tasks_are_subsegments(traces):
    async def task(number):
        pass

    @litestar.get("/")
    async def endpoint() -> litestar.Response[str]:
        task_run = litestar.background_tasks.BackgroundTask(task, 1)
        return litestar.Response("ok", background=task_run)

    app = litestar.Litestar([endpoint], openapi_config=None, logging_config=None)
    xtrace.patch("litestar")
    try:
        Server().run(app)
    finally:
        xtrace.unpatch("litestar")
    assert traces.subsegment("task")["parent_id"] == traces.segment("shop")["id"]


def test_quart_s_background_tasks_are_subsegments(traces):
    app = quart.Quart("shop")

    async def task(number):
        pass

    @app.get("/")
    async def endpoint():
        app.add_background_task(task, 1)
        return "ok"

    async def main():
        await Server().serve(app, scope_of())
        await asyncio.gather(*app.background_tasks)

    xtrace.patch("quart")
    try:
        asyncio.run(main())
    finally:
        xtrace.unpatch("quart")
    assert len(traces.segments) == 1
    assert traces.subsegment("task")


# -- the rest ------------------------------------------------------------------------------------


def test_without_a_service_name_the_middleware_says_what_to_type():
    with pytest.raises(SegmentNameMissing, match="xtrace.configure"):
        XRayMiddleware(Starlette(), Recorder())


def test_a_recorder_of_its_own_gets_the_segments(traces, recorder, sent):
    app = XRayMiddleware(Starlette(routes=[Route("/", plain)]), recorder=recorder)
    Server().run(app)
    assert sent.segment("test")["http"]["response"]["status"] == 200
    assert traces.documents == []


@pytest.mark.parametrize(
    "missing", ["client", "server", "query_string", "scheme", "root_path", "method"]
)
def test_what_servers_may_leave_out_isn_t_needed(traces, missing):
    scope = scope_of()
    del scope[missing]
    if missing == "server":
        scope["headers"] = []
    Server().run(sending(START, {"type": "http.response.body"}), scope)
    assert traces.segment("shop")["http"]["response"]["status"] == 200


def test_several_forwarded_headers_count_as_one(traces):
    headers = [(b"x-forwarded-for", b"10.0.0.1"), (b"x-forwarded-for", b"10.0.0.2")]
    Server().run(sending(START, {"type": "http.response.body"}), scope_of(headers=headers))
    assert traces.segment("shop")["http"]["request"]["client_ip"] == "10.0.0.1"


def test_a_request_leaves_nothing_alive(traces):
    kept = []

    async def app(scope, receive, send):
        kept.append(weakref.ref(xtrace.current_segment()))
        await send(START)
        await send({"type": "http.response.body"})

    Server().run(XRayMiddleware(app))
    traces.clear()
    eventually(lambda: kept[0]() is None)


@pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="opcodes differ from version to version"
)
@pytest.mark.parametrize(("decision", "most"), [("1", 1600), ("0", 370)])
def test_a_request_takes_few_steps(decision, most):
    """Where our code is executed once in a while, between other code, its length is its cost."""
    header = f"Root={TRACE};Parent=53995c3f42cd8ad8;Sampled={decision}"
    scope = scope_of(headers=[(b"x-amzn-trace-id", header.encode())])
    app = XRayMiddleware(Starlette(routes=[Route("/", plain)]))
    steps = 0

    def trace(frame, event, arg):
        nonlocal steps
        if "/xtrace/" not in frame.f_code.co_filename:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        steps += event == "opcode"
        return trace

    Server().run(app, dict(scope))
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        Server().run(app, dict(scope))
    finally:
        sys.settrace(before)
    assert 0 < steps <= most
