"""A function written against aws_xray_sdk, under the public runtime client."""

from __future__ import annotations

import itertools
import sys

import pytest

from tests.helpers import entities_in, parents_in
from tests.lambda_.runtime import Invocation, run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the runtime client is for Linux")

HOWS = ("plain", "error", "leak", "async", "pool", "generator")


def header_of(number, sampled):
    trace = f"1-5759e988-{number:024x}"
    return f"Root={trace};Parent={number + 1:016x};Sampled={sampled};Lineage=1:fe460cdd:0"


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The invocations of one process: each kind, sampled, unsampled, sampled; some after a freeze."""
    invocations = [
        Invocation(
            {"number": number, "how": how},
            header_of(number, sampled),
            freeze=number % 5 == 4,
        )
        for number, (sampled, how) in enumerate(itertools.product((1, 0, 1), HOWS))
    ]
    sandbox, documents, log = run(
        "tests.compat.functions.handler", invocations, tmp_path_factory.mktemp("function")
    )
    assert sandbox.init_error is None, sandbox.init_error
    return invocations, documents, log


def recorded(invocations):
    return [each for each in invocations if "Sampled=1" in each.header]


def test_each_invocation_is_sent_under_the_functions_segment(ran):
    invocations, documents, log = ran
    parents = parents_in(documents)
    for invocation in recorded(invocations):
        number, how = invocation.event["number"], invocation.event["how"]
        trace = f"1-5759e988-{number:024x}"
        own = [
            each
            for document in documents
            if document["trace_id"] == trace
            for each in entities_in([document])
        ]
        names = sorted(each["name"] for each in own)
        steps = {"async": ["later"], "generator": ["steps"]}.get(how, [])
        calls = [":memory:", "work"] * (2 if how == "generator" else 1)
        if how == "leak":  # what was ended instead of it is the leaked one, as there
            assert names == sorted(["leaked", *calls])
            continue
        assert names == sorted(["handler", *steps, *calls]), (how, log)
        handler = next(each for each in own if each["name"] == "handler")
        assert parents[handler["id"]] == f"{number + 1:016x}"
        assert ("fault" in handler) == (how == "error")
        works = [each for each in own if each["name"] == "work"]
        assert {each["annotations"]["number"] for each in works} == {number}
        if how in ("plain", "pool"):
            assert parents[works[0]["id"]] == handler["id"]


def test_nothing_else_is_sent(ran):
    invocations, documents, _ = ran
    traces = {f"1-5759e988-{each.event['number']:024x}" for each in recorded(invocations)}
    assert {document["trace_id"] for document in documents} == traces


def test_calls_carry_the_trace_of_their_invocation(ran):
    invocations, documents, _ = ran
    ids = {each["id"] for each in entities_in(documents) if each["name"] == "work"}
    for invocation in invocations:
        how, number = invocation.event["how"], invocation.event["number"]
        if how == "error":
            assert invocation.error["errorMessage"] == f"number {number}"
            continue
        fields = dict(part.split("=", 1) for part in invocation.answer["header"].split(";"))
        assert fields["Root"] == f"1-5759e988-{number:024x}"
        assert fields["Lineage"] == "1:fe460cdd:0"
        if "Sampled=1" in invocation.header:
            assert fields["Sampled"] == "1"
            assert fields["Parent"] in ids
        else:
            assert fields["Sampled"] == "0"
