"""Hostile requests: whatever the console's API is asked, it answers in its form, and never fails."""

from __future__ import annotations

import http.client
import json
import random
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.collector.console_client import ConsoleClient
from tests.collector.shop import shop_trace, trace_id
from tests.collector.test_api_fuzz import HOSTILE_TEXTS, SECONDS_FOR_A_REPLY
from xtrace.collector import running
from xtrace.collector.api.shapes import Boolean, Integer, Many, Number
from xtrace.collector.api.v1.asked import Listed
from xtrace.collector.api.v1.endpoints import ENDPOINTS

KNOWN_ERRORS = {
    "InvalidRequestException",
    "ResourceNotFoundException",
    "UnknownOperationException",
}
GOOD = {
    "range": ["PT15M", "P1D", "all", "0~9999999999", "2026-01-01T00:00:00Z~2027-01-01T00:00:00Z"],
    "filter": ["", "ok", "fault", 'service("shop") { fault }', "rootcause.fault.service", "!ok"],
    "group": ["Default"],
    "run": ["a"],
    "a": [trace_id(1), "fault", "ok"],
    "b": [trace_id(2), "ok"],
    "by": ["url", "service", "annotation.number", "status"],
    "text": ['service("', "annotation.", trace_id(1)],
    "node": ["shop"],
    "source": ["shop"],
    "target": ["prices"],
    "id": [trace_id(1)],
    "annotations": ["number", "a,b,,c"],
    "redact": ["sql", "sql,user", "metadata,client_ip"],
    "period": ["60", "300"],
}


@pytest.fixture(scope="module")
def client():
    with running() as collector:
        made = ConsoleClient(collector)
        made.send("POST", "/runs", {"name": "a"})
        for number in range(10):
            made.put(*shop_trace(number, fault=number % 3 == 0))
        made.connection = http.client.HTTPConnection(
            *collector.http_endpoint, timeout=SECONDS_FOR_A_REPLY
        )
        yield made
        made.connection.close()


def texts(name, shape):
    """What may stand in a parameter: mostly what fits."""
    if name in GOOD:
        fits = st.sampled_from(GOOD[name])
    elif isinstance(shape, Integer):
        fits = st.integers(shape.least or 0, min(shape.most or 1000, 1000)).map(str)
    elif isinstance(shape, Number):
        fits = st.floats(0, 1).map(str)
    elif isinstance(shape, Boolean):
        fits = st.sampled_from(["true", "false", "1", "0"])
    elif getattr(shape, "choices", ()):
        fits = st.sampled_from(shape.choices)
    elif isinstance(shape, Many | Listed):
        fits = st.just("x")
    else:
        fits = st.text(max_size=20)
    return fits | fits | st.sampled_from(HOSTILE_TEXTS) | st.text(max_size=30)


def requests_to(endpoint):
    parameters = st.fixed_dictionaries(
        {}, optional={name: texts(name, shape) for name, shape in endpoint.parameters.items()}
    )
    words = st.sampled_from([trace_id(1), "a", "%00", "..", *HOSTILE_TEXTS]) | st.text(min_size=1)
    names = st.fixed_dictionaries(
        dict.fromkeys(("trace_id", "entity_id", "error_id", "name"), words)
    )
    return st.tuples(names, parameters)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda each: f"{each.method} {each.path}")
def test_no_request_makes_an_endpoint_fail(client, endpoint, caplog):
    connection = client.connection

    @settings(
        max_examples=min(50, 15 + 5 * len(endpoint.parameters)),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    @given(requests_to(endpoint), st.binary(max_size=40) | st.sampled_from(BODIES))
    def fuzz(asked, body):
        names, parameters = asked
        path = "/api/v1" + endpoint.path.format(
            **{name: quote(text, safe="", errors="replace") for name, text in names.items()}
        )
        query = urlencode(parameters, quote_via=quote, errors="replace")
        connection.request(endpoint.method, f"{path}?{query}", body if endpoint.body else None)
        reply = connection.getresponse()
        content = reply.read()
        assert reply.status in (200, 400, 404, 405), (path, query, content)
        if reply.status == 200:
            if reply.headers["content-type"] == "application/json":
                json.loads(content, parse_constant=lambda constant: pytest.fail(constant))
            return
        said = json.loads(content)
        assert said["__type"] in KNOWN_ERRORS
        assert 0 < len(said["message"]) < 2000
        assert "Traceback" not in said["message"]
        if reply.status == 400 and not endpoint.body:
            assert said["parameter"] in endpoint.parameters

    fuzz()
    assert not caplog.records


BODIES = [
    b"",
    b"{}",
    b"[]",
    b"null",
    b'{"name": "a"}',
    b'{"name": 5}',
    b'{"pinned": true}',
    b'{"pinned": "x"}',
    b'{"version": 1, "traces": [{"Segments": [{"Document": "{}"}, 5, {"Document": {"id": 1}}]}, 7]}',
    b'{"Traces": [null, {"Segments": null}]}',
    b'{"resourceSpans": [{"scopeSpans": [{"spans": [{}]}]}]}',
    b"[" * 2000 + b"]" * 2000,
    b"<html>",
    b"\x1f\x8b\x08\x00",
    b'{"trace_id": "\\ud800", "id": "a", "name": "x", "start_time": 1}',
]


def test_random_bytes_in_a_path_are_answered(client):
    chance = random.Random(5)
    for _ in range(200):
        path = "/api/v1/" + "".join(chance.choice("az%/.~?&=#\\;:@!") for _ in range(12))
        client.connection.request("GET", path.replace("#", "%23"))
        reply = client.connection.getresponse()
        reply.read()
        assert reply.status in (200, 400, 404, 405), path
