"""The decorator of handlers, and its guard against the function's timeout."""

from __future__ import annotations

import threading

import pytest

from tests.helpers import eventually
from tests.lambda_.conftest import PARENT, SAMPLED
from xtrace.emitters.memory import MemoryEmitter
from xtrace.environment import handler as handlers


class Invocation:
    """What a handler is called with beside the event."""

    def __init__(self, seconds=3.0):
        self.seconds = seconds

    def get_remaining_time_in_millis(self):
        return int(self.seconds * 1000)


def test_a_handler_is_a_subsegment(recorder, sent):
    @recorder.lambda_handler
    def handler(event, context):
        """Says hello."""
        recorder.put_annotation("items", event["items"])
        return {"statusCode": 200}

    assert handler({"items": 3}, Invocation()) == {"statusCode": 200}
    assert handler(event={"items": 4}, context=Invocation()) == {"statusCode": 200}
    assert (handler.__name__, handler.__doc__) == ("handler", "Says hello.")
    assert [document["annotations"] for document in sent.documents] == [{"items": 3}, {"items": 4}]
    assert {document["parent_id"] for document in sent.documents} == {PARENT}


def test_an_error_is_recorded_and_raised(recorder, sent):
    @recorder.lambda_handler(name="## handler")
    def handler(event, context):
        raise KeyError("gone")

    with pytest.raises(KeyError):
        handler({}, Invocation())
    document = sent.subsegment("## handler")
    assert document["fault"] is True
    assert document["cause"]["exceptions"][0]["type"] == "KeyError"


def test_methods_and_handlers_without_a_context_are_called_as_they_are(recorder, sent):
    class App:
        @recorder.lambda_handler
        def handler(self, event, context=None):
            return event

    assert App().handler(1) == 1
    assert App().handler(2, Invocation()) == 2
    assert len(sent.documents) == 2


def test_nothing_is_recorded_where_nothing_is_to_be(recorder, sent, invoke, caplog):
    invoke(None)
    handler = recorder.lambda_handler(lambda event, context: event)
    assert handler(5, Invocation()) == 5
    assert sent.documents == []
    assert caplog.records == []


@pytest.mark.parametrize("wrong", [7, None, "handler"])
def test_what_is_no_function_is_refused(recorder, wrong):
    with pytest.raises(TypeError, match="plain function"):
        recorder.lambda_handler(name="x")(wrong)


def test_coroutine_functions_are_refused_with_what_to_write(recorder):
    async def handler(event, context):
        pass

    with pytest.raises(TypeError, match="asyncio.run"):
        recorder.lambda_handler(handler)


def test_before_its_time_is_over_what_is_open_is_sent(recorder, sent):
    @recorder.lambda_handler(reserve_seconds=0.5)
    def handler(event, context):
        with recorder.in_subsegment("done"):
            pass
        with recorder.in_subsegment("stuck"):
            eventually(lambda: len(sent.documents) >= 3)

    handler({}, Invocation(0.51))
    shown = {document["name"]: document for document in sent.documents[:3]}
    assert shown["handler"]["in_progress"] and shown["stuck"]["in_progress"]
    assert shown["handler"]["parent_id"] == PARENT
    assert shown["stuck"]["parent_id"] == shown["done"]["parent_id"] == shown["handler"]["id"]
    at = shown["handler"]["metadata"]["lambda"]["timeout"]["at"]
    assert any("in handler" in line for line in at)
    # It made it in the end: the same entities, complete.
    last = sent.documents[-1]
    assert last["id"] == shown["handler"]["id"] and "end_time" in last
    assert last["subsegments"][0]["id"] == shown["stuck"]["id"]


def test_an_invocation_in_time_leaves_nothing_behind(recorder, sent):
    handler = recorder.lambda_handler(lambda event, context: None, name="quick")
    for _ in range(20):
        handler({}, Invocation(0.3))
    assert handlers._watch._guard is None
    watching = [t for t in threading.enumerate() if t.name == "xtrace-lambda"]
    assert len(watching) == 1
    assert len(sent.documents) == 20
    assert not any("in_progress" in document for document in sent.documents)


def test_a_shorter_time_than_that_of_the_invocation_before(recorder, sent):
    handler = recorder.lambda_handler(lambda event, context: event())
    handler(lambda: None, Invocation(60.0))
    handler(lambda: eventually(lambda: sent.documents[1:]), Invocation(0.05))
    assert sent.documents[1]["in_progress"] is True


def test_the_outer_of_two_wrapped_handlers_has_the_guard(recorder, sent):
    inner = recorder.lambda_handler(lambda event, context: event(), name="inner")
    outer = recorder.lambda_handler(inner, name="outer")
    outer(lambda: eventually(lambda: len(sent.documents) == 2), Invocation(0.05))
    assert sent.documents[0]["name"] == "outer"
    assert "metadata" in sent.documents[0]


def test_emitters_that_send_later_are_waited_for(recorder):
    flushed = []

    class Late(MemoryEmitter):
        def flush(self, timeout_seconds):
            flushed.append(timeout_seconds)

    recorder.configure(emitter=Late("memory:"))
    recorder.lambda_handler(lambda event, context: None)({}, Invocation())
    assert flushed


def test_a_wrapper_in_the_style_of_powertools(recorder, sent, invoke):
    """What its Tracer does around a handler: a subsegment, annotations, the response."""
    is_cold_start = True

    def capture_lambda_handler(handler):
        def decorate(event, context):
            nonlocal is_cold_start
            with recorder.in_subsegment(name=f"## {handler.__name__}") as subsegment:
                subsegment.put_annotation(key="ColdStart", value=is_cold_start)
                is_cold_start = False
                response = handler(event, context)
                subsegment.put_metadata(key="response", value=response, namespace="shop")
                return response

        return decorate

    @capture_lambda_handler
    @recorder.lambda_handler
    def handler(event, context):
        return "done"

    handler({}, Invocation())
    invoke(SAMPLED.replace(PARENT, "0000000000000001"))
    handler({}, Invocation())
    assert [document["annotations"] for document in sent.documents] == [
        {"ColdStart": True},
        {"ColdStart": False},
    ]
    assert sent.documents[1]["parent_id"] == "0000000000000001"
    assert sent.documents[1]["subsegments"][0]["name"] == "handler"
