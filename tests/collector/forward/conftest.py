"""What the tests of forwarding share: X-Ray as a backend that answers as it is told."""

from __future__ import annotations

import json

import pytest

from tests.delivery.backend import answering, backend
from tests.delivery.signatures import KEY, SECRET
from xtrace.collector.forward import sources
from xtrace.delivery import retry

PROCESSED = answering(200, b'{"UnprocessedTraceSegments": []}')


@pytest.fixture(autouse=True)
def account(monkeypatch, tmp_path):
    """Credentials, and no configuration of whoever runs the tests; what is retried is soon."""
    for name in ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setattr(retry, "FIRST_SECONDS", 0.01)
    monkeypatch.setattr(retry, "LAST_SECONDS", 0.1)
    monkeypatch.setattr(sources, "SECONDS_TO_GATHER", 0.05)


@pytest.fixture
def x_ray(monkeypatch):
    """X-Ray, which takes everything unless it is given other manners."""
    with backend(PROCESSED) as there:
        monkeypatch.setenv("AWS_ENDPOINT_URL_XRAY", f"http://127.0.0.1:{there.port}")
        yield there


def documents(there):
    """The documents that were put, as text."""
    return [
        text
        for request in list(there.requests)
        if request.path == "/TraceSegments"
        for text in request.json()["TraceSegmentDocuments"]
    ]


def ids(there):
    return [json.loads(text)["id"] for text in documents(there)]
