"""The table of operations against the API's model, as botocore has it."""

from __future__ import annotations

import botocore.session
import pytest

from xtrace.collector.api.operations import OPERATIONS
from xtrace.collector.api.shapes import Boolean, Integer, Many, Members, Number, Pairs, Text, Time

MODEL = botocore.session.get_session().get_service_model("xray")


def ours(shape):
    """A shape of our table in the form that both sides are compared in."""
    if isinstance(shape, Text):
        limits = {"min": shape.least, "max": shape.most, "pattern": shape.pattern}
        return ("string", limits, list(shape.choices))
    if isinstance(shape, Integer):
        return ("integer", {"min": shape.least, "max": shape.most})
    if isinstance(shape, Number):
        return ("double", {"min": shape.least, "max": shape.most})
    if isinstance(shape, Boolean):
        return "boolean"
    if isinstance(shape, Time):
        return "timestamp"
    if isinstance(shape, Many):
        return ("list", {"min": shape.least, "max": shape.most}, ours(shape.item))
    if isinstance(shape, Pairs):
        return ("map", {"max": shape.most}, ours(shape.key), ours(shape.value))
    assert isinstance(shape, Members)
    members = {name: ours(member) for name, member in shape.members.items()}
    return ("structure", sorted(shape.required), members)


def theirs(shape):
    """A shape of the model in the same form."""
    told = shape.metadata if shape is not None else {}
    if shape is None:
        return ("structure", [], {})
    if shape.type_name == "string":
        limits = {"min": told.get("min", 0), "max": told.get("max"), "pattern": told.get("pattern")}
        return ("string", limits, list(shape.enum))
    if shape.type_name in ("integer", "double"):
        return (shape.type_name, {"min": told.get("min"), "max": told.get("max")})
    if shape.type_name == "list":
        limits = {"min": told.get("min", 0), "max": told.get("max")}
        return ("list", limits, theirs(shape.member))
    if shape.type_name == "map":
        return ("map", {"max": told.get("max")}, theirs(shape.key), theirs(shape.value))
    if shape.type_name == "structure":
        members = {name: theirs(member) for name, member in shape.members.items()}
        return ("structure", sorted(shape.required_members), members)
    return shape.type_name


def test_every_operation_is_there():
    assert sorted(OPERATIONS) == sorted(MODEL.operation_names)
    assert len(OPERATIONS) == 38


@pytest.mark.parametrize("name", MODEL.operation_names)
def test_paths_and_requests_are_the_models(name):
    model = MODEL.operation_model(name)
    assert model.http == {"method": "POST", "requestUri": OPERATIONS[name].path}
    assert ours(OPERATIONS[name].input) == theirs(model.input_shape)
