"""The AWS CLI, as a user has it, asks a running collector."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.collector.shop import client_of, put, shop_trace, trace_id
from tests.helpers import now
from xtrace.collector import running

AWS = Path(sys.executable).with_name("aws")


@pytest.fixture(scope="module")
def collector():
    with running() as collector:
        client = client_of(collector)
        for number in range(120):
            put(client, shop_trace(number, fault=number % 10 == 3))
        client.close()
        collector.flush()
        yield collector


@pytest.fixture
def aws(collector, tmp_path):
    """Runs a command of `aws xray`; gives what it prints, parsed."""

    def aws(*words, fails=False):
        done = subprocess.run(
            [AWS, "xray", *words, "--endpoint-url", collector.url, "--output", "json"],
            capture_output=True,
            text=True,
            timeout=60,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "AWS_DEFAULT_REGION": "eu-west-1",
                "AWS_ACCESS_KEY_ID": "any",
                "AWS_SECRET_ACCESS_KEY": "any",
                "AWS_EC2_METADATA_DISABLED": "true",
                "AWS_MAX_ATTEMPTS": "1",
            },
        )
        assert (done.returncode != 0) == fails, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else done.stderr

    return aws


def around():
    return ("--start-time", str(now() - 60), "--end-time", str(now() + 60))


def test_get_trace_summaries(aws):
    found = aws("get-trace-summaries", *around())
    assert len(found["TraceSummaries"]) == 120
    found = aws("get-trace-summaries", *around(), "--filter-expression", "fault")
    assert {each["Id"] for each in found["TraceSummaries"]} == {
        trace_id(number) for number in range(3, 120, 10)
    }
    iso = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now() + 60))
    window = ("--start-time", "2020-01-01T00:00:00Z", "--end-time", iso)
    few = aws("get-trace-summaries", *window, "--max-items", "7")
    assert len(few["TraceSummaries"]) == 7
    more = aws("get-trace-summaries", *window, "--starting-token", few["NextToken"])
    assert len(more["TraceSummaries"]) == 113


def test_an_expression_that_cant_be_read(aws):
    said = aws("get-trace-summaries", *around(), "--filter-expression", "faul", fails=True)
    assert "(InvalidRequestException)" in said
    assert "line 1, column 1" in said


def test_batch_get_traces(aws):
    found = aws("batch-get-traces", "--trace-ids", trace_id(1), trace_id(2), "1-none")
    assert [trace["Id"] for trace in found["Traces"]] == [trace_id(1), trace_id(2)]
    assert found["UnprocessedTraceIds"] == ["1-none"]
    documents = [json.loads(s["Document"]) for s in found["Traces"][0]["Segments"]]
    assert {each["name"] for each in documents} >= {"shop", "prices"}


def test_put_trace_segments_and_get_service_graph(aws):
    document = json.loads(shop_trace(500)[0])
    aws("put-trace-segments", "--trace-segment-documents", json.dumps({**document, "name": "cli"}))
    graph = aws("get-service-graph", *around())
    assert {service["Name"] for service in graph["Services"]} >= {"shop", "prices", "carts"}
    assert graph["ContainsOldGroupVersions"] is False


RULE = {
    "RuleName": "checkout",
    "Priority": 10,
    "FixedRate": 0.5,
    "ReservoirSize": 20,
    "ServiceName": "*",
    "ServiceType": "*",
    "Host": "*",
    "HTTPMethod": "*",
    "URLPath": "/checkout",
    "ResourceARN": "*",
    "Version": 1,
}


def test_create_sampling_rule(aws):
    made = aws("create-sampling-rule", "--sampling-rule", json.dumps(RULE))
    assert made["SamplingRuleRecord"]["SamplingRule"]["FixedRate"] == 0.5
    update = {"RuleName": RULE["RuleName"], "FixedRate": 0.25}
    aws("update-sampling-rule", "--sampling-rule-update", json.dumps(update))
    rules = aws("get-sampling-rules")["SamplingRuleRecords"]
    assert [each["SamplingRule"]["FixedRate"] for each in rules] == [0.25, 0.05]
    said = aws("create-sampling-rule", "--sampling-rule", json.dumps(RULE), fails=True)
    assert "there is a rule 'checkout' already" in said
    aws("delete-sampling-rule", "--rule-name", RULE["RuleName"])


DOCS = Path(__file__).parents[2] / "docs" / "collector.md"


def commands():
    """The commands of the page that ask a collector, in their order."""
    blocks = re.findall(r"^```console\n(.*?)^```$", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    found = [command for block in blocks for command in re.split(r"^\$ ", block, flags=re.M)[1:]]
    return [command for command in found if command.startswith(("aws", "curl", "export"))]


@pytest.mark.skipif(not shutil.which("curl"), reason="curl isn't installed")
def test_the_commands_of_the_page_work(tmp_path):
    listed = commands()
    assert len(listed) == 8
    # What curl prints stands below its command.
    listed = [command.split("\n{")[0].strip() for command in listed]
    with running() as collector:
        script = "\n".join(["set -e", *listed]).replace("http://127.0.0.1:2000", collector.url)
        done = subprocess.run(
            ["bash", "-c", script],
            capture_output=True,
            text=True,
            timeout=120,
            env={"PATH": f"{AWS.parent}:{os.environ['PATH']}", "HOME": str(tmp_path)},
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert '{"UnprocessedTraceSegments":[]}' in done.stdout
        assert '"Id":"1-5759e988-bd862e3fe1be46a994272793"' in done.stdout
        assert '"RuleName":"checkout"' in done.stdout
        assert '"received":1,"stored":1,' in done.stdout
