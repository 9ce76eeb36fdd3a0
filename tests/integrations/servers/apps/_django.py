"""What the projects on Django have in common: the settings and the views."""

from __future__ import annotations

import logging

from django.conf import settings

from tests.marks import SECRET

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES={
            "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "set by the test"},
        },
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
        LOGGING_CONFIG=None,
        ROOT_URLCONF=__name__,
        SECRET_KEY=SECRET,
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "OPTIONS": {"loaders": [("django.template.loaders.locmem.Loader", {})]},
            }
        ],
        USE_TZ=True,
    )

import django
from django.http import HttpResponse, HttpResponseNotModified, StreamingHttpResponse
from django.test import override_settings
from django.urls import path

import xtrace
from tests.integrations.servers.apps._asyncio import gated, streamed
from tests.integrations.servers.contract import GATE

django.setup()
logging.getLogger("django.request").setLevel(logging.CRITICAL)

MIDDLEWARE = "xtrace.integrations.django.XRayMiddleware"


def handler(handler_class, *middleware):
    """A new handler with this middleware."""
    with override_settings(MIDDLEWARE=middleware):
        return handler_class()


def plain(request):
    return HttpResponse("plain")


def item(request, item):
    with xtrace.in_subsegment("work"):
        return HttpResponse(f"item {item}", headers={"Content-Length": len(f"item {item}")})


def echo(request, text):
    return HttpResponse(f"{text} {request.headers.get('X-Text')}")


def busy(request):
    return HttpResponse("later", status=429)


def unchanged(request):
    return HttpResponseNotModified()


def stream(request):
    def parts():
        for number in range(3):
            with xtrace.in_subsegment(f"part {number}"):
                yield f"{number}"

    return StreamingHttpResponse(streamed() if hasattr(request, "scope") else parts())


def gate(request, name):
    def parts():
        yield "here"
        GATE.arrive(name)
        GATE.wait()
        with xtrace.in_subsegment(name):
            yield "there"

    return StreamingHttpResponse(gated(name) if hasattr(request, "scope") else parts())


urlpatterns = [
    path("plain", plain),
    path("items/<int:item>", item),
    path("echo/<str:text>", echo),
    path("busy", busy),
    path("unchanged", unchanged),
    path("stream", stream),
    path("gate/<str:name>", gate),
]
