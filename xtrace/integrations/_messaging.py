"""Messages to queues, buses and state machines carry the trace, where AWS has a place for it.

SQS: the message system attribute AWSTraceHeader, which counts neither as an attribute nor by its
size; ReceiveMessage is asked for it. EventBridge: TraceHeader of an entry. Step Functions:
traceHeader of an execution. SNS, Kinesis and the others take the HTTP header, like all calls.
What the application has put there itself stays, and what it has given is copied, never changed.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

SQS_ATTRIBUTE = "AWSTraceHeader"

# As the API references say: the lengths of PutEvents' TraceHeader and StartExecution's traceHeader.
MAX_EVENT_HEADER_CHARS = 500
MAX_EXECUTION_HEADER_CHARS = 256


def _send_message(client: Any, params: Any, carried: str | None) -> Any:
    if carried is None or not _is_service(client, "sqs"):
        return params
    return _with_attribute(params, carried)


def _send_message_batch(client: Any, params: Any, carried: str | None) -> Any:
    if carried is None or not _is_service(client, "sqs") or "Entries" not in params:
        return params
    entries = [_with_attribute(entry, carried) for entry in params["Entries"]]
    return {**params, "Entries": entries}


def _with_attribute(message: Any, carried: str) -> Any:
    own = message.get("MessageSystemAttributes") or {}
    if SQS_ATTRIBUTE in own:
        return message
    attribute = {"DataType": "String", "StringValue": _short(carried, MAX_EVENT_HEADER_CHARS)}
    return {**message, "MessageSystemAttributes": {**own, SQS_ATTRIBUTE: attribute}}


def _receive_message(client: Any, params: Any, carried: str | None) -> Any:
    if not _is_service(client, "sqs"):
        return params
    # The newer parameter, unless the application uses the older one or botocore has no other.
    name = "MessageSystemAttributeNames"
    if name not in params and ("AttributeNames" in params or not _takes(client, name)):
        name = "AttributeNames"
    asked = list(params.get(name) or ())
    if "All" in asked or SQS_ATTRIBUTE in asked:
        return params
    return {**params, name: [*asked, SQS_ATTRIBUTE]}


def _put_events(client: Any, params: Any, carried: str | None) -> Any:
    if carried is None or not _is_service(client, "events") or "Entries" not in params:
        return params
    carried = _short(carried, MAX_EVENT_HEADER_CHARS)
    entries = [
        entry if "TraceHeader" in entry else {**entry, "TraceHeader": carried}
        for entry in params["Entries"]
    ]
    return {**params, "Entries": entries}


def _start_execution(client: Any, params: Any, carried: str | None) -> Any:
    if carried is None or not _is_service(client, "states") or "traceHeader" in params:
        return params
    return {**params, "traceHeader": _short(carried, MAX_EXECUTION_HEADER_CHARS)}


def _is_service(client: Any, name: str) -> bool:
    found: str = client._service_model.endpoint_prefix
    return found == name


def _takes(client: Any, parameter: str) -> bool:
    return parameter in client._service_model.operation_model("ReceiveMessage").input_shape.members


def _short(carried: str, most: int) -> str:
    """A trace header of at most so many characters: whole fields from the front."""
    while len(carried) > most and ";" in carried:
        carried = carried.rpartition(";")[0]
    return carried


CARRIERS: dict[str, Callable[[Any, Any, str | None], Any]] = {
    "PutEvents": _put_events,
    "ReceiveMessage": _receive_message,
    "SendMessage": _send_message,
    "SendMessageBatch": _send_message_batch,
    "StartExecution": _start_execution,
    "StartSyncExecution": _start_execution,
}
"""By operation, what gives the parameters with the trace in them: other services have operations of
the same name, so each looks at the client."""
