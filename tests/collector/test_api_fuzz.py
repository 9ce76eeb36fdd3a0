"""Hostile requests: whatever an operation is sent, it answers in the model's form, and never fails."""

from __future__ import annotations

import http.client
import json
import random
import select
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xtrace.collector import running
from xtrace.collector.api.operations import OPERATIONS
from xtrace.collector.api.shapes import Boolean, Integer, Many, Members, Number, Pairs, Text, Time

SECONDS_FOR_A_REPLY = 60.0  # long, for a machine that has much else to do

KNOWN_ERRORS = {
    "InvalidRequestException",
    "ResourceNotFoundException",
    "RuleLimitExceededException",
    "TooManyTagsException",
    "MalformedPolicyDocumentException",
    "PolicySizeLimitExceededException",
    "PolicyCountLimitExceededException",
    "InvalidPolicyRevisionIdException",
}
HOSTILE_TEXTS = (
    "",
    "\x00",
    "a" * 5000,
    "'; drop table traces; --",
    "%s%n{}{0}",
    "\u202e\ufeff\U0001f600",
    "../../etc/passwd",
    "<script>alert(1)</script>",
    'service("a") { fault } AND group.name = "Default"',
    "!" * 300 + "fault",
    "((((((((((",
    'annotation[",',
    "1-5759e988-bd862e3fe1be46a994272793",
    "Default",
    "arn:aws:xray:us-east-1:000000000000:group/Default",
    "{}",
    "[]",
    "null",
    "-1e999",
    "9999-12-31T23:59:59Z",
)
HOSTILE_NUMBERS = (
    *(0, -1, 1, 60, 2**31 - 1, 2**31, 2**63, 2**64, -(2**63), 10**30),
    *(0.5, -0.5, 1e-300, 1e300, 253_402_300_799, 4e12, time.time()),
)
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.sampled_from(HOSTILE_NUMBERS)
    | st.sampled_from(HOSTILE_TEXTS)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(HOSTILE_TEXTS), inner)
    ),
    max_leaves=8,
)


def fitting(shape):
    """Values that a shape accepts, at its limits and within."""
    if isinstance(shape, Text):
        if shape.choices:
            return st.sampled_from(shape.choices)
        if shape.pattern:
            return st.from_regex(shape.pattern, fullmatch=True).filter(lambda t: len(t) < 129)
        longest = 40 if shape.most is None else shape.most
        fits = [text for text in HOSTILE_TEXTS if shape.least <= len(text) <= longest]
        return st.text(min_size=shape.least, max_size=min(longest, 60)) | st.sampled_from(
            [*fits, "x" * longest]
        )
    if isinstance(shape, Integer):
        return st.integers(shape.least or 0, 2**31 - 1 if shape.most is None else shape.most)
    if isinstance(shape, Number):
        return st.floats(shape.least or 0, 1e9 if shape.most is None else shape.most)
    if isinstance(shape, Boolean):
        return st.booleans()
    if isinstance(shape, Time):
        return st.floats(0, 253_402_300_799) | st.sampled_from([0, "2026-01-01T00:00:00Z"])
    if isinstance(shape, Many):
        return st.lists(fitting(shape.item), min_size=shape.least, max_size=3)
    if isinstance(shape, Pairs):
        return st.dictionaries(fitting(shape.key), fitting(shape.value), max_size=3)
    assert isinstance(shape, Members)
    return st.fixed_dictionaries(
        {name: fitting(shape.members[name]) for name in sorted(shape.required)},
        optional={
            name: fitting(member)
            for name, member in shape.members.items()
            if name not in shape.required
        },
    )


def spoilt(value, chance):
    """The value with something in it replaced, removed or added."""
    hostile = [*HOSTILE_TEXTS, *HOSTILE_NUMBERS, None, True, [], {}, [[]], [{}] * 30, ["x"] * 300]
    if isinstance(value, dict) and value and chance.random() < 0.8:
        key = chance.choice(sorted(value))
        kept = {name: held for name, held in value.items() if name != key}
        return kept if chance.random() < 0.15 else {**kept, key: spoilt(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.7:
        place = chance.randrange(len(value))
        return [*value[:place], spoilt(value[place], chance), *value[place + 1 :]]
    return chance.choice(hostile)


@pytest.fixture(scope="module")
def collector():
    with running() as collector:
        now = time.time()
        for number in range(20):
            document = {
                "trace_id": f"1-5759e988-{number:024x}",
                "id": f"{number:016x}",
                "name": "shop",
                "start_time": now - 5,
                "end_time": now,
            }
            collector.service.ingest.take([json.dumps(document).encode()])
        collector.flush()
        yield collector


class Client:
    """Sends requests on one connection, as long as it is open."""

    def __init__(self, endpoint):
        self._connection = http.client.HTTPConnection(*endpoint, timeout=SECONDS_FOR_A_REPLY)

    def post(self, path, body):
        """The status, the headers, and the body, which must be JSON in the strict sense."""
        if self._connection.sock is not None and _has_ended(self._connection.sock):
            self._connection.close()  # it was idle for too long; the next request opens another
        try:
            self._connection.request("POST", path, body)
            reply = self._connection.getresponse()
            content = reply.read()
        except BaseException:
            self.close()  # nothing else can be asked on it
            raise
        return reply.status, reply.headers, json.loads(content, parse_constant=_no_json)

    def close(self):
        self._connection.close()


def _has_ended(connection):
    """Whether the server has closed it; between two requests there is nothing to read."""
    return bool(select.select([connection], [], [], 0)[0])


def _no_json(constant):
    pytest.fail(f"{constant} is no JSON")


@pytest.fixture(scope="module")
def client(collector):
    client = Client(collector.http_endpoint)
    yield client
    client.close()


def check(client, operation, content):
    """Send content; the reply must be a success or one of the model's errors."""
    status, headers, said = client.post(operation.path, json.dumps(content))
    if status == 200:
        return
    assert status in (400, 404), (operation.name, content, status, said)
    assert headers["x-amzn-ErrorType"] == said["__type"]
    assert said["__type"] in KNOWN_ERRORS
    assert 0 < len(said["message"]) < 1000
    assert "Traceback" not in said["message"]


def examples_of(shape):
    """How many to try: the more, the more there is in a request."""
    return min(60, 15 + 5 * members_of(shape))


def members_of(shape):
    """How many values a request can hold, each list and map with one item."""
    if isinstance(shape, Members):
        return sum(map(members_of, shape.members.values()))
    if isinstance(shape, Many):
        return 1 + members_of(shape.item)
    return 1


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=lambda operation: operation.name)
def test_no_request_makes_an_operation_fail(client, operation, caplog):
    @settings(
        max_examples=examples_of(operation.input),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    @given(
        fitting(operation.input),
        st.randoms(use_true_random=False),
        ANYTHING
        | st.fixed_dictionaries({}, optional=dict.fromkeys(operation.input.members, ANYTHING)),
    )
    def fuzz(good, chance, anything):
        check(client, operation, good)
        check(client, operation, spoilt(good, chance))
        check(client, operation, anything)

    fuzz()
    assert not caplog.records


def test_every_required_member_is_named_when_it_is_missing(client):
    for operation in OPERATIONS.values():
        for name in operation.input.required:
            content = dict.fromkeys(operation.input.members, None)
            message = client.post(operation.path, json.dumps(content))[2]["message"]
            assert "is missing." in message
            assert message.partition(" ")[0] in operation.input.required, name


def test_random_bytes_are_refused(client):
    chance = random.Random(7)
    for operation in OPERATIONS.values():
        body = chance.randbytes(chance.randrange(1, 500))
        status, _, said = client.post(operation.path, body)
        assert (status, said["__type"]) == (400, "InvalidRequestException")
