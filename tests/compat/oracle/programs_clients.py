"""Calls of other services: HTTP, AWS."""

import asyncio
import http.client
import json
from types import SimpleNamespace

from aws_xray_sdk.core import patch
from aws_xray_sdk.core.models.subsegment import Subsegment
from aws_xray_sdk.core.models.trace_header import TraceHeader


def requests_answers(x):
    patch(["requests"])
    import requests

    with x.recorder.in_segment("a"):
        for path in ("/status/200?q=1", "/status/404", "/status/429", "/status/503", "/redirect"):
            x.note(requests.get(x.url + path).status_code)
        requests.request("POST", x.url + "/status/200", data="d")


def requests_header(x):
    patch(["requests"])
    import requests

    with x.recorder.in_segment("a") as segment:
        with x.recorder.in_subsegment("b"):
            seen = TraceHeader.from_header_str(requests.get(x.url).json()["seen"])
    x.note(seen.root == segment.trace_id, seen.sampled)
    x.note(seen.parent == x.emitter.sent[0]["subsegments"][0]["subsegments"][0]["id"])


def requests_failures(x):
    patch(["requests"])
    import requests

    with x.recorder.in_segment("a"):
        x.attempt(requests.get, "http://127.0.0.1:1/")
        x.attempt(requests.get, "nonsense")


def requests_with_a_password(x):
    patch(["requests"])
    import requests

    with x.recorder.in_segment("a"):
        requests.get(x.url.replace("http://", "http://user:secret@") + "/status/200")


def requests_outside_of_a_segment(x):
    patch(["requests"])
    import requests

    x.note(requests.get(x.url).status_code)
    x.recorder.configure(context_missing="RUNTIME_ERROR")
    x.attempt(requests.get, x.url)


def requests_prepared(x):
    patch(["requests"])
    import requests

    with x.recorder.in_segment("a"):
        with requests.Session() as session:
            x.note(session.send(requests.Request("GET", x.url).prepare()).status_code)


def requests_unsampled(x):
    patch(["requests"])
    import requests

    with x.recorder.in_segment("a", sampling=0):
        x.note(requests.get(x.url).json()["seen"])


def httpx_answers(x):
    patch(["httpx"])
    import httpx

    with x.recorder.in_segment("a"):
        with httpx.Client() as client:
            x.note(client.get(x.url + "/status/200?q=1#f").status_code)
            x.note(client.get(x.url + "/status/404").status_code)
            x.note(client.get(x.url + "/redirect", follow_redirects=True).status_code)
        x.note(httpx.get(x.url.replace("http://", "http://u:p@") + "/status/500").status_code)
        x.attempt(httpx.get, "http://127.0.0.1:1/")


def httpx_in_coroutines(x):
    patch(["httpx"])
    import httpx

    async def main():
        async with x.recorder.in_segment_async("a"):
            async with httpx.AsyncClient() as client:
                x.note((await client.get(x.url + "/status/200")).status_code)
                seen = (await client.get(x.url)).json()["seen"]
                x.note("Sampled=1" in seen)

    from aws_xray_sdk.core.async_context import AsyncContext

    loop = asyncio.new_event_loop()
    x.recorder.configure(context=AsyncContext(loop=loop))
    loop.run_until_complete(main())


def aiohttp_client(x):
    import aiohttp
    from aws_xray_sdk.core.async_context import AsyncContext
    from aws_xray_sdk.ext.aiohttp.client import aws_xray_trace_config

    async def main():
        x.recorder.configure(context=AsyncContext(loop=asyncio.get_running_loop()))
        async with x.recorder.in_segment_async("a"):
            for name in (None, "named"):
                async with aiohttp.ClientSession(trace_configs=[aws_xray_trace_config(name)]) as s:
                    for path in ("/status/200?q=1", "/status/404", "/status/500"):
                        async with s.get(x.url + path) as response:
                            x.note(response.status)
                    try:
                        await s.get("http://127.0.0.1:1/")
                    except aiohttp.ClientConnectionError as error:
                        x.note(type(error).__name__)

    asyncio.run(main())


def aiohttp_client_without_a_segment(x):
    import aiohttp
    from aws_xray_sdk.core.async_context import AsyncContext
    from aws_xray_sdk.ext.aiohttp.client import aws_xray_trace_config

    async def main():
        x.recorder.configure(context=AsyncContext(loop=asyncio.get_running_loop()))
        async with aiohttp.ClientSession(trace_configs=[aws_xray_trace_config()]) as session:
            async with session.get(x.url + "/status/200") as response:
                x.note(response.status)

    asyncio.run(main())


def http_client(x):
    patch(["httplib"])
    with x.recorder.in_segment("a"):
        connection = http.client.HTTPConnection(x.url[7:])
        connection.request("GET", "/status/200?q=1", headers={"A": "b"})
        response = connection.getresponse()
        x.note(response.status, len(response.read()) > 5)
        connection.close()


def http_client_ignored(x):
    patch(["httplib"])
    from aws_xray_sdk.ext.httplib import add_ignored, reset_ignored, unpatch

    def call():
        connection = http.client.HTTPConnection(x.url[7:])
        connection.request("GET", "/status/200")
        connection.getresponse().read()
        connection.close()

    with x.recorder.in_segment("a") as segment:
        add_ignored(hostname="127.*")
        call()
        x.note(len(segment.subsegments))
        reset_ignored()
        add_ignored(subclass="http.client.HTTPConnection", urls=["/status/200"])
        call()
        x.note(len(segment.subsegments))
        reset_ignored()
        call()
        x.note(len(segment.subsegments))
        unpatch()
        call()
        x.note(len(segment.subsegments))


def http_client_by_requests(x):
    patch(["httplib"])
    import requests

    with x.recorder.in_segment("a"):
        x.note(requests.get(x.url).status_code)


def _client(x, service, **more):
    import botocore.config
    import botocore.session

    config = botocore.config.Config(retries={"total_max_attempts": 1}, **more)
    return botocore.session.get_session().create_client(
        service, endpoint_url=x.url, config=config, region_name="eu-west-1"
    )


def botocore_answers(x):
    patch(["boto3"])
    from botocore.stub import Stubber

    client = _client(x, "dynamodb")
    metadata = {"RequestId": "R1", "HTTPStatusCode": 200, "HTTPHeaders": {}}
    with x.recorder.in_segment("a"), Stubber(client) as stub:
        stub.add_response(
            "list_tables", {"TableNames": ["tab1", "tab2"], "ResponseMetadata": metadata}
        )
        x.note(client.list_tables(Limit=5)["TableNames"])
        stub.add_response("describe_table", {"ResponseMetadata": metadata})
        client.describe_table(TableName="tab1")
        stub.add_client_error("get_item", "ResourceNotFoundException", "m", 400)
        x.attempt(client.get_item, TableName="tab1", Key={"k": {"S": "v"}})
        stub.add_client_error("get_item", "InternalServerError", "m", 500)
        x.attempt(client.get_item, TableName="tab1", Key={"k": {"S": "v"}})


def botocore_parameters(x):
    patch(["botocore"])
    from botocore.stub import Stubber

    tables = {"tab1": {"Keys": [{"a": {"S": "b"}}]}, "tab2": {"Keys": [{"a": {"S": "b"}}]}}
    with x.recorder.in_segment("a"):
        client = _client(x, "dynamodb")
        with Stubber(client) as stub:
            stub.add_response("batch_get_item", {})
            client.batch_get_item(RequestItems=tables)
        client = _client(x, "s3")
        with Stubber(client) as stub:
            stub.add_response(
                "get_object",
                {"ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {"x-amz-id-2": "I2"}}},
            )
            client.get_object(Bucket="b", Key="k", VersionId="v")
        client = _client(x, "sqs")
        with Stubber(client) as stub:
            stub.add_response("send_message", {"MessageId": "m"})
            client.send_message(
                QueueUrl="http://q",
                MessageBody="b",
                MessageAttributes={"a": {"DataType": "String", "StringValue": "s"}},
            )
            stub.add_response("receive_message", {"Messages": [{"MessageId": "1"}]})
            client.receive_message(QueueUrl="http://q", MaxNumberOfMessages=3)


def botocore_header(x):
    patch(["botocore"])
    with x.recorder.in_segment("a"):
        client = _client(x, "lambda")
        answer = client.invoke(FunctionName="f", Payload=b"{}")
        seen = TraceHeader.from_header_str(json.loads(answer["Payload"].read())["seen"])
    part = x.emitter.sent[0]["subsegments"][0]
    x.note(seen.parent == part["id"], seen.root == part["trace_id"], seen.sampled)


def botocore_unreachable(x):
    patch(["botocore"])
    with x.recorder.in_segment("a"):
        x.url = "http://127.0.0.1:1"
        x.attempt(_client(x, "sqs").list_queues)
        x.attempt(_client(x, "sqs").send_message, QueueUrl=5)


def botocore_of_xray_itself(x):
    patch(["botocore"])
    from botocore.stub import Stubber

    client = _client(x, "xray")
    with x.recorder.in_segment("a"), Stubber(client) as stub:
        stub.add_response("get_sampling_rules", {})
        client.get_sampling_rules()
        stub.add_response("get_groups", {})
        client.get_groups()


def aiobotocore_answers(x):
    patch(["aioboto3"])
    from aiobotocore.session import get_session
    from aws_xray_sdk.core.async_context import AsyncContext

    async def main():
        x.recorder.configure(context=AsyncContext(loop=asyncio.get_running_loop()))
        async with x.recorder.in_segment_async("a"):
            session = get_session()
            async with session.create_client("dynamodb", endpoint_url=x.url) as client:
                x.note((await client.list_tables(Limit=1))["TableNames"])

    asyncio.run(main())


def pynamodb_calls(x):
    patch(["pynamodb"])
    from pynamodb.connection import Connection

    with x.recorder.in_segment("a"):
        x.note(Connection(host=x.url, region="eu-west-1").list_tables(limit=1)["TableNames"])


def whitelist_of_ones_own(x):
    from aws_xray_sdk.ext.boto_utils import _extract_whitelisted_params, whitelist

    whitelist["services"]["mine"] = {
        "operations": {
            "Op": {
                "request_parameters": ["FirstOne"],
                "response_parameters": ["Out"],
                "request_descriptors": {"Many": {"rename_to": "how_many", "get_count": True}},
            }
        }
    }
    found = {}
    _extract_whitelisted_params(
        "mine", "Op", found, [None, {"FirstOne": 1, "Other": 2, "Many": [1, 2]}], {}, {"Out": 3}
    )
    x.note(found)


def meta_processor_by_hand(x):
    from aws_xray_sdk.ext.boto_utils import aws_meta_processor

    with x.recorder.in_segment("a") as segment:
        subsegment = Subsegment("sns", "aws", segment)
        client = SimpleNamespace(meta=SimpleNamespace(region_name="r"))
        aws_meta_processor(
            None,
            client,
            ("Publish", {"TopicArn": "arn"}),
            {},
            {"ResponseMetadata": {"RequestId": "R", "HTTPStatusCode": 200, "HTTPHeaders": {}}},
            None,
            subsegment,
            None,
        )
        x.note(subsegment.aws, subsegment.http)
