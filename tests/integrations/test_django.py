"""Django: what the contract of servers doesn't ask. Its project is that of the contract."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import xtrace
from tests.helpers import eventually, free_port
from tests.integrations.servers.apps import _django as project  # configures Django
from tests.integrations.servers.contract import GATE, ask, begun, uvicorn_serving, wsgi_serving
from tests.marks import SECRET
from xtrace.errors import SegmentNameMissing
from xtrace.integrations.asgi import XRayMiddleware as ASGIMiddleware
from xtrace.integrations.django import XRayMiddleware
from xtrace.integrations.wsgi import XRayMiddleware as WSGIMiddleware
from xtrace.recorder import Recorder

from asgiref.sync import sync_to_async  # isort: skip
from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection, connections, transaction
from django.db.backends.signals import connection_created
from django.db.utils import OperationalError
from django.http import FileResponse, Http404, HttpResponse, StreamingHttpResponse
from django.template import engines
from django.test import AsyncClient, Client, RequestFactory, override_settings
from django.urls import include, path, re_path
from django.utils.decorators import async_only_middleware, sync_only_middleware
from django.utils.deprecation import MiddlewareMixin

pytestmark = pytest.mark.library("Django", "sync", "async")

ROOT = Path(__file__).parents[2]
HERE = __name__
FILE = Path(__file__)

# -- the project -------------------------------------------------------------------------------

RAISED = {
    "missing": Http404("no such thing"),
    "denied": PermissionDenied("not you"),
    "suspicious": SuspiciousOperation("odd"),
    "bad": BadRequest("unreadable"),
    "fails": ValueError("boom"),
}


def raises(request, what):
    raise RAISED[what].with_traceback(None)


async def raises_async(request, what):
    raise RAISED[what].with_traceback(None)


def work(name):
    with xtrace.in_subsegment(name):
        pass


async def item(request, item):
    await asyncio.sleep(0)
    work("before")
    await sync_to_async(work)("in a thread")
    return HttpResponse(f"item {item}")


def parts(request):
    def made():
        try:
            for number in range(3):
                work(f"part {number}")
                yield f"ä{number}"
        finally:
            work("cleared up")

    return StreamingHttpResponse(made())


async def made_async():
    for number in range(3):
        await asyncio.sleep(0)
        work(f"part {number}")
        yield f"ä{number}"


def parts_async(request):
    return StreamingHttpResponse(made_async())


def breaks(request):
    def made():
        yield "one"
        raise ValueError("in the stream")

    return StreamingHttpResponse(made())


def file(request):
    return FileResponse(FILE.open("rb"))


def query(request):
    with connection.cursor() as cursor:
        cursor.execute("select %s, 'blue'", [1])
        return HttpResponse(str(cursor.fetchone()))


def page(request):
    return HttpResponse(engines["django"].get_template("page.html").render({}, request))


def hello(request):
    return HttpResponse("hello")


urlpatterns = [
    *project.urlpatterns,
    path("raises/<str:what>", raises),
    path("raises_async/<str:what>", raises_async),
    path("async/<int:item>", item),
    path("parts", parts),
    path("parts_async", parts_async),
    path("breaks", breaks),
    path("file", file),
    path("query", query),
    path("page", page),
    re_path(r"^orders/(?P<year>[0-9]{4})/$", lambda request, year: hello(request)),
    path("shop/", include([re_path(r"^by/(?P<name>\w+)/?\Z", lambda r, name: hello(r))])),
]

# -- other middlewares -------------------------------------------------------------------------


class Converting(MiddlewareMixin):
    """Makes a response of exceptions, as some projects do."""

    def process_exception(self, request, exception):
        return HttpResponse("converted", status=request.GET.get("status", 400))


@sync_only_middleware
def only_sync(get_response):
    def middleware(request):
        work("sync middleware")
        return get_response(request)

    return middleware


@async_only_middleware
def only_async(get_response):
    async def middleware(request):
        work("async middleware")
        return await get_response(request)

    return middleware


@sync_only_middleware
def raising(get_response):
    def middleware(request):
        raise ValueError("in a middleware")

    return middleware


@sync_only_middleware
def nothing(get_response):
    return lambda request: None


@sync_only_middleware
def with_user(get_response):
    def middleware(request):
        request.user = User(pk=17)
        return get_response(request)

    return middleware


TRACED = project.MIDDLEWARE

# -- fixtures ----------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def shop(traces, tmp_path):
    """The project with its database, traced by its middleware, and its statements and templates."""
    change_back = xtrace.recorder.override(service="shop")
    for each in connections.all(initialized_only=True):
        each.close()
    connections.settings["default"]["NAME"] = tmp_path / "shop.db"
    xtrace.patch("django")
    with override_settings(ROOT_URLCONF=HERE, MIDDLEWARE=[TRACED]):
        yield
    xtrace.unpatch("django")
    connections.close_all()
    change_back()


@pytest.fixture(params=["wsgi", "asgi"])
def get(request):
    """Make a request with Django's test client, through a handler of either kind."""

    def get_sync(path, *middleware, **options):
        with override_settings(MIDDLEWARE=middleware or [TRACED]):
            return Client(raise_request_exception=False).get(path, **options)

    def get_async(path, *middleware, **options):
        async def ask():
            return await AsyncClient(raise_request_exception=False).get(path, **options)

        with override_settings(MIDDLEWARE=middleware or [TRACED]):
            # In a context of its own, as a server's thread has it.
            return contextvars.copy_context().run(asyncio.run, ask())

    return get_sync if request.param == "wsgi" else get_async


def names(entity):
    return [part["name"] for part in entity.get("subsegments", ())]


def flags(segment):
    return {flag for flag in ("error", "throttle", "fault") if segment.get(flag)}


# -- requests ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/async/7", "/async/<int:item>"),
        ("/orders/2024/", "/orders/(?P<year>[0-9]{4})/"),
        ("/shop/by/me", r"/shop/by/(?P<name>\w+)/?"),
    ],
)
def test_routes_are_recorded_as_templates(get, traces, path, template):
    assert get(path).status_code == 200
    assert traces.segment("shop")["annotations"] == {"http_route": template}


@pytest.mark.parametrize("view", ["raises", "raises_async"])
@pytest.mark.parametrize(
    ("what", "status", "expected"),
    [
        ("missing", 404, {"error"}),
        ("denied", 403, {"error"}),
        ("suspicious", 400, {"error"}),
        ("bad", 400, {"error"}),
        ("fails", 500, {"fault"}),
    ],
)
def test_exceptions_are_recorded_and_the_final_response_sets_the_flags(
    get, traces, view, what, status, expected
):
    assert get(f"/{view}/{what}").status_code == status
    segment = traces.segment("shop")
    assert segment["http"]["response"]["status"] == status
    assert flags(segment) == expected
    (exception,) = segment["cause"]["exceptions"]
    assert exception["message"] == str(RAISED[what])
    assert exception["stack"][0]["label"] == view


def test_no_route_is_an_error_without_an_exception(get, traces):
    assert get("/nowhere").status_code == 404
    segment = traces.segment("shop")
    assert flags(segment) == {"error"}
    assert "cause" not in segment
    assert "annotations" not in segment


@pytest.mark.parametrize(("status", "expected"), [(200, set()), (400, {"error"}), (503, {"fault"})])
@pytest.mark.parametrize("outermost", [True, False])
def test_an_exception_that_a_middleware_converts_is_recorded(
    get, traces, status, expected, outermost
):
    middleware = [TRACED, f"{HERE}.Converting"]
    if not outermost:
        middleware.reverse()
    response = get(f"/raises/fails?status={status}", *middleware)
    assert (response.status_code, response.content) == (status, b"converted")
    segment = traces.segment("shop")
    assert flags(segment) == expected
    (exception,) = segment["cause"]["exceptions"]
    assert (exception["message"], exception["stack"][0]["label"]) == ("boom", "raises")


def test_an_exception_is_described_where_it_was_raised_only(get, traces):
    def inner(request):
        with xtrace.in_subsegment("inner"):
            raise ValueError("inside")

    with override_settings(ROOT_URLCONF=(path("inner", inner),)):
        get("/inner")
    segment = traces.segment("shop")
    (exception,) = traces.subsegment("inner")["cause"]["exceptions"]
    assert segment["cause"] == exception["id"]


def test_an_exception_of_a_middleware_is_recorded(get, traces):
    assert get("/plain", TRACED, f"{HERE}.raising").status_code == 500
    segment = traces.segment("shop")
    (exception,) = segment["cause"]["exceptions"]
    assert (exception["message"], exception["stack"][0]["label"]) == (
        "in a middleware",
        "middleware",
    )
    assert flags(segment) == {"fault"}


def test_an_exception_that_django_passes_on_reaches_the_server(traces):
    with (
        override_settings(DEBUG_PROPAGATE_EXCEPTIONS=True),
        pytest.raises(ValueError, match="boom"),
    ):
        Client().get("/raises/fails")
    segment = traces.segment("shop")
    assert segment["http"]["response"]["status"] == 500
    assert len(segment["cause"]["exceptions"]) == 1
    assert xtrace.recorder.get_trace_entity() is None


def test_a_middleware_that_gives_nothing_is_django_s_error(traces):
    with override_settings(MIDDLEWARE=[f"{HERE}.nothing"]):
        with pytest.raises(AttributeError) as untraced:
            xtrace.unpatch("django")
            Client().get("/plain")
    with override_settings(MIDDLEWARE=[TRACED, f"{HERE}.nothing"]):
        xtrace.faults.strict = False
        with pytest.raises(AttributeError) as traced:
            Client().get("/plain")
    assert str(traced.value) == str(untraced.value)
    assert len(traces.segments) == 1


@pytest.mark.parametrize(
    "middleware",
    [
        [TRACED, f"{HERE}.only_sync"],
        [f"{HERE}.only_sync", TRACED],
        [TRACED, f"{HERE}.only_async"],
        [f"{HERE}.only_async", TRACED],
        [f"{HERE}.only_sync", TRACED, f"{HERE}.only_async"],
        [f"{HERE}.only_async", TRACED, f"{HERE}.only_sync"],
    ],
)
@pytest.mark.parametrize("patched", [False, True])
def test_sync_and_async_middlewares_mix(get, traces, middleware, patched):
    if not patched:
        xtrace.unpatch("django")
    inside = middleware if patched else middleware[middleware.index(TRACED) :]
    inside = [f"{each.rpartition('_')[2]} middleware" for each in inside if each != TRACED]
    for path_ in ("/async/1", "/items/1"):
        assert get(path_, *middleware).content == b"item 1"
        segment = traces.segment("shop")
        made = ["before", "in a thread"] if path_ == "/async/1" else ["work"]
        assert names(segment) == inside + made
        assert segment["http"]["response"]["status"] == 200
        traces.clear()
    assert xtrace.recorder.get_trace_entity() is None


def test_neither_kind_of_handler_changes_threads_for_it():
    seen = []

    def view(request):
        seen.append(threading.get_ident())
        return HttpResponse()

    async def view_async(request):
        return view(request)

    XRayMiddleware(view)(RequestFactory().get("/"))
    asyncio.run(XRayMiddleware(view_async)(RequestFactory().get("/")))
    assert seen == [threading.get_ident()] * 2


def test_installed_twice_or_patched_too_a_request_is_one_segment(get, traces):
    get("/raises/fails", TRACED, TRACED)
    get("/raises/fails", f"{HERE}.only_sync")
    for segment in traces.segments:
        assert len(segment["cause"]["exceptions"]) == 1
    assert len(traces.segments) == 2


@pytest.mark.parametrize("middleware", [[], [TRACED]])
@pytest.mark.parametrize("asgi", [False, True])
def test_under_a_middleware_of_the_server_a_request_is_one_segment(traces, asgi, middleware):
    if asgi:
        app = ASGIMiddleware(project.handler(ASGIHandler, *middleware))
        serving = uvicorn_serving(app, lifespan="off")
    else:
        app = WSGIMiddleware(project.handler(WSGIHandler, *middleware))
        serving = wsgi_serving(app)
    with serving as port:
        assert ask(port, "/items/7").trace_header is not None
        assert ask(port, "/raises/fails").status == 500
        eventually(lambda: len(traces.segments) == 2)
    work, fails = sorted(traces.segments, key=lambda segment: "cause" in segment)
    assert work["annotations"] == {"http_route": "/items/<int:item>"}
    assert names(work) == ["work"]
    (exception,) = fails["cause"]["exceptions"]
    assert exception["message"] == "boom"


def test_the_user_is_recorded_if_asked_for(get, traces, monkeypatch):
    from xtrace.integrations.django import _settings

    middleware = [TRACED, f"{HERE}.with_user"]
    get("/plain", *middleware)
    monkeypatch.setattr(_settings, "in_force", _settings.Settings({"RECORD_USER": True}))
    get("/plain", *middleware)
    get("/plain")
    assert [segment.get("user") for segment in traces.segments] == [None, "17", None]


def test_urls_as_annotation_is_understood(get, traces, monkeypatch):
    from xtrace.integrations.django import _settings

    settings = _settings.Settings({"URLS_AS_ANNOTATION": "ALL"})
    monkeypatch.setattr(_settings, "in_force", settings)
    get("/items/7", headers={"User-Agent": "me"})
    annotations = traces.segment("shop")["annotations"]
    assert annotations.pop("client_ip") in ("127.0.0.1", "testclient")
    assert annotations == {
        "http_route": "/items/<int:item>",
        "method": "GET",
        "url": annotations["url"],
        "user_agent": "me",
        "status": 200,
        "content_length": 6,
    }


def test_https_behind_a_proxy_is_in_the_url(get, traces):
    with override_settings(SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https")):
        get("/plain", headers={"X-Forwarded-Proto": "https"})
    assert traces.segment("shop")["http"]["request"]["url"] == "https://testserver/plain"


def test_a_host_that_is_not_allowed_is_recorded_all_the_same(traces):
    with override_settings(ALLOWED_HOSTS=["shop.test"]):
        Client().get("/plain", headers={"Host": "evil.test"})
    assert traces.segment("shop")["http"]["request"]["url"] == "http://evil.test/plain"


def test_without_a_service_name_the_middleware_says_what_to_type():
    with pytest.raises(SegmentNameMissing, match="xtrace.configure"):
        XRayMiddleware(hello, Recorder())


# -- streams -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["parts", "parts_async"])
@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
def test_a_stream_s_segment_ends_with_its_last_part(get, traces, kind):
    response = get(f"/{kind}")
    if response.is_async:

        async def read():
            return b"".join([part async for part in response])

        body = asyncio.run(read())
    else:
        body = b"".join(response)
    segment = traces.segment("shop")
    assert body.decode() == "ä0ä1ä2"
    expected = ["part 0", "part 1", "part 2"]
    assert names(segment) == expected + ["cleared up"] * (kind == "parts")
    assert segment["http"]["response"] == {"status": 200, "content_length": 9}
    assert xtrace.recorder.get_trace_entity() is None


@pytest.mark.parametrize("server", ["wsgi", "asgi"])
@pytest.mark.parametrize("kind", ["parts", "parts_async"])
@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
def test_either_server_streams_either_kind(traces, server, kind):
    if server == "wsgi":
        serving = wsgi_serving(project.handler(WSGIHandler, TRACED))
    else:
        serving = uvicorn_serving(project.handler(ASGIHandler, TRACED), lifespan="off")
    with serving as port:
        assert ask(port, f"/{kind}").body.decode() == "ä0ä1ä2"
        eventually(lambda: traces.segments)
    segment = traces.segment("shop")
    assert names(segment)[:3] == ["part 0", "part 1", "part 2"]
    assert segment["http"]["response"] == {"status": 200, "content_length": 9}


def test_a_stream_that_is_closed_early_ends_its_segment_and_clears_up_inside(traces):
    response = Client().get("/parts")
    assert traces.documents == []
    next(iter(response.streaming_content))
    response.close()
    assert names(traces.segment("shop")) == ["part 0", "cleared up"]
    assert xtrace.recorder.get_trace_entity() is None


def test_an_exception_in_a_stream_is_a_fault(traces):
    with pytest.raises(ValueError, match="in the stream"):
        Client().get("/breaks").getvalue()
    segment = traces.segment("shop")
    assert flags(segment) == {"fault"}
    assert segment["cause"]["exceptions"][0]["message"] == "in the stream"


def test_an_unsampled_stream_has_its_segment_current(traces):
    header = {"X-Amzn-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0"}
    seen = []

    def view(request):
        def made():
            for _ in range(2):
                headers = {}
                xtrace.recorder.inject(headers)
                seen.append(headers["X-Amzn-Trace-Id"])
                yield ""

        return StreamingHttpResponse(made())

    with override_settings(ROOT_URLCONF=(path("view", view),)):
        Client().get("/view", headers=header).getvalue()
    assert seen == [header["X-Amzn-Trace-Id"]] * 2
    assert traces.documents == []


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
@pytest.mark.parametrize("server", ["wsgi", "asgi"])
def test_files_are_sent_as_they_are_and_end_their_segments(traces, server):
    if server == "wsgi":
        serving = wsgi_serving(project.handler(WSGIHandler, TRACED))
    else:
        serving = uvicorn_serving(project.handler(ASGIHandler, TRACED), lifespan="off")
    with serving as port:
        assert ask(port, "/file").body == FILE.read_bytes()
        ask(port, "/file", method="HEAD")
        eventually(lambda: len(traces.segments) == 2)
    for segment in traces.segments:
        size = FILE.stat().st_size
        assert segment["http"]["response"] == {"status": 200, "content_length": size}


def test_a_file_stays_one_for_the_server(traces):
    response = project.handler(WSGIHandler, TRACED).get_response(RequestFactory().get("/file"))
    assert response.file_to_stream is not None
    assert traces.documents == []
    response.close()
    assert len(traces.segments) == 1


def test_a_request_that_is_cancelled_says_so(traces):
    async def cancelled():
        async def view(request):
            task.cancel()
            await asyncio.sleep(10)

        task = asyncio.ensure_future(XRayMiddleware(view)(RequestFactory().get("/")))
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    segment = traces.segment("shop")
    assert segment["annotations"]["cancelled"] == "CancelledError"
    assert not flags(segment)


def test_a_client_that_leaves_an_async_stream_ends_its_segment(traces):
    GATE.close()
    handler = project.handler(ASGIHandler, TRACED)
    with uvicorn_serving(handler, lifespan="off") as port:
        with begun(port, "/gate/a"):
            eventually(lambda: GATE.arrived == ["a"])
        # Django notices by itself from 5.0 on; before that, at the end of the stream.
        if project.django.VERSION < (5, 0):
            GATE.open()
        eventually(lambda: traces.segments)
        GATE.open()
    assert traces.segment("shop")["http"]["response"]["status"] == 200


def test_concurrent_async_requests_keep_apart(traces):
    async def ask_all():
        client = AsyncClient()
        await asyncio.gather(*(client.get(f"/async/{number}") for number in range(30)))

    asyncio.run(ask_all())
    assert len({segment["trace_id"] for segment in traces.segments}) == 30
    assert all(names(segment) == ["before", "in a thread"] for segment in traces.segments)


# -- statements --------------------------------------------------------------------------------


def statements(traces):
    found = [part["sql"].get("sanitized_query") for part in traces.subsegments if "sql" in part]
    return [text for text in found if text is not None]  # None: connecting took a while


def test_a_statement_is_a_subsegment_of_its_database(get, traces, tmp_path):
    assert get("/query").content == b"(1, 'blue')"
    part = traces.subsegments[-1]
    assert (part["name"], part["namespace"]) == ("shop.db", "remote")
    version = part["sql"].pop("database_version")
    assert version.startswith("3.")
    assert part["sql"] == {
        "url": f"sqlite:///{tmp_path / 'shop.db'}",
        "database_type": "SQLite",
        "driver_version": "sqlite3",
        "preparation": "statement",
        "sanitized_query": "select %s, ?",
    }


@pytest.mark.parametrize("libraries", [[], ["sqlite3"]])
def test_a_patched_driver_below_is_silent(traces, libraries):
    xtrace.patch(libraries)
    try:
        with xtrace.in_segment("a"):
            with connection.cursor() as cursor:
                cursor.execute("create table t (a)")
                cursor.executemany("insert into t values (%s)", [(1,), (2,)])
                cursor.execute("select count(*) from t")
                assert cursor.fetchone() == (2,)
            connection.connection.execute("select 'past Django'")
    finally:
        xtrace.unpatch("sqlite3")
    assert statements(traces) == [
        "create table t (a)",
        "insert into t values (%s)",
        "select count(*) from t",
        *(["select ?"] if libraries else []),
    ]


def test_a_statement_inside_another_of_django_s_is_recorded(traces):
    def audited(execute, sql, params, many, context):
        if "audit" not in sql:
            with connection.cursor() as cursor:
                cursor.execute("select 'audit'")
        return execute(sql, params, many, context)

    connection.ensure_connection()
    with xtrace.in_segment("a"), connection.execute_wrapper(audited):
        with connection.cursor() as cursor:
            cursor.execute("select 1")
    assert statements(traces) == ["select ?", "select ?"]


@pytest.fixture
def connecting():
    """Calls a function while Django connects."""
    receivers = []

    def during(function):
        def receiver(**extra):
            function()

        receivers.append(receiver)
        connection_created.connect(receiver)
        connection.close()

    yield during
    for receiver in receivers:
        connection_created.disconnect(receiver)


@pytest.mark.parametrize("libraries", [[], ["sqlite3"]])
def test_what_django_tells_a_new_connection_is_silent(traces, connecting, libraries):
    said = []

    def ask():
        with connection.cursor() as cursor:
            said.append(cursor.execute("select 1").fetchone())

    xtrace.patch(libraries)
    connecting(ask)
    try:
        with xtrace.in_segment("a"), connection.cursor() as cursor:
            assert xtrace.recorder._get_current() is xtrace.current_segment()
            cursor.execute("select 2")
    finally:
        xtrace.unpatch("sqlite3")
    assert said == [(1,)]
    assert statements(traces) == ["select ?"]


def test_who_waits_for_a_connection_sees_it(traces, connecting):
    def wait():
        began = time.monotonic()
        while time.monotonic() - began < 0.001:
            pass

    connecting(wait)
    with xtrace.in_segment("a"):
        connection.ensure_connection()
    (part,) = traces.subsegments
    assert (part["name"], part["namespace"]) == ("shop.db", "remote")
    assert part["metadata"] == {"sql": {"step": "connect"}}
    assert part["sql"]["database_type"] == "SQLite"
    assert "sanitized_query" not in part["sql"]


def test_what_is_recorded_while_django_connects_has_its_parent(traces, connecting):
    def secret():
        with xtrace.in_subsegment("ask for the password"):
            pass

    connecting(secret)
    with xtrace.in_segment("a"):
        connection.ensure_connection()
    (part,) = traces.segment("a")["subsegments"]
    assert [below["name"] for below in part["subsegments"]] == ["ask for the password"]


def test_a_database_that_is_away_is_seen(traces, tmp_path):
    connections.settings["default"]["NAME"] = tmp_path / "no such folder" / "away.db"
    connection.close()
    with xtrace.in_segment("a"), pytest.raises(OperationalError):
        connection.ensure_connection()
    (part,) = traces.subsegments
    assert (part["name"], part["fault"]) == ("away.db", True)
    assert part["cause"]["exceptions"][0]["type"] == "OperationalError"


def test_an_error_is_a_fault_and_stays_django_s(traces):
    with (
        xtrace.in_segment("a"),
        connection.cursor() as cursor,
        pytest.raises(OperationalError, match="no such table"),
    ):
        cursor.execute("select * from nowhere")
    part = traces.subsegments[-1]
    assert part["fault"] is True
    # As the driver raised it, and as Django did.
    kinds = [each["type"] for each in part["cause"]["exceptions"]]
    assert kinds == ["OperationalError", "OperationalError"]


def test_transactions_keep_their_meaning(traces):
    with connection.cursor() as cursor:
        cursor.execute("create table t (a)")
    with xtrace.in_segment("a"):
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("insert into t values (1)")
            raise ZeroDivisionError
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from t")
        assert cursor.fetchone() == (0,)
    assert statements(traces) == ["BEGIN", "insert into t values (?)"]


def test_wrong_arguments_are_django_s_own_errors():
    with connection.cursor() as cursor:
        for call in (cursor.execute, cursor.executemany):
            with pytest.raises(TypeError):
                call()
        cursor.execute(sql="select %s", params=[1])
        assert cursor.fetchone() == (1,)


def test_databases_are_described_without_their_password():
    from xtrace.integrations.django._database import describe

    class Psycopg:
        __name__ = "psycopg"
        __version__ = "3.2.1 (binary)"

    class Connection:
        vendor = "postgresql"
        Database = Psycopg
        settings_dict = {
            "NAME": "orders",
            "HOST": "db.example.com",
            "PORT": 5432,
            "USER": "me",
            "PASSWORD": SECRET,
        }

    Psycopg.__name__ = "psycopg"
    database = describe(Connection)
    assert (database.name, database.dialect) == ("orders@db.example.com", "postgresql")
    assert database.block == {
        "url": "postgresql://db.example.com:5432/orders",
        "database_type": "PostgreSQL",
        "driver_version": "psycopg-3.2.1",
        "user": "me",
    }
    change_back = xtrace.recorder.override(peer_names={"db.example.com": "main"})
    try:
        assert describe(Connection).name == "orders@main"
    finally:
        change_back()
    Connection.vendor = "mysql"
    Connection.settings_dict = {"NAME": "orders", "HOST": "/run/mysqld/mysqld.sock"}
    database = describe(Connection)
    assert (database.name, database.dialect) == ("orders@localhost", "mysql")


def test_a_database_that_cannot_be_described_runs_its_statements(
    traces, monkeypatch, lenient_faults
):
    def fail(connection):
        raise RuntimeError("ours")

    monkeypatch.setattr("xtrace.integrations.django._database.describe", fail)
    connections.close_all()
    connection.__dict__.pop("_xtrace_database", None)
    with xtrace.in_segment("a"), connection.cursor() as cursor:
        cursor.execute("select 1")
        assert cursor.fetchone() == (1,)
    connection.__dict__.pop("_xtrace_database", None)
    assert xtrace.stats().faults["integration:django"] == 1


# -- templates ---------------------------------------------------------------------------------

TEMPLATES = {
    "base.html": "<{% block body %}{% endblock %}>",
    "part.html": "part",
    "page.html": "{% extends 'base.html' %}{% block body %}{% include 'part.html' %}{% endblock %}",
}


@pytest.fixture
def templates(monkeypatch):
    engine = engines["django"].engine
    (loader,) = engine.template_loaders
    monkeypatch.setattr(loader, "templates_dict", TEMPLATES)


def test_a_template_is_a_subsegment_with_all_that_it_includes(get, traces, templates):
    assert get("/page").content == b"<part>"
    assert [part["name"] for part in traces.subsegments] == ["page.html"]


def test_widgets_are_part_of_the_template_that_shows_them(traces, templates):
    class Form(forms.Form):
        name = forms.CharField()
        age = forms.IntegerField()

    template = engines["django"].from_string("{{ form.as_p }}")
    with xtrace.in_segment("a"):
        assert "<input" in template.render({"form": Form()})
        engines["django"].get_template("part.html").render({})
    assert [part["name"] for part in traces.subsegments] == ["template_render", "part.html"]


def test_without_a_segment_templates_and_statements_are_silent(traces, templates, caplog):
    assert engines["django"].get_template("page.html").render({}) == "<part>"
    with connection.cursor() as cursor:
        cursor.execute("select 1")
    assert traces.documents == []
    assert caplog.records == []


# -- patching ----------------------------------------------------------------------------------


def test_unpatch_puts_back_what_was_there():
    from django.core.handlers.base import BaseHandler
    from django.db.backends.utils import CursorWrapper
    from django.template import Template

    def current():
        return [
            vars(BaseHandler)["get_response"],
            vars(BaseHandler)["get_response_async"],
            vars(CursorWrapper)["execute"],
            vars(CursorWrapper)["executemany"],
            vars(CursorWrapper)["callproc"],
            vars(Template)["render"],
        ]

    patched = current()
    xtrace.unpatch("django")
    before = current()
    assert not {id(each) for each in patched} & {id(each) for each in before}
    xtrace.patch("django")
    xtrace.unpatch("django")
    assert current() == before


# -- settings and set-up -----------------------------------------------------------------------


def run(
    code, settings="", apps=("xtrace.integrations.django",), middleware=(TRACED,), **environment
):
    """Run code in a new process whose project is set up; what it prints, or its last error line."""
    lines = (
        "import django, json, sys\n"
        "from django.conf import settings\n"
        "settings.configure(**dict(\n"
        f"    INSTALLED_APPS={list(apps)}, ROOT_URLCONF='urls',\n"
        f"    MIDDLEWARE={list(middleware)}, ALLOWED_HOSTS=['*'],\n"
        f"    DATABASES={{}}, SECRET_KEY='x', LOGGING_CONFIG=None{', ' if settings else ''}{settings}\n"
        "))\n"
        "import types; from django.urls import path; from django.http import HttpResponse\n"
        "urls = sys.modules['urls'] = types.ModuleType('urls')\n"
        "urls.urlpatterns = [path('plain', lambda request: HttpResponse('plain'))]\n"
        "import xtrace\n"
        "django.setup()\n" + code
    )
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", lines],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", **environment},
    )
    return ran.stdout.strip() if ran.returncode == 0 else ran.stderr.strip().splitlines()[-1]


def test_settings_of_the_official_sdk_are_understood():
    told = run(
        "django.setup()\n"
        "r = xtrace.recorder\n"
        "print(r.service, r.sampling, r.stream_sql, r.streaming_threshold, r.max_trace_back,\n"
        "      r.context.context_missing, r.naming is not None, r.redact)\n"
        "from xtrace.integrations import patched; print(patched())\n"
        "import sqlite3; print('sqlite3' in patched())",
        "XRAY_RECORDER={'AWS_XRAY_DAEMON_ADDRESS': '127.0.0.1:2999', 'AUTO_INSTRUMENT': True,"
        "'AWS_XRAY_CONTEXT_MISSING': 'IGNORE_ERROR', 'PLUGINS': (), 'SAMPLING': False,"
        "'SAMPLING_RULES': None, 'SAMPLER': None, 'AWS_XRAY_TRACING_NAME': 'shop',"
        "'DYNAMIC_NAMING': '*.shop.test', 'STREAMING_THRESHOLD': 7, 'MAX_TRACE_BACK': 3,"
        "'STREAM_SQL': False, 'PATCH_MODULES': ['sqlite3'], 'REDACT': False,"
        "'AUTO_PATCH_PARENT_SEGMENT_NAME': None, 'IGNORE_MODULE_PATTERNS': [],"
        "'URLS_AS_ANNOTATION': 'NONE'}",
    )
    assert told.splitlines()[0] == "shop False False 7 3 IGNORE_ERROR True False"
    assert "'django'" in told
    assert told.endswith("True")


def test_the_environment_wins():
    told = run(
        "print(xtrace.recorder.service)",
        "XRAY_RECORDER={'AWS_XRAY_TRACING_NAME': 'shop'}",
        AWS_XRAY_TRACING_NAME="theirs",
    )
    assert told == "theirs"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("{'SAMPLINGS': True}", "Did you mean 'SAMPLING'?"),
        ("{'service': 'a'}", "Did you mean 'SERVICE"),
        ("{'AUTO_INSTRUMENT': 'yes'}", "XRAY_RECORDER['AUTO_INSTRUMENT'] is 'yes'. Write True"),
        ("{'URLS_AS_ANNOTATION': 'SOME'}", "Write one of ALL, LAMBDA, NONE"),
        ("{'IGNORE_MODULE_PATTERNS': ['x']}", "Remove it"),
        ("{'STREAMING_THRESHOLD': 'many'}", "XRAY_RECORDER in Django's settings: streaming_thr"),
        ("{'PATCH_MODULES': ['myapp.views']}", "No integration named 'myapp.views'"),
        ("'shop'", "Write a dict: XRAY_RECORDER = {'AWS_XRAY_TRACING_NAME'"),
    ],
)
def test_settings_that_cannot_be_used_say_what_to_type(given, message):
    assert message in run("print('set up')", f"XRAY_RECORDER={given}")


def test_a_parent_segment_for_patching_is_recorded():
    told = run(
        "xtrace.recorder.flush(); print([d['name'] for d in xtrace.recorder.emitters[0].documents])",
        "XRAY_RECORDER={'AWS_XRAY_TRACING_NAME': 'shop', 'SAMPLING': False, 'EMITTER': 'memory:',"
        "'PATCH_MODULES': ['sqlite3'], 'AUTO_PATCH_PARENT_SEGMENT_NAME': 'start'}",
    )
    assert told == "['start']"


CHECK = "from django.core.checks import run_checks\nfor each in run_checks(): print(each)"


def test_checks_say_what_to_type():
    assert "AWS_XRAY_TRACING_NAME': 'my-service'" in run(CHECK)
    assert run(CHECK, AWS_XRAY_TRACING_NAME="shop") == ""
    assert run(CHECK, AWS_XRAY_SDK_ENABLED="false") == ""
    told = run(
        "settings.MIDDLEWARE = ['aws_xray_sdk.ext.django.middleware.XRayMiddleware']\n" + CHECK,
        "XRAY_RECORDER={'SERVICE': 'shop', 'AUTO_INSTRUMENT': False}",
    )
    assert "(xtrace.W001)" in told
    assert f"MIDDLEWARE = ['{TRACED}', ...]" in told
    assert "Remove from INSTALLED_APPS and MIDDLEWARE: aws_xray_sdk.ext" in told


def test_without_a_name_the_server_does_not_start():
    assert "set AWS_XRAY_TRACING_NAME" in run(
        "from django.core.wsgi import *\nget_wsgi_application()"
    )


def test_the_app_alone_traces_requests():
    told = run(
        "from django.test import Client; Client().get('/plain')\n"
        "print([d['name'] for d in xtrace.recorder.emitters[0].documents])",
        "XRAY_RECORDER={'SERVICE': 'shop', 'SAMPLING': False, 'EMITTER': 'memory:'}",
        middleware=(),
    )
    assert told == "['shop']"


def test_the_middleware_alone_reads_the_settings():
    told = run(
        "from django.test import Client; Client().get('/plain')\n"
        "print([d['name'] for d in xtrace.recorder.emitters[0].documents])\n"
        "from xtrace.integrations import patched; print(patched())",
        "XRAY_RECORDER={'SERVICE': 'shop', 'SAMPLING': False, 'EMITTER': 'memory:'}",
        apps=(),
    )
    assert told == "['shop']\n()"


def test_the_server_for_development_reloads_as_before(tmp_path):
    (tmp_path / "urls.py").write_text(
        "from django.urls import path\nfrom django.http import HttpResponse\n"
        "urlpatterns = [path('plain', lambda request: HttpResponse('plain'))]\n"
    )
    (tmp_path / "manage.py").write_text(
        "import sys\nfrom django.conf import settings\n"
        "settings.configure(DEBUG=True, INSTALLED_APPS=['xtrace.integrations.django'],\n"
        f"    MIDDLEWARE=[{TRACED!r}], ROOT_URLCONF='urls', SECRET_KEY='x', DATABASES={{}},\n"
        "    XRAY_RECORDER={'SERVICE': 'shop', 'EMITTER': 'file:traces.jsonl', 'SAMPLING': False})\n"
        "from django.core.management import execute_from_command_line\n"
        "if __name__ == '__main__': execute_from_command_line(sys.argv)\n"
    )
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "manage.py", "runserver", f"127.0.0.1:{port}"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        eventually(lambda: answers(port))
        urls = tmp_path / "urls.py"
        urls.write_text(urls.read_text().replace("('plain')", "('anew')"))
        # What changes before its first look, which may come later than the first answer, it
        # doesn't see; it looks once a second.
        touched = 0.0

        def answers_anew():
            nonlocal touched
            if time.monotonic() > touched + 3:
                touched = time.monotonic()
                os.utime(urls)
            return answers(port) == b"anew"

        eventually(answers_anew)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()
    assert '"name":"shop"' in (tmp_path / "traces.jsonl").read_text().replace(" ", "")


def answers(port):
    try:
        answer = ask(port, "/plain")
    except OSError:
        return None
    return answer.body if answer.status == 200 else None
