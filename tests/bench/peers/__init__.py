"""What is compared: one class `Peer` a file, with the same methods.

Each workload is a method `workload(times)`: it does the work so often and gives the CPU seconds
that the calling thread spent on it. What it needs is made before the clock is read, or kept from
the call before. It reads the clock exactly twice. A peer that has no such work lacks the method.

Here: the clock, and what all of them record and serve.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from typing import Any

MARKS = "XTRACE_BENCH_MARKS"
"""Environment variable: the clock marks instead of reading, for counting instructions."""


def _mark() -> float:
    """Call a C function that nothing else here calls: callgrind splits its counts there."""
    os.getloadavg()
    return 0.0


clock: Callable[[], float] = _mark if MARKS in os.environ else time.thread_time

CALLS = 20
"""Calls of the captured function in a segment: below the streaming threshold of 30."""

QUERIES = 10
"""Statements in a segment."""

SERVICE = "shop"

# Two annotations and five keys of metadata for each subsegment.
METADATA = {
    "items": 3,
    "currency": "EUR",
    "total": 58.95,
    "express": True,
    "note": "leave it with the neighbours",
}

TRACE_HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
NOT_SAMPLED = TRACE_HEADER.replace("Sampled=1", "Sampled=0")
TRACEPARENT = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01"

HOST = "shop.example.com"

# Host, method and path of ten rules, as a service's file has them.
_RULES = (
    ("*", "GET", "/health"),
    ("*", "POST", "/login"),
    ("*", "POST", "/logout"),
    ("*", "GET", "/static/*"),
    ("*.example.com", "GET", "/search/*"),
    ("shop.example.com", "*", "/cart/*/items"),
    ("shop.example.com", "*", "/users/*"),
    ("admin.example.com", "*", "*"),
    ("*", "GET", "/reports/*/20??"),
    ("shop.example.com", "GET", "/orders/*"),
)
SAMPLING_RULES = {
    "version": 2,
    "default": {"fixed_target": 1, "rate": 0.05},
    "rules": [
        {
            "description": path,
            "host": host,
            "http_method": method,
            "url_path": path,
            "fixed_target": 1,
            "rate": 0.05,
        }
        for host, method, path in _RULES
    ],
}

REQUESTS = 10
"""HTTP requests in a segment."""

QUERY = "select 17, 'blue' where 'small' <> 'large'"


def trivial(value: int) -> int:
    """The function that is captured."""
    return value


async def trivial_async(value: int) -> int:
    """The same, awaited."""
    return value


def sampling_request(path: str) -> dict[str, str]:
    """What samplers are asked: a request that only the last of the rules is for."""
    return {"service": SERVICE, "host": HOST, "method": "GET", "path": path}


def first_sights(times: int, start: int) -> list[dict[str, str]]:
    """Requests whose paths were never seen before. start: how many were made so far."""
    return [sampling_request(f"/orders/{number}") for number in range(start, start + times)]


def flask_application() -> Any:
    """A Flask application with one plain view."""
    import flask

    application = flask.Flask("shop")

    @application.get("/")
    def index() -> str:
        return "ok"

    return application


def wsgi_environ(**headers: str) -> dict[str, Any]:
    """The WSGI environ of a request. headers: with "_" for "-"."""
    from werkzeug.test import create_environ

    return create_environ(
        "/",
        f"http://{HOST}/",
        headers={
            "User-Agent": "bench/1",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        },
        environ_base={"REMOTE_ADDR": "192.0.2.17"},
    )


def django_application(app: str | None = None, middleware: str | None = None) -> Any:
    """The WSGI callable of a Django project with one plain view, and this middleware.

    app: in INSTALLED_APPS. Django has one configuration a process: later calls must give the same.
    """
    import django
    from django.conf import settings

    if not settings.configured:
        settings.configure(
            ALLOWED_HOSTS=[HOST],
            INSTALLED_APPS=[app] if app else [],
            ROOT_URLCONF=_urls(),
            XRAY_RECORDER={
                "AUTO_INSTRUMENT": False,
                "AWS_XRAY_TRACING_NAME": SERVICE,
                "SAMPLING": False,
            },
        )
        django.setup()
    from django.core.handlers.wsgi import WSGIHandler
    from django.test import override_settings

    with override_settings(MIDDLEWARE=[middleware] if middleware else []):
        return WSGIHandler()


def _urls() -> Any:
    """What Django takes in place of a module with the project's URLs."""
    from django.http import HttpRequest, HttpResponse
    from django.urls import path

    def index(request: HttpRequest) -> HttpResponse:
        return HttpResponse("ok")

    return (path("", index),)


def _start_response(*args: object) -> Callable[[bytes], object]:
    return bytes


def serve(
    application: Callable[..., Iterable[bytes]], environ: dict[str, Any], times: int
) -> float:
    """Have a WSGI application answer a request so often, as a server does; CPU seconds."""
    begin = clock()
    for _ in range(times):
        body = application(environ.copy(), _start_response)
        for _part in body:
            pass
        close = getattr(body, "close", None)
        if close is not None:
            close()
    return clock() - begin
