"""Django on uvicorn."""

from __future__ import annotations

from tests.integrations.servers.apps._django import MIDDLEWARE, handler, path
from tests.integrations.servers.apps._django import urlpatterns as common
from tests.integrations.servers.contract import uvicorn_serving

from django.core.handlers.asgi import ASGIHandler, ASGIRequest  # isort: skip

LIBRARY = "django"
ENTRIES = "xtrace.integrations.django._requests"
TEMPLATE = "/items/<int:item>"


class Request(ASGIRequest):
    urlconf = __name__


class Handler(ASGIHandler):
    request_class = Request


def serving(app):
    return uvicorn_serving(app, lifespan="off")


def application():
    return handler(Handler)


def trace(app):
    return handler(Handler, MIDDLEWARE)


async def fails(request):
    raise ValueError("boom")


urlpatterns = [*common, path("fails", fails)]
