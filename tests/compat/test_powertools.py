"""AWS Powertools' Tracer, used as its documentation shows, without the official SDK."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.machinery import PathFinder

import pytest

HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"

HANDLER = """
import asyncio
import json

from aws_lambda_powertools import Tracer
from aws_xray_sdk.core import xray_recorder

sent = []

class Emitter:
    def send_entity(self, entity):
        sent.append(entity.to_dict())

xray_recorder.configure(emitter=Emitter())
tracer = Tracer(service="payment")
tracer.ignore_endpoint(hostname="example.com", urls=["/secret"])

class Collector:
    @tracer.capture_method
    def collect(self, charge_id):
        tracer.put_annotation(key="PaymentId", value=charge_id)
        return f"collected {charge_id}"

    @tracer.capture_method(capture_response=False)
    def secret(self):
        return "not recorded"

@tracer.capture_method
def fails():
    raise ValueError("declined")

@tracer.capture_method
async def in_coroutine(number):
    await asyncio.sleep(0)
    return number

@tracer.capture_method
def generated():
    yield from range(3)

@tracer.capture_lambda_handler
def handler(event, context):
    collector = Collector()
    collector.collect(event["charge_id"])
    collector.secret()
    tracer.put_metadata(key="payment", value={"ok": True})
    list(generated())
    async def main():
        return await asyncio.gather(in_coroutine(1), in_coroutine(2))
    numbers = asyncio.run(main())
    with tracer.provider.in_subsegment("## escape hatch") as subsegment:
        subsegment.put_annotation(key="k", value="v")
    try:
        fails()
    except ValueError:
        pass
    return {"numbers": numbers}

class Context:
    function_name = "f"

result = handler({"charge_id": "c1"}, Context())
print(json.dumps({"result": result, "sent": sent}))
"""


def run(tmp_path, **environment):
    """What the handler gives and sends, on Lambda."""
    program = tmp_path / "app.py"
    program.write_text(HANDLER)
    done = subprocess.run(
        [sys.executable, "-m", "xtrace", "run", "--compat", program],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, **environment},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def done(tmp_path):
    return run(tmp_path, LAMBDA_TASK_ROOT="/var/task", _X_AMZN_TRACE_ID=HEADER)


def test_the_official_sdk_is_not_installed():
    assert PathFinder.find_spec("aws_xray_sdk") is None


def test_handler_and_methods_are_recorded(done):
    assert done["result"] == {"numbers": [1, 2]}
    by_name = {each["name"].rpartition(".")[2]: each for each in done["sent"]}
    handler = by_name["## handler"]
    assert handler["parent_id"] == "53995c3f42cd8ad8"
    assert handler["annotations"]["ColdStart"] is True
    assert handler["annotations"]["Service"] == "payment"
    assert handler["metadata"]["payment"]["handler response"] == done["result"]
    assert handler["metadata"]["payment"]["payment"] == {"ok": True}
    assert by_name["collect"]["annotations"] == {"PaymentId": "c1"}
    assert by_name["collect"]["metadata"]["payment"]
    assert "metadata" not in by_name["secret"]
    assert by_name["## escape hatch"]["annotations"] == {"k": "v"}
    inner = {"collect", "secret", "fails", "in_coroutine", "generated", "## escape hatch"}
    assert {name for name, each in by_name.items() if each["parent_id"] == handler["id"]} == inner


def test_exceptions_are_recorded(done):
    (failed,) = (each for each in done["sent"] if each["name"].endswith("fails"))
    assert failed["fault"] is True
    assert failed["cause"]["exceptions"][0]["message"] == "declined"
    assert "fails error" in json.dumps(failed["metadata"])


def test_coroutines_are_beside_each_other(done):
    parts = [each for each in done["sent"] if each["name"].endswith("in_coroutine")]
    assert len(parts) == 2
    assert len({each["parent_id"] for each in parts}) == 1


def test_disabled_it_records_nothing(tmp_path):
    done = run(tmp_path, POWERTOOLS_TRACE_DISABLED="true")
    assert done == {"result": {"numbers": [1, 2]}, "sent": []}
