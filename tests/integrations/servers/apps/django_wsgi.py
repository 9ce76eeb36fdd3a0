"""Django on the standard library's WSGI server."""

from __future__ import annotations

from tests.integrations.servers.apps._django import MIDDLEWARE, handler, path
from tests.integrations.servers.apps._django import urlpatterns as common
from tests.integrations.servers.contract import wsgi_serving

from django.core.handlers.wsgi import WSGIHandler, WSGIRequest  # isort: skip

LIBRARY = "django"
ENTRIES = "xtrace.integrations.django._requests"
TEMPLATE = "/items/<int:item>"

serving = wsgi_serving


class Request(WSGIRequest):
    urlconf = __name__


class Handler(WSGIHandler):
    request_class = Request


def application():
    return handler(Handler)


def trace(app):
    return handler(Handler, MIDDLEWARE)


def fails(request):
    raise ValueError("boom")


urlpatterns = [*common, path("fails", fails)]
