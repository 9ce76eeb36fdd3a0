"""Requests that are served."""

import asyncio
import io
import os
import sys

ROOT = "1-5759e988-bd862e3fe1be46a994272793"
HEADERS = {
    "X-Amzn-Trace-Id": f"Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=?;Lineage=a:b",
    "User-Agent": "ua",
}


def _note_response(x, response, headers=None):
    headers = response.headers if headers is None else headers
    x.note(response.status_code, headers.get("X-Amzn-Trace-Id"))


def _flask(x):
    import flask
    from aws_xray_sdk.ext.flask.middleware import XRayMiddleware

    app = flask.Flask("app")
    XRayMiddleware(app, x.recorder)

    @app.get("/ok")
    def ok():
        return "ok"

    @app.get("/fault")
    def fault():
        return {}["missing"]

    @app.get("/template")
    def template():
        return flask.render_template_string("hello {{ name }}", name="x")

    @app.get("/sub")
    def sub():
        with x.recorder.in_subsegment("work"):
            return "ok"

    return app.test_client()


def flask_requests(x):
    client = _flask(x)
    for path in ("/ok?q=1", "/sub", "/nowhere"):
        _note_response(x, client.get(path, headers={"User-Agent": "ua"}))


def flask_headers(x):
    client = _flask(x)
    _note_response(x, client.get("/ok", headers=HEADERS))
    _note_response(x, client.get("/ok", headers={**HEADERS, "X-Forwarded-For": "10.0.0.1"}))
    for sampled in "10":
        value = HEADERS["X-Amzn-Trace-Id"].replace("?", sampled)
        _note_response(x, client.get("/ok", headers={**HEADERS, "X-Amzn-Trace-Id": value}))


def flask_chain_of_proxies(x):
    _flask(x).get("/ok", headers={"X-Forwarded-For": "10.0.0.1, 10.0.0.2"})


def flask_faults(x):
    client = _flask(x)
    _note_response(x, client.get("/fault", headers={"User-Agent": "ua"}))


def flask_templates(x):
    client = _flask(x)
    _note_response(x, client.get("/template"))


def flask_names_by_host(x):
    x.recorder.configure(dynamic_naming="*.example.com")
    client = _flask(x)
    client.get("/ok", headers={"Host": "a.example.com"})
    client.get("/ok", headers={"Host": "b.example.org"})
    client.get("/ok", headers={"Host": "a.example.com:8080"})


def flask_in_lambda(x):
    from aws_xray_sdk.core.lambda_launcher import LambdaContext

    os.environ["LAMBDA_TASK_ROOT"] = "/var/task"
    os.environ["_X_AMZN_TRACE_ID"] = HEADERS["X-Amzn-Trace-Id"].replace("?", "1")
    x.recorder.configure(context=LambdaContext(), streaming_threshold=0)
    client = _flask(x)
    _note_response(x, client.get("/ok"))


def bottle_requests(x):
    import bottle
    from aws_xray_sdk.ext.bottle.middleware import XRayMiddleware

    app = bottle.Bottle()
    app.install(XRayMiddleware(x.recorder))

    @app.get("/ok")
    def ok():
        return "ok"

    @app.get("/fault")
    def fault():
        return {}["missing"]

    @app.get("/teapot")
    def teapot():
        bottle.abort(418)

    @app.get("/away")
    def away():
        bottle.redirect("/ok")

    @app.get("/template")
    def template():
        return bottle.template("hello {{name}}", name="x")

    for path in ("/ok", "/fault", "/teapot", "/away", "/template"):
        seen = {}

        def start(status, headers, exc_info=None, seen=seen):
            seen.update(status=status, header=dict(headers).get("X-Amzn-Trace-Id"))

        environ = {
            "PATH_INFO": path,
            "QUERY_STRING": "q=1",
            "REQUEST_METHOD": "GET",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "wsgi.url_scheme": "http",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_USER_AGENT": "ua",
            "wsgi.errors": io.StringIO(),
            "HTTP_X_AMZN_TRACE_ID": HEADERS["X-Amzn-Trace-Id"],
        }
        list(app.wsgi(environ, start))
        x.note(seen)


def aiohttp_requests(x):
    from aiohttp import ClientSession, web
    from aws_xray_sdk.core.async_context import AsyncContext
    from aws_xray_sdk.ext.aiohttp.middleware import middleware

    async def ok(request):
        return web.Response(text="ok")

    async def fault(request):
        return {}["missing"]

    async def forbidden(request):
        raise web.HTTPForbidden

    async def main():
        x.recorder.configure(context=AsyncContext(loop=asyncio.get_running_loop()))
        app = web.Application(middlewares=[middleware])
        for handler in (ok, fault, forbidden):
            app.router.add_get(f"/{handler.__name__}", handler)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]
        async with ClientSession() as session:
            for path in ("ok?q=1", "fault", "forbidden"):
                url = f"http://127.0.0.1:{port}/{path}"
                async with session.get(url, headers=HEADERS) as response:
                    x.note(response.status, response.headers.get("X-Amzn-Trace-Id"))
        await runner.cleanup()

    asyncio.run(main())


def _django(x, **settings):
    import types

    import django
    from django.conf import settings as django_settings
    from django.http import HttpResponse
    from django.urls import path

    urls = types.ModuleType("oracle_urls")
    sys.modules["oracle_urls"] = urls

    def ok(request):
        return HttpResponse("ok")

    def fault(request):
        return {}["missing"]

    def missing(request):
        from django.http import Http404

        raise Http404

    def query(request):
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("select 1")
        return HttpResponse("ok")

    def template(request):
        from django.template import Context, Template

        return HttpResponse(Template("hello").render(Context()))

    urls.urlpatterns = [path(view.__name__, view) for view in (ok, fault, missing, query, template)]
    django_settings.configure(
        ROOT_URLCONF="oracle_urls",
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="s",
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
        INSTALLED_APPS=["aws_xray_sdk.ext.django"],
        MIDDLEWARE=["aws_xray_sdk.ext.django.middleware.XRayMiddleware"],
        XRAY_RECORDER={"AWS_XRAY_TRACING_NAME": "project", "SAMPLING": False, **settings},
    )
    django.setup()
    from django.test import Client

    return Client(raise_request_exception=False)


def django_requests(x):
    client = _django(x)
    for path in ("/ok?q=1", "/nowhere"):
        _note_response(x, client.get(path, HTTP_USER_AGENT="ua"))


def django_headers(x):
    client = _django(x)
    _note_response(x, client.get("/ok", HTTP_X_AMZN_TRACE_ID=HEADERS["X-Amzn-Trace-Id"]))
    _note_response(x, client.get("/ok", HTTP_X_FORWARDED_FOR="10.0.0.1"))


def django_faults(x):
    _note_response(x, _django(x).get("/fault"))


def django_not_found_by_a_view(x):
    _note_response(x, _django(x).get("/missing"))


def django_statements(x):
    _note_response(x, _django(x).get("/query"))


def django_templates(x):
    _note_response(x, _django(x).get("/template"))


def django_annotations(x):
    _note_response(x, _django(x, URLS_AS_ANNOTATION="ALL").get("/ok", HTTP_USER_AGENT="ua"))


def django_settings(x):
    _django(x, MAX_TRACE_BACK=5, STREAM_SQL=False, DYNAMIC_NAMING="*.a.com")
    from aws_xray_sdk.ext.django.conf import XRaySettings, settings

    x.note(settings.MAX_TRACE_BACK, settings.STREAM_SQL, settings.AUTO_INSTRUMENT)
    x.note(x.recorder.service, x.recorder.max_trace_back, x.recorder.stream_sql)
    x.attempt(lambda: settings.NONSENSE)
    os.environ["AWS_XRAY_TRACING_NAME"] = "by environment"
    x.note(XRaySettings({"AWS_XRAY_TRACING_NAME": "n"}).AWS_XRAY_TRACING_NAME)
