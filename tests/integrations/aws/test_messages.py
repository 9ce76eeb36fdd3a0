"""Producers, queues and consumers: what a message carries, and whose trace the work on it is."""

from __future__ import annotations

import asyncio
import json
from uuid import uuid4

import pytest

import xtrace
from tests.integrations.aws.conftest import settings
from tests.marks import SECRET
from xtrace import header

ROOT = "1-5759e988-bd862e3fe1be46a99427279"
OWN = {"DataType": "String", "StringValue": f"Root={ROOT}0;Parent=53995c3f42cd8ad8;Sampled=1"}


def message(number, parent=None, sampled="1", root=0):
    """A message of a producer."""
    parent = parent or f"{number + 1:016x}"
    text = f"Root={ROOT}{root};Parent={parent};Sampled={sampled}"
    return {"MessageId": f"m-{number}", "Body": "b", "Attributes": {"AWSTraceHeader": text}}


@pytest.fixture
def queue(api, moto):
    """A client and the URL of a queue, in moto."""
    client = api.client("sqs", moto)
    return client, api.call(client, "create_queue", QueueName=f"q-{uuid4()}")["QueueUrl"]


def receive(api, queue, **parameters):
    client, url = queue
    answer = api.call(client, "receive_message", QueueUrl=url, MaxNumberOfMessages=10, **parameters)
    return answer.get("Messages", [])


def carried(message):
    return header.parse(message.get("Attributes", {}).get("AWSTraceHeader"))


def test_a_message_carries_its_sending_to_whoever_receives_it(api, queue, traces):
    client, url = queue
    with xtrace.in_segment() as segment:
        api.call(client, "send_message", QueueUrl=url, MessageBody=SECRET)
    (got,) = receive(api, queue)
    (sending,) = traces.subsegments
    assert str(carried(got)) == f"Root={segment.trace_id};Parent={sending['id']};Sampled=1"
    assert sending["aws"]["queue_url"] == url
    assert sending["aws"]["message_id"] == got["MessageId"]


def test_each_message_of_a_batch_carries_it_but_one_with_its_own(api, stub, traces):
    # moto loses the attributes of a batch.
    done = [{"Id": "a", "MessageId": "1"}, {"Id": "b", "MessageId": "2"}]
    stub.answers = [(200, {"Successful": done, "Failed": []})]
    url = f"{stub.url}/123456789012/q"
    entries = [
        {"Id": "a", "MessageBody": "1"},
        {"Id": "b", "MessageBody": "2", "MessageSystemAttributes": {"AWSTraceHeader": OWN}},
    ]
    with xtrace.in_segment():
        client = api.client("sqs", stub.url)
        api.call(client, "send_message_batch", QueueUrl=url, Entries=entries)
    first, second = json.loads(stub.seen[0][3])["Entries"]
    (sending,) = traces.subsegments
    sent = first["MessageSystemAttributes"]["AWSTraceHeader"]
    assert header.parse(sent["StringValue"]).parent == sending["id"]
    assert sent["DataType"] == "String"
    assert second["MessageSystemAttributes"] == {"AWSTraceHeader": OWN}
    assert sending["aws"]["message_count"] == sending["aws"]["successful_count"] == 2
    assert sending["aws"]["failed_count"] == 0
    assert entries[0].keys() == {"Id", "MessageBody"}


def test_the_applications_own_header_stays(api, queue, traces):
    client, url = queue
    own = {"AWSTraceHeader": OWN}
    with xtrace.in_segment():
        api.call(client, "send_message", QueueUrl=url, MessageBody="1", MessageSystemAttributes=own)
    (got,) = receive(api, queue)
    assert str(carried(got)) == OWN["StringValue"]


def test_unsampled_producers_tell_so(api, queue, traces):
    client, url = queue
    with xtrace.in_segment(trace_id=f"{ROOT}0", sampling=False):
        api.call(client, "send_message", QueueUrl=url, MessageBody="1")
    (got,) = receive(api, queue)
    assert str(carried(got)) == f"Root={ROOT}0;Sampled=0"


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({}, {"MessageSystemAttributeNames": ["AWSTraceHeader"]}),
        ({"AttributeNames": ["All"]}, {"AttributeNames": ["All"]}),
        (
            {"AttributeNames": ["SentTimestamp"]},
            {"AttributeNames": ["SentTimestamp", "AWSTraceHeader"]},
        ),
        (
            {"MessageSystemAttributeNames": ["AWSTraceHeader"]},
            {"MessageSystemAttributeNames": ["AWSTraceHeader"]},
        ),
        (
            {"MessageSystemAttributeNames": ["SenderId"]},
            {"MessageSystemAttributeNames": ["SenderId", "AWSTraceHeader"]},
        ),
    ],
)
def test_receiving_asks_for_the_header_once(api, stub, given, asked):
    client = api.client("sqs", stub.url)
    api.call(client, "receive_message", QueueUrl=f"{stub.url}/123456789012/q", **given)
    ((_, _, _, body),) = stub.seen
    sent = json.loads(body)
    names = {"AttributeNames", "MessageSystemAttributeNames"}
    assert {key: value for key, value in sent.items() if key in names} == asked


def test_events_and_executions_carry_the_call(api, stub, traces):
    entries = [{"Source": "s", "Detail": "{}"}, {"Source": "s", "TraceHeader": "own"}]
    arn = "arn:aws:states:eu-west-1:123456789012:stateMachine:m"
    with xtrace.in_segment():
        api.call(api.client("events", stub.url), "put_events", Entries=entries)
        client = api.client("stepfunctions", stub.url)
        api.call(client, "start_execution", stateMachineArn=arn, input=f'"{SECRET}"')
        api.call(client, "start_execution", stateMachineArn=arn, traceHeader="own")
    events, execution, own = (json.loads(body) for *_, body in stub.seen)
    ids = [call["id"] for call in traces.subsegments]
    assert header.parse(events["Entries"][0]["TraceHeader"]).parent == ids[0]
    assert events["Entries"][1]["TraceHeader"] == "own"
    assert header.parse(execution["traceHeader"]).parent == ids[1]
    assert own["traceHeader"] == "own"
    assert traces.subsegments[1]["aws"]["account_id"] == "123456789012"
    assert "TraceHeader" not in entries[0]


def test_a_long_header_is_cut_to_what_an_execution_takes(api, stub, traces):
    lineage = header.parse(f"Root={ROOT}0;Parent=53995c3f42cd8ad8;Sampled=1;Lineage={'a' * 300}")
    with xtrace.in_segment(header=lineage):
        client = api.client("stepfunctions", stub.url)
        api.call(client, "start_execution", stateMachineArn="arn:m")
    ((_, _, headers, body),) = stub.seen
    assert "Lineage" in headers["X-Amzn-Trace-Id"]
    carried = json.loads(body)["traceHeader"]
    assert carried == headers["X-Amzn-Trace-Id"].partition(";Lineage")[0]


def test_operations_of_the_same_name_elsewhere_are_left_alone(api, stub, traces):
    client = api.client("pinpoint", stub.url)
    with xtrace.in_segment():
        request = {"BatchItem": {}}
        api.call(client, "put_events", ApplicationId="a", EventsRequest=request)
    assert b"TraceHeader" not in stub.seen[0][3]


# -- the consumer ------------------------------------------------------------------------------


def test_each_message_goes_on_with_its_producers_trace(traces):
    received = {"Messages": [message(0, root=1), message(1, root=2)]}
    for got in xtrace.messages(received):
        xtrace.put_annotation("message", got["MessageId"])
    found = [
        (each["trace_id"], each["parent_id"], each["annotations"]["message"], each["name"])
        for each in traces.segments
    ]
    assert found == [
        (f"{ROOT}1", f"{1:016x}", "m-0", "shop"),
        (f"{ROOT}2", f"{2:016x}", "m-1", "shop"),
    ]
    assert xtrace.recorder.get_trace_entity() is None


def test_a_loop_left_early_ends_the_work(traces):
    for _ in xtrace.messages([message(0), message(1)]):
        break
    assert len(traces.segments) == 1
    assert xtrace.recorder.get_trace_entity() is None


def test_unsampled_messages_are_not_recorded(traces):
    for _ in xtrace.messages([message(0, sampled="0")]):
        assert not xtrace.is_sampled()
    assert traces.documents == []


def test_a_batch_of_several_producers_is_one_segment_with_links(traces):
    received = {"Messages": [message(0, root=1), message(1, root=2), message(2, root=2)]}
    with xtrace.messages(received, "worker") as batch:
        assert len(batch) == 3
        for _ in batch:
            pass
    (segment,) = traces.segments
    assert segment["name"] == "worker"
    assert not segment["trace_id"].startswith(ROOT)
    assert segment["links"] == [
        {"trace_id": f"{ROOT}1", "id": f"{1:016x}"},
        {"trace_id": f"{ROOT}2", "id": f"{2:016x}"},
        {"trace_id": f"{ROOT}2", "id": f"{3:016x}"},
    ]
    parts = segment["subsegments"]
    assert [each["name"] for each in parts] == ["worker"] * 3
    assert parts[0]["metadata"]["message"]["producer"]["id"] == f"{1:016x}"


def test_a_batch_of_one_trace_goes_on_with_it(traces):
    with xtrace.messages([message(0), message(1)]):
        pass
    (segment,) = traces.segments
    assert (segment["trace_id"], segment["parent_id"]) == (f"{ROOT}0", f"{1:016x}")
    assert segment["links"] == [{"trace_id": f"{ROOT}0", "id": f"{2:016x}"}]


def test_linking_can_be_asked_for(traces):
    for _ in xtrace.messages([message(0)], link=True):
        pass
    (segment,) = traces.segments
    assert segment["trace_id"] != f"{ROOT}0"
    assert segment["links"] == [{"trace_id": f"{ROOT}0", "id": f"{1:016x}"}]


def test_in_an_open_segment_messages_are_its_parts(traces):
    with xtrace.in_segment():
        for _ in xtrace.messages([message(0), message(1, sampled="0")]):
            pass
    (segment,) = traces.segments
    assert segment["links"] == [{"trace_id": f"{ROOT}0", "id": f"{1:016x}"}]
    assert [each["name"] for each in segment["subsegments"]] == ["message", "message"]


def test_an_exception_is_recorded_with_the_message_that_raised_it(traces):
    with pytest.raises(KeyError), xtrace.messages([message(0), message(1)]) as batch:
        for got in batch:
            if got["MessageId"] == "m-1":
                raise KeyError("no")
    (segment,) = traces.segments
    good, bad = segment["subsegments"]
    assert "fault" not in good
    assert bad["fault"] is True
    assert segment["fault"] is True
    assert segment["cause"] == bad["cause"]["exceptions"][0]["id"]


def test_messages_in_a_coroutine(traces):
    async def consume():
        async with xtrace.messages([message(0), message(1, root=1)]) as batch:
            for _ in batch:
                await asyncio.sleep(0)

    asyncio.run(consume())
    assert len(traces.subsegments) == 2


@pytest.mark.parametrize(
    "source",
    [
        None,
        {},
        [],
        {"ResponseMetadata": {}},
        {"Messages": []},
    ],
)
def test_where_nothing_came_nothing_is_done(source, traces):
    assert list(xtrace.messages(source)) == []
    assert traces.documents == []


@pytest.mark.parametrize(
    "odd",
    [
        {"Body": "b"},
        {"Body": "b", "Attributes": {"AWSTraceHeader": "Root=nonsense"}},
        {"Sns": {"Message": "b"}},
        {"kinesis": {"data": "b"}},
        17,
    ],
)
def test_a_message_without_a_trace_begins_one(odd, traces):
    assert list(xtrace.messages([odd])) == [odd]
    (segment,) = traces.segments
    assert "parent_id" not in segment
    assert "links" not in segment


def test_an_event_of_lambdas_and_one_message_alone(traces):
    record = {"messageId": "m", "body": "b", "attributes": message(0)["Attributes"]}
    for source in ({"Records": [record]}, record):
        for _ in xtrace.messages(source):
            pass
    assert [each["parent_id"] for each in traces.segments] == [f"{1:016x}"] * 2


def test_boto3s_own_messages(boto, moto, traces):
    import boto3

    options = settings(moto)
    queue = boto3.resource("sqs", **options).create_queue(QueueName=f"q-{uuid4()}")
    with xtrace.in_segment():
        queue.send_message(MessageBody="b")
    for got in xtrace.messages(queue.receive_messages()):
        got.delete()
    producer, consumer = traces.segments
    assert consumer["trace_id"] == producer["trace_id"]
    assert consumer["parent_id"] == producer["subsegments"][0]["id"]
    queue.meta.client.close()
