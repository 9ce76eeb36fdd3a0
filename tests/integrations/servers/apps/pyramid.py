"""Pyramid, by the WSGI middleware."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # WebOb imports cgi
    from pyramid.config import Configurator
    from pyramid.events import ContextFound
    from pyramid.response import Response

import xtrace
from tests.integrations.servers.contract import GATE, wsgi_serving
from xtrace.integrations.wsgi import XRayMiddleware

LIBRARY = None
ENTRIES = "xtrace.integrations._wsgi"
TEMPLATE = r"/items/{item:\d+}"

serving = wsgi_serving
trace = XRayMiddleware


def plain(request):
    return Response("plain")


def item(request):
    with xtrace.in_subsegment("work"):
        return Response(f"item {request.matchdict['item']}")


def echo(request):
    return Response(f"{request.matchdict['text']} {request.headers.get('X-Text')}")


def fails(request):
    raise ValueError("boom")


def busy(request):
    return Response("later", status=429)


def unchanged(request):
    return Response(status=304)


def stream(request):
    def parts():
        for number in range(3):
            with xtrace.in_subsegment(f"part {number}"):
                yield b"%d" % number

    return Response(app_iter=parts())


def gate(request):
    name = request.matchdict["name"]

    def parts():
        yield b"here"
        GATE.arrive(name)
        GATE.wait()
        with xtrace.in_subsegment(name):
            yield b"there"

    return Response(app_iter=parts())


def add_route(event):
    """Pyramid keeps the route to itself: a subscriber records it."""
    if event.request.matched_route is not None:
        route = event.request.matched_route.pattern
        xtrace.current_segment().put_annotation("http_route", route)


def application():
    with Configurator() as config:
        config.add_subscriber(add_route, ContextFound)
        for view, pattern in (
            (plain, "/plain"),
            (item, TEMPLATE),
            (echo, "/echo/{text}"),
            (fails, "/fails"),
            (busy, "/busy"),
            (unchanged, "/unchanged"),
            (stream, "/stream"),
            (gate, "/gate/{name}"),
        ):
            config.add_route(view.__name__, pattern)
            config.add_view(view, route_name=view.__name__)
        return config.make_wsgi_app()
