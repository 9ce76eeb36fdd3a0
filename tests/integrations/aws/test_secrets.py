"""Of every operation of the services in the allow-list nothing is recorded that isn't in it."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

import xtrace
from tests.marks import SECRET
from xtrace.integrations._aws_parameters import PARAMETERS

SERVICES = {
    "runtime.sagemaker": "sagemaker-runtime",
    "states": "stepfunctions",
}
_READER = re.compile(r"(?:(\w+)\()?(\w+)\)?(?:=\w+)?").fullmatch


def items(text):
    """(how it is read, name) of each entry."""
    return [_READER(entry).groups() for entry in text.split()]


def model(service):
    import botocore.session

    return botocore.session.get_session().get_service_model(SERVICES.get(service, service))


@pytest.mark.parametrize("service", PARAMETERS)
def test_the_list_names_what_the_service_has(service):
    found = model(service)
    assert found.endpoint_prefix == service
    every = {
        name
        for operation in found.operation_names
        for name in getattr(found.operation_model(operation).input_shape, "members", ())
    }
    for operation, (request, response) in PARAMETERS[service].items():
        if operation == "*":
            assert {name for _, name in items(request)} <= every
            continue
        described = found.operation_model(operation)
        takes, gives = described.input_shape, described.output_shape
        common = {name for _, name in items(PARAMETERS[service].get("*", ("", ""))[0])}
        asked = {name for _, name in items(request)}
        assert asked - common <= set(getattr(takes, "members", ()))
        assert {name for _, name in items(response)} <= set(getattr(gives, "members", ()))


def marked(shape, depth=0):
    """A value of a shape with the secret in all texts, also in the keys of maps."""
    if shape.type_name == "structure":
        if depth > 4:
            return {}
        return {name: marked(each, depth + 1) for name, each in shape.members.items()}
    if shape.type_name == "list":
        return [marked(shape.member, depth + 1)]
    if shape.type_name == "map":
        return {SECRET: marked(shape.value, depth + 1)}
    if shape.type_name == "blob":
        return SECRET.encode()
    if shape.type_name == "boolean":
        return True
    if shape.type_name in ("integer", "long", "float", "double"):
        return 17
    return shape.enum[0] if getattr(shape, "enum", None) else SECRET  # a word of the service's


def filled(shape, listed):
    """Parameters: harmless where the list names them, the secret everywhere else."""
    values = {}
    readers = {name: reader for reader, name in listed}
    for name, member in getattr(shape, "members", {}).items():
        value = marked(member)
        if name in readers and readers[name] is None:
            value = harmless(value)
        elif readers.get(name) == "keys":
            value = {"harmless": value.popitem()[1]}
        elif readers.get(name) == "tables":
            value = [{"Put": {"TableName": "t", "Item": {"id": {"S": SECRET}}}}]
        elif name == "ItemCollectionMetrics" and SECRET in value:  # of a batch: by table
            value = {"t": value[SECRET]}
        values[name] = value
    return values


def harmless(value):
    if isinstance(value, dict):
        return {harmless(key): harmless(each) for key, each in value.items()}
    if isinstance(value, list):
        return [harmless(each) for each in value]
    return value.replace(SECRET, "ok") if isinstance(value, str) else value


@pytest.mark.parametrize("service", PARAMETERS)
def test_nothing_else_is_recorded(boto, traces, service):
    client = boto(SERVICES.get(service, service), "http://127.0.0.1:9", parameter_validation=False)
    found = model(service)
    answer = {}

    def answered(**_):
        return SimpleNamespace(status_code=200, headers={}), answer["parsed"]

    client.meta.events.register_first("before-call", answered)
    listed = PARAMETERS[service]
    made = 0
    for operation in found.operation_names:
        described = found.operation_model(operation)
        request, response = listed.get(operation) or listed.get("*", ("", ""))
        answer["parsed"] = {
            **filled(described.output_shape, items(response)),
            "ResponseMetadata": {"RequestId": "r", "HTTPStatusCode": 200, "RetryAttempts": 0},
        }
        parameters = filled(described.input_shape, items(request))
        with xtrace.in_segment():
            try:
                client._make_api_call(operation, parameters)
                made += 1
            except Exception:  # what botocore itself can't send: the flags and the cause are there
                pass
    leaks = [(c["aws"], c.get("cause")) for c in traces.subsegments if SECRET in str(c)]
    assert leaks == []
    assert SECRET not in str(traces.documents)
    assert len(traces.subsegments) == len(found.operation_names)
    assert made > len(found.operation_names) * 0.5
