"""Functions under the public runtime client: many invocations in one process."""

from __future__ import annotations

import os
import random
import subprocess
import sys

import pytest

from tests.helpers import entities_in, parents_in
from tests.lambda_.runtime import ROOT, Invocation, run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the runtime client is for Linux")
pytest.importorskip("awslambdaric")

INVOCATIONS = 1000
HOWS = ("plain", "plain", "plain", "error", "leak", "async", "thread", "segment")
LINEAGE = ";Lineage=1:fe460cdd:0"
NEARLY, TIMEOUT = "0000000000000001", "0000000000000002"
FAR_BEYOND = 3 << 20


def headers_in_any_order(seed):
    """Trace headers as invocations may have them, each after any other."""
    chance = random.Random(seed)
    root = parent = ""
    while True:
        kind = chance.choice(
            ["new", "new", "retry", "decision", "parent gone", "passed on", "none"]
        )
        if kind == "new" or not root:
            root = f"1-{chance.getrandbits(32):08x}-{chance.getrandbits(96):024x}"
        if kind in ("new", "retry") or not parent:
            parent = f"{chance.getrandbits(64):016x}"
        lineage = chance.choice(["", LINEAGE])
        if kind == "none":
            yield None
        elif kind == "passed on":
            yield f"Root={root}{lineage}"
        elif kind == "parent gone":
            yield f"Root={root};Sampled=1{lineage}"
        else:
            yield f"Root={root};Parent={parent};Sampled={chance.choice('110')}{lineage}"


def is_recorded(invocation):
    header = invocation.header or ""
    return "Parent=" in header and "Sampled=1" in header


class Found:
    """What was sent, by id, and by the number that the innermost entity of an invocation bears."""

    def __init__(self, documents):
        self.parents = parents_in(documents)
        self.traces = {e["id"]: d["trace_id"] for d in documents for e in entities_in([d])}
        self.entities = {e["id"]: e for e in entities_in(documents)}
        self.marked = {}
        for entity in self.entities.values():
            if "annotations" in entity:
                number = entity["annotations"]["number"]
                assert number not in self.marked
                self.marked[number] = entity["id"]

    def of(self, invocation):
        """The entities of an invocation from the innermost to the outermost, after a look at where
        they stand."""
        fields = dict(field.split("=", 1) for field in invocation.header.split(";"))
        chain = [self.marked[invocation.event["number"]]]
        while self.parents[chain[-1]] in self.entities:
            chain.append(self.parents[chain[-1]])
        assert self.parents[chain[-1]] == fields["Parent"]
        assert {self.traces[id] for id in chain} == {fields["Root"]}
        return [self.entities[id] for id in chain]


def names_of(chain):
    return [entity["name"] for entity in chain]


def test_a_thousand_invocations_in_one_process(tmp_path):
    chance = random.Random(7)
    headers = headers_in_any_order(11)
    invocations = []
    for number in range(INVOCATIONS):
        header = next(headers)
        # The runtime gives each invocation an id of its own in Parent.
        while invocations and header is not None and header == invocations[-1].header:
            header = next(headers)
        event = {"number": number, "how": chance.choice(HOWS)}
        invocations.append(Invocation(event, header, freeze=number % 20 == 7))
    sampled = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent={};Sampled=1"
    nearly = Invocation({"number": 9001, "how": "nearly"}, sampled.format(NEARLY), seconds=0.7)
    last = Invocation({"number": 9002, "how": "timeout"}, sampled.format(TIMEOUT), seconds=0.7)

    _, documents, log = run(
        "tests.lambda_.functions.handler", [*invocations, nearly, last], tmp_path
    )

    assert (tmp_path / "aws-xray" / "initialized").exists()
    assert not any(each["name"] == "init" for each in documents)
    shown = [d for d in documents if d.get("in_progress")]
    whole = [d for d in documents if not d.get("in_progress")]
    found = Found([*whole, *(d for d in shown if d["name"] == "leaked")])
    leaks = 0
    for before, invocation in zip([None, *invocations], invocations, strict=False):
        how = invocation.event["how"]
        if how == "error":
            assert invocation.error["errorType"] == "ValueError"
        else:
            forwarded = invocation.answer["headers"].get("X-Amzn-Trace-Id")
        if not is_recorded(invocation):
            if how != "error":
                assert forwarded == invocation.header
            continue
        chain = found.of(invocation)
        expected = {
            "leak": ["work", "leaked", "handler"],
            "async": ["work", "work_later", "handler"],
        }.get(how, ["work", "handler"])
        assert names_of(chain) == expected
        leaks += how == "leak"
        if how == "error":
            assert chain[-1]["fault"] is True
            assert chain[-1]["cause"]["exceptions"][0]["message"].startswith("number ")
        else:
            root = invocation.header.split(";")[0]
            lineage = LINEAGE if LINEAGE in invocation.header else ""
            assert forwarded == f"{root};Parent={chain[0]['id']};Sampled=1{lineage}"
            had_leak = how == "leak" or (before is not None and before.event["how"] == "leak")
            assert had_leak or invocation.answer["open"] == 1  # the handler itself
    recorded = {i.event["number"] for i in invocations if is_recorded(i)}
    assert set(found.marked) == {*recorded, 9001, 9002}
    assert len([d for d in shown if d["name"] == "leaked"]) == leaks > 10

    # The one that made it in the last moment: first in progress, then as it ended.
    assert nearly.answer is not None
    chain = found.of(nearly)
    assert names_of(chain) == ["work", "handler"]
    assert [d["id"] for d in shown if d["parent_id"] == NEARLY] == [chain[-1]["id"]]
    # The one whose sandbox was killed.
    assert last.timed_out
    left = [d for d in documents if d["parent_id"] == TIMEOUT]
    assert [d["name"] for d in left] == ["handler"] and left[0]["in_progress"]
    below = [d for d in documents if d["parent_id"] == left[0]["id"]]
    assert sorted(d["name"] for d in below) == ["stuck", "work"]
    assert any("in handler" in line for line in left[0]["metadata"]["lambda"]["timeout"]["at"])

    # Memory is flat, and one thread watches.
    answered = [i.answer for i in invocations if i.answer is not None]
    tenth = len(answered) // 10
    first, final = (
        sum(each["resident"] for each in part) / tenth
        for part in (answered[tenth : 2 * tenth], answered[-tenth:])
    )
    assert final - first < FAR_BEYOND
    assert {each["threads"] for each in answered[tenth:]} == {2}
    # One line a minute about in_segment(), and nothing at init.
    lines = [line for line in log.splitlines() if "on Lambda" in line]
    assert 1 <= len(lines) <= 2
    assert "no segment is open" not in log


def test_the_example_is_traced(tmp_path):
    header = f"Root=1-5759e988-bd862e3fe1be46a994272793;Parent={NEARLY};Sampled=1"
    orders = [Invocation({"items": ["tea", "cake"]}, header), Invocation({"items": ["soup"]})]
    orders.append(Invocation({"items": ["soup"]}, header.replace(NEARLY, TIMEOUT)))
    _, documents, log = run("tests.lambda_.example.handler", orders, tmp_path)
    assert orders[0].answer == {"total": 7.5}
    assert orders[1].error["errorType"] == orders[2].error["errorType"] == "KeyError"
    assert [document["parent_id"] for document in documents] == [NEARLY, TIMEOUT]
    fine, failed = documents
    assert fine["annotations"] == {"items": 2}
    assert fine["subsegments"][0]["subsegments"][0]["metadata"] == {"default": {"percent": 20}}
    assert failed["fault"] and failed["subsegments"][0]["fault"]
    assert "no segment" not in log and "on Lambda" not in log


def test_the_example_runs_without_lambda():
    environment = {k: v for k, v in os.environ.items() if k != "LAMBDA_TASK_ROOT"}
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "lambda_handler.py"],
        capture_output=True,
        text=True,
        env={**environment, "PYTHONPATH": str(ROOT)},
        check=True,
        timeout=60,
    )
    assert "{'total': 7.5}" in done.stdout
    assert "handler" in done.stderr
