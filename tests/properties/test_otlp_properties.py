"""X-Ray -> OTLP -> X-Ray is the same again, in both encodings; and nothing raises on the way."""

from __future__ import annotations

import json

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.collector.strategies import NOON, TRACE_ID, odd_documents, traces
from xtrace.collector import otlp
from xtrace.header import traceparent
from xtrace.otlp import encoding
from xtrace.otlp.mapping import nanoseconds, service_of, span_id, spans_of, trace_id

ENCODINGS = (encoding.JSON, encoding.PROTOBUF)
PLACE = ("trace_id", "parent_id", "type")

ids = st.integers(1, 2**64 - 1).map("{:016x}".format)
words = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12)
plain = st.text("abcXYZ 019_.:/%&#=+-@", min_size=1, max_size=30).map(str.strip).filter(bool)
numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)


def some(**members):
    """A dict with some of these members, none of them empty."""
    return st.fixed_dictionaries({}, optional=members).filter(bool)


stacks = st.lists(
    some(path=words | plain, line=st.integers(-1, 10**6), label=words | plain), max_size=3
)
exceptions = st.fixed_dictionaries(
    {"id": ids},
    optional={
        "type": plain | words,
        "message": plain | words | st.just("During handling of the above exception occurred:\nx"),
        "stack": stacks,
        "truncated": st.integers(0, 9),
        "skipped": st.integers(0, 9),
        "remote": st.booleans(),
        "cause": ids,
    },
)
causes = ids | st.fixed_dictionaries(
    {"exceptions": st.lists(exceptions, max_size=3)},
    optional={"working_directory": words, "paths": st.lists(words, max_size=2)},
)
https = some(
    request=some(
        method=st.sampled_from(["GET", "POST"]),
        url=st.sampled_from(["http://h/a", "https://h:8443/a?b=1", "/only", "http://[", "x" * 250]),
        user_agent=words,
        client_ip=st.sampled_from(["1.2.3.4", "::1"]),
        x_forwarded_for=st.booleans(),
    ),
    response=some(status=st.integers(100, 599), content_length=st.integers(-1, 10**12)),
)
sqls = some(
    url=st.sampled_from(["postgresql://h:5432/db", "sqlite:/x", "jdbc:mysql://h/d?a=b", "x"]),
    connection_string=words,
    sanitized_query=words,
    database_type=st.sampled_from(["PostgreSQL", "mysql", "Oracle", "Foo", "sqlite"]),
    database_version=words,
    driver_version=words,
    user=words,
    preparation=st.sampled_from(["call", "statement"]),
)
awses = some(
    operation=plain,
    region=plain,
    request_id=plain,
    account_id=plain,
    queue_url=plain,
    table_name=plain,
    table_names=st.lists(plain, min_size=1, max_size=3),
    retries=st.integers(0, 9),
    bucket_name=plain,
    key=plain,
    id_2=plain,
    resource_names=st.lists(plain, max_size=2),
)
platforms = some(
    account_id=plain,
    xray=some(
        sdk=st.sampled_from(["xtrace for Python", "X-Ray for Java", "X-Ray for Node.js", "odd"]),
        sdk_version=plain,
        sampling_rule_name=plain,
        auto_instrumentation=st.booleans(),
    ),
    ec2=some(instance_id=plain, availability_zone=plain, instance_size=plain, instance_type=plain),
    ecs=some(
        container=plain,
        container_id=plain,
        task_arn=plain,
        availability_zone=plain,
        launch_type=st.sampled_from(["EC2", "fargate", "x"]),
    ),
    eks=some(cluster_name=plain, pod=plain, container_id=plain),
    elastic_beanstalk=some(
        environment_name=plain, version_label=plain, deployment_id=st.integers(0, 10**6)
    ),
    cloudwatch_logs=st.lists(
        st.fixed_dictionaries({"log_group": plain}, optional={"arn": plain}), max_size=2
    ),
)
annotations = st.dictionaries(
    st.text("abZ_9", min_size=1, max_size=9) | st.sampled_from(["http_route", "aws.x", "db.name"]),
    words | numbers | st.booleans(),
    max_size=4,
)
metadatas = st.dictionaries(
    st.sampled_from(["default", "debug", "ünder"]) | words,
    st.dictionaries(words, values, max_size=3),
    max_size=3,
)
common = {
    "http": https,
    "aws": awses,
    "sql": sqls,
    "error": st.just(True),
    "fault": st.just(True),
    "throttle": st.just(True),
    "cause": causes,
    "annotations": annotations,
    "metadata": metadatas,
    "resource_arn": words,
    "precursor_ids": st.lists(ids, max_size=2),
    "of_the_future": values.filter(lambda held: held is not None),
}
links = st.lists(
    st.fixed_dictionaries(
        {"trace_id": st.just(TRACE_ID) | words, "id": ids},
        optional={"attributes": st.dictionaries(words, words, max_size=2)},
    ),
    max_size=2,
)
origins = st.sampled_from(
    [
        *("AWS::EC2::Instance", "AWS::ECS::Container", "AWS::ECS::Fargate", "AWS::EKS::Container"),
        *("AWS::ElasticBeanstalk::Environment", "AWS::Lambda::Function", "Other"),
    ]
)


@st.composite
def entities(draw, levels, **optional):
    times = sorted(draw(st.tuples(*[st.floats(NOON, NOON + 1000)] * 2)))
    entity = draw(
        st.fixed_dictionaries(
            {"id": ids, "name": plain, "start_time": st.just(times[0])},
            optional={**common, **optional},
        )
    )
    if draw(st.integers(0, 9)):
        entity["end_time"] = times[1]
    else:
        entity["in_progress"] = True
    below = draw(
        st.lists(
            entities(levels - 1, namespace=st.sampled_from(["aws", "remote", "local"])),
            max_size=2 if levels else 0,
        )
    )
    if below:
        entity["subsegments"] = below
    return entity


segment_documents = entities(
    2,
    user=words,
    service=some(version=plain, runtime=plain, runtime_version=plain, compiler=plain),
    origin=origins,
    links=links,
    aws=awses | platforms | st.builds(lambda a, b: {**a, **b}, platforms, awses),
    parent_id=ids,
).map(lambda made: {"trace_id": TRACE_ID, **made})
subsegment_documents = st.builds(
    lambda made, parent: {
        "trace_id": TRACE_ID,
        "type": "subsegment",
        **({"parent_id": parent} if parent else {}),
        **made,
    },
    entities(1, namespace=st.sampled_from(["aws", "remote"])),
    st.none() | ids,
)
documents = segment_documents | subsegment_documents


def flat(document):
    """The document and its subsegments, each as a document of its own."""
    made = []
    waiting = [(document, None)]
    for entity, parent in waiting:
        own = {name: held for name, held in entity.items() if name != "subsegments"}
        if parent is not None:
            own |= {
                "trace_id": document["trace_id"],
                "parent_id": parent["id"],
                "type": "subsegment",
            }
        made.append(own)
        waiting.extend((each, entity) for each in entity.get("subsegments", ()))
    return made


def sent(document, by):
    """An OTLP request, and the entities that had no span."""
    service, refused = service_of(document), []
    spans = [by.span(span) for span in spans_of(document, service, NOON + 1000, refused)]
    return by.request([(by.resource(service.attributes), spans)]), refused


def returned(document, by):
    body, refused = sent(document, by)
    assert not refused
    converted = otlp.documents(body, by.content_type, now=NOON)
    assert not converted.rejected
    return [json.loads(data) for data in converted.documents]


@pytest.mark.parametrize("by", ENCODINGS, ids=["json", "protobuf"])
@given(document=documents)
def test_a_document_comes_back_as_it_was(by, document):
    assert returned(document, by) == flat(document)


@given(traces())
def test_the_documents_of_traces_come_back_as_they_were(made):
    for document in made:
        assert returned(document, encoding.PROTOBUF) == flat(document)


@given(documents)
def test_both_encodings_say_the_same_to_who_knows_the_published_definitions(document):
    as_json, _ = sent(document, encoding.JSON)
    as_protobuf, _ = sent(document, encoding.PROTOBUF)
    decoded = ExportTraceServiceRequest.FromString(as_protobuf)
    held = json.loads(as_json)
    hexadecimal(held)
    assert json_format.ParseDict(held, ExportTraceServiceRequest()) == decoded


def hexadecimal(held):
    """OTLP/JSON writes ids in hex, where protobuf's JSON has base64."""
    import base64

    for group in held["resourceSpans"]:
        for span in group["scopeSpans"][0]["spans"]:
            for owner in (span, *span.get("links", ())):
                for name in ("traceId", "spanId", "parentSpanId"):
                    if name in owner:
                        owner[name] = base64.b64encode(bytes.fromhex(owner[name])).decode()


@given(documents)
def test_a_second_journey_changes_nothing(document):
    def spans(of):
        return [list(spans_of(each, service_of(each), NOON + 1000, [])) for each in of]

    once = returned(document, encoding.JSON)
    again = [each for document in once for each in returned(document, encoding.JSON)]
    assert spans(again) == spans(once)


@pytest.mark.parametrize("by", ENCODINGS, ids=["json", "protobuf"])
@given(document=odd_documents())
def test_whatever_a_document_holds_becomes_spans_or_is_refused(by, document):
    document = json.loads(json.dumps(document))
    body, refused = sent(document, by)
    converted = otlp.documents(body, by.content_type, now=NOON)
    assert all(each.reason for each in (*refused, *converted.rejected))
    if by is encoding.PROTOBUF:
        request = ExportTraceServiceRequest.FromString(body)
        spans = request.resource_spans[0].scope_spans[0].spans
        assert len(spans) + len(refused) >= 1


@given(st.floats(0, 2**33))
def test_times_survive_as_nanoseconds(seconds):
    again = nanoseconds(seconds) / 10**9
    assert abs(again - seconds) <= 1e-9
    assert again == seconds or seconds < 2**23  # below (1970), doubles are finer


@given(ids, ids, st.integers(1, 2**96 - 1))
def test_ids_are_those_of_w3c(segment, other, bits):
    root = f"1-{segment[:8]}-{bits:024x}"
    _, trace, parent, _ = traceparent(root, other, True).split("-")
    assert (trace_id(root), span_id(other)) == (trace, parent)
    assert f"1-{trace[:8]}-{trace[8:]}" == root


@pytest.mark.parametrize(
    "id",
    [None, 7, "", "1-2-3", "1-" + "0" * 8 + "-" + "0" * 24, "1-xxxxxxxx-" + "1" * 24, "x" * 35],
)
def test_what_is_no_trace_id(id):
    assert trace_id(id) is None


@given(st.binary(max_size=30))
def test_a_reply_is_read_or_is_none(body):
    try:
        assert encoding.rejected_spans(body) >= 0
    except IndexError:
        pass
