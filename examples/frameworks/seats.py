"""Django: knows the seats of each row, and asks the hall service how many a row has.

It prints the port that it listens on, and serves until it is stopped.
"""

import os

import django
import requests
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import JsonResponse
from django.urls import path
from werkzeug.serving import make_server

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    INSTALLED_APPS=["xtrace.integrations.django"],
    MIDDLEWARE=["xtrace.integrations.django.XRayMiddleware"],
    ROOT_URLCONF=__name__,
    XRAY_RECORDER={
        "AWS_XRAY_TRACING_NAME": "seats",
        "SAMPLING": False,
        "PATCH_MODULES": ["requests"],
    },
)


def row(request, name):
    seats = requests.get(f"{os.environ['HALL_URL']}/seats/{name}", timeout=5).json()["seats"]
    return JsonResponse({"row": name, "free": seats - 2})


urlpatterns = [path("rows/<str:name>/", row)]

if __name__ == "__main__":
    django.setup()
    port = int(os.environ.get("PORT", "0"))
    server = make_server("127.0.0.1", port, WSGIHandler(), threaded=True)
    print(server.server_port, flush=True)
    server.serve_forever()
