"""Calls of AWS's API, once for botocore, aiobotocore and pynamodb: one call is one subsegment.

However many requests a call takes (its client tries again), they are parts of it, and the layers of
HTTP clients below stay silent. What is recorded of a call is listed in _aws_parameters.

An integration calls begin(), then the library, then returned() or failed(). None of them raises.
"""

from __future__ import annotations

import re

from .. import faults
from ..default import recorder
from ..document import MAX_AWS_CHARS
from ..header import NAME
from ..interruption import let_through
from ._aws_parameters import PARAMETERS
from ._messaging import CARRIERS
from ._outgoing import EVERY_LAYER, Call, trace_headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, MutableMapping
    from typing import Any, TypeAlias

    from ..model import Entity

    # Name of a parameter, key in the block, and what makes the recorded value of the given one.
    Item: TypeAlias = tuple[str, str, Callable[[Any], Any] | None]

AWS = EVERY_LAYER + 1
"""The layer of these calls."""

# Codes of errors by which services refuse more requests (AWS SDKs and Tools Reference Guide,
# "Retry behavior"), and those that some have of their own.
THROTTLING_CODES = frozenset(
    (
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    )
)

OWN_CALLS = frozenset(
    (
        "GetSamplingRules",
        "GetSamplingStatisticSummaries",
        "GetSamplingTargets",
        "PutTelemetryRecords",
        "PutTraceSegments",
    )
)
"""Operations of X-Ray by which tracing itself works."""

_NOT_MODIFIED = 304


# -- from here to there ------------------------------------------------------------------------


def begin(
    client: Any, parent: Entity, operation: Any, params: Any, inner: int = EVERY_LAYER
) -> Call | None:
    """Begin the subsegment of a call, and make it current; None where nothing is recorded.

    params: of the operation. inner: the layers that are silent inside.
    """
    try:
        if not parent.sampled:
            return None
        if parent.__class__ is Call and parent.inner & AWS and parent._stop is None:
            return None
        if parent._stop is not None and recorder._is_over(parent):
            return None
        try:
            service = client._xtrace
        except AttributeError:
            service = _look_at(client)
        plan = service.plans.get(operation)
        if plan is None:
            plan = _plan(service, operation)
        if not plan.is_recorded or (recorder.excluded_urls and _is_excluded(client)):
            return None
        call = Call(service.name, parent, parent.segment, "aws")
        call.layer = AWS
        call.inner = inner
        call.owner = 0
        call.hops = None
        aws = {"operation": operation, "region": service.region}
        call._more = {"aws": aws}
        for name, key, read in plan.request:
            value = params.get(name)
            if value is not None:
                if value.__class__ is str:
                    if len(value) > MAX_AWS_CHARS:
                        call._checked = False  # it is cut when it is sent
                elif value.__class__ is not bool:
                    call._checked = False
                aws[key] = value if read is None else read(value)
        resource = plan.resource
        if resource is not None:
            account = _accounts[params.get(resource)]
            if account is not None:
                aws["account_id"] = account
        call.__enter__()
        return call
    except Exception as error:
        _report("A call isn't recorded", error)
        return None


def with_trace(client: Any, operation: Any, params: Any, entity: Entity | None) -> Any:
    """The parameters of an operation that sends or receives messages, with the trace in them.

    entity: the subsegment of the call, or what is current.
    """
    try:
        prepare = CARRIERS[operation]
        carried = None
        if entity is not None:
            found = trace_headers(client.meta.endpoint_url, entity)
            carried = found.get(NAME)
        return prepare(client, params, carried)
    except Exception as error:
        _report("A message doesn't carry the trace", error)
        return params


def add_header(request: Any) -> None:
    """Add the trace header to a request that isn't signed yet.

    request: a botocore request dict. Signatures don't cover the header, and stay valid with it.
    """
    try:
        entity = recorder._get_current()
        if entity is None:
            return
        headers: MutableMapping[str, str] = request["headers"]
        if entity.__class__ is Call and recorder.trace_header_targets == _EVERYWHERE:
            segment = entity.segment
            if segment.header is None and not recorder.traceparent:
                headers[NAME] = f"Root={segment._trace_id};Parent={entity.id};Sampled=1"
            else:
                recorder.inject(headers, entity)
            return
        headers.update(trace_headers(request["url"], entity))
    except Exception as error:
        _report("A trace header isn't sent", error)


_EVERYWHERE = ("*",)


def is_own_call(client: Any) -> bool:
    """Whether one of OWN_CALLS is to X-Ray indeed."""
    prefix: str = client._service_model.endpoint_prefix
    return prefix == "xray"


# -- and back ----------------------------------------------------------------------------------


def returned(call: Call, response: Any) -> None:
    """End a call with what the service has answered. The body of a stream isn't touched."""
    try:
        more = call._more or call._fields
        aws = more["aws"]
        plan = _services[call.name].plans.get(aws["operation"])
        for name, key, read in plan.response if plan is not None else ():
            value = response.get(name)
            if value is not None:
                if value.__class__ is str:
                    if len(value) > MAX_AWS_CHARS:
                        call._checked = False
                elif value.__class__ is not int:
                    call._checked = False
                aws[key] = value if read is None else read(value)
        metadata = response.get("ResponseMetadata")
        if metadata is not None:
            if "HTTPStatusCode" in metadata:  # botocore's Stubber may answer without
                more["http"] = {"response": {"status": metadata["HTTPStatusCode"]}}
            if "RequestId" in metadata:
                aws["request_id"] = metadata["RequestId"]
            if metadata.get("RetryAttempts"):
                aws["retries"] = metadata["RetryAttempts"]
            if "HostId" in metadata:
                aws["id_2"] = metadata["HostId"]
    except Exception as error:
        _report("An answer isn't recorded", error)
    call.__exit__(None, None, None)


def failed(call: Call, error: BaseException) -> None:
    """End a call that a service has refused, or that has reached none."""
    try:
        answer = _answer(error)
        if answer is None:
            _describe_failure(call, error)
            return
        aws = call.aws
        metadata = answer.get("ResponseMetadata") or {}
        status = metadata.get("HTTPStatusCode")
        code = (answer.get("Error") or {}).get("Code")
        if isinstance(code, str):
            aws["error_code"] = code
        if isinstance(status, int):
            call.http["response"] = {"status": status}
        for key, name in (("request_id", "RequestId"), ("id_2", "HostId")):
            if metadata.get(name):
                aws[key] = metadata[name]
        if metadata.get("RetryAttempts"):
            aws["retries"] = metadata["RetryAttempts"]
        if status == _NOT_MODIFIED:  # what was asked for with a condition
            return
        if code in THROTTLING_CODES or status == 429:
            call.throttle = True
            call.error = True
        elif isinstance(status, int) and status >= 500:
            call.fault = True
        else:
            call.error = True
        call.add_exception(error, remote=True, fault=False)
    except Exception as fault:
        _report("A failure isn't recorded", fault)
    finally:
        call.__exit__(None, None, None)


def _answer(error: BaseException) -> Any:
    """What a service has answered, if it has refused the call: botocore's ClientError has it."""
    for each in (error.__cause__, error):  # pynamodb raises its own error from botocore's
        answer = getattr(each, "response", None)
        if answer.__class__ is dict and "Error" in answer:
            return answer
    return None


def _describe_failure(call: Call, error: BaseException) -> None:
    """Record why a call has reached no service."""
    call._stopped_by(error)
    cause = call.cause
    message = message_without_values(error)
    if message is not None and isinstance(cause, dict):
        for described in cause["exceptions"]:
            described["message"] = message


def message_without_values(error: BaseException) -> str | None:
    """What is recorded as the message of a failure that has reached no service; None for its own.

    What isn't about connections may quote parameters: a client that can't make a request of them
    says so, with the value.
    """
    if not recorder.redact:
        return None
    each: BaseException | None = error
    while each is not None and _tells_no_values(each):
        each = each.__cause__ or each.__context__
    if each is None:
        return None
    return _without_values(str(error)) if type(error).__name__ == _REPORT else _LEFT_OUT


def _tells_no_values(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return True
    kind = type(error)
    library = kind.__module__.partition(".")[0]
    return library in _LIBRARIES and kind.__name__ != _REPORT


_REPORT = "ParamValidationError"
_LEFT_OUT = "(left out, for it may quote parameters)"
_LIBRARIES = frozenset(
    ("aiobotocore", "aiohttp", "botocore", "h11", "httpcore", "httpx", "urllib3")
)


def tried(context: Any) -> None:
    """Note how often a call was tried that has reached no service.

    context: of botocore's request.
    """
    try:
        entity = recorder._get_current()
        attempt = context["retries"]["attempt"]
        if attempt > 1 and entity.__class__ is Call and entity.layer == AWS:
            entity.aws["retries"] = attempt - 1
    except Exception as error:  # an older botocore doesn't count there
        let_through(error)


def _without_values(message: str) -> str:
    """A report on parameters, which quotes their values, with none of them."""
    kept = [line.partition(", value: ")[0] for line in message.splitlines() if _reports(line)]
    return "\n".join(kept)


_reports = re.compile(r"Parameter validation failed|Invalid |Missing |Unknown |More than ").match


# -- what is known of services -----------------------------------------------------------------


class _Plan:
    """What is recorded of an operation.

    request, response: of its parameters and of the answer. resource: the parameter that may tell
    the account it belongs to.
    """

    __slots__ = ("is_recorded", "request", "resource", "response")

    def __init__(self, is_recorded: bool, request: str, response: str) -> None:
        self.is_recorded = is_recorded
        self.request = [_item(text) for text in request.split()]
        self.response = [_item(text) for text in response.split()]
        names = [name for name, _, read in self.request if read is None]
        self.resource = next((name for name in names if _names_resource(name)), None)


_names_resource = re.compile(
    r".*(Arn|ARN)|QueueUrl|TableName|FunctionName|SecretId|KeyId"
).fullmatch


class _Service:
    """What clients of a service have in common. name: of their calls. plans: by operation."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.plans: dict[str, _Plan] = {}


class _Client:
    """What is known of a client."""

    __slots__ = ("name", "plans", "region")

    def __init__(self, service: _Service, region: str | None) -> None:
        self.name = service.name
        self.plans = service.plans
        self.region = region


_services: dict[str, _Service] = {}
_added: dict[tuple[str, str], tuple[str, str]] = {}


def _look_at(client: Any) -> _Client:
    name = client._service_model.endpoint_prefix
    service = _services.setdefault(name, _Service(name))
    known = _Client(service, client.meta.region_name)
    client._xtrace = known
    return known


def _plan(client: _Client, operation: str) -> _Plan:
    listed = PARAMETERS.get(client.name, {})
    request, response = listed.get(operation) or listed.get("*") or ("", "")
    for key in ((client.name, "*"), (client.name, operation)):
        more = _added.get(key, ("", ""))
        request, response = f"{request} {more[0]}", f"{response} {more[1]}"
    is_recorded = not (client.name == "xray" and operation in OWN_CALLS)
    return client.plans.setdefault(operation, _Plan(is_recorded, request, response))


def record_parameters(
    service: str, operation: str, request: Iterable[str] = (), response: Iterable[str] = ()
) -> None:
    """Record more of an operation's calls than xtrace's own list says, from now on.

    service: endpoint prefix, the name of its subsegments: "dynamodb", "sqs", "states".
    operation: as in AWS's reference, "PutItem"; "*" for all of the service.
    request, response: names of parameters, or "name=key", "count(name)=key", "keys(name)=key".
    Raises ValueError for what is neither.
    """
    before = _added.get((service, operation), ("", ""))
    more = []
    for part, given in zip(before, (request, response), strict=True):
        names = [given] if isinstance(given, str) else list(given)
        for name in names:
            _item(name)
        more.append(" ".join([part, *names]))
    _added[service, operation] = (more[0], more[1])
    if service in _services:
        _services[service].plans.clear()


_notation = re.compile(r"(?:(count|keys|sizes|tables)\()?(\w+)(\))?(?:=(\w+))?").fullmatch


def _item(text: str) -> Item:
    found = _notation(text)
    if found is None or (found[1] is None) is not (found[3] is None):
        raise ValueError(
            f"{text!r} is no parameter to record. Write its name, name=key, count(name)=key or "
            "keys(name)=key"
        )
    reader, name, _, key = found.groups()
    return name, key or _snake_case(name), _READERS[reader] if reader else None


def _snake_case(name: str) -> str:
    """ "QueueOwnerAWSAccountId" as "queue_owner_aws_account_id" """
    return _word_begins.sub("_", name).lower()


_word_begins = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def _tables(items: Any) -> list[str]:
    return sorted({part["TableName"] for item in items for part in item.values()})


def _sizes(metrics: Any) -> Any:
    key = "SizeEstimateRangeGB"
    if key in metrics or "ItemCollectionKey" in metrics:
        return {key: metrics.get(key)}
    return {table: [{key: each.get(key)} for each in found] for table, found in metrics.items()}


_READERS: dict[str, Callable[[Any], Any]] = {
    "count": len,
    "keys": list,
    "sizes": _sizes,
    "tables": _tables,
}


class _Accounts(dict[object, "str | None"]):
    """The account that a resource belongs to, by the ARN or the queue's URL that names it."""

    def __missing__(self, resource: object) -> str | None:
        found = _account(resource) if isinstance(resource, str) else None
        account = found and (found[1] or found[2])
        if len(self) >= _KEPT_ACCOUNTS:
            self.clear()
        self[resource] = account
        return account


_KEPT_ACCOUNTS = 1024
_account = re.compile(
    r"(?:arn:[^:]*:[^:]*:[^:]*:([0-9]{12}):.*)|(?:https?://[^/]+/([0-9]{12})/[^/]+)", re.DOTALL
).fullmatch
_accounts = _Accounts()


def _is_excluded(client: Any) -> bool:
    """Whether calls of a client aren't to be recorded (the setting excluded_urls)."""
    from ._outgoing import _origin

    url = client.meta.endpoint_url
    origin = _origin(url)
    return origin.is_excluded or origin.excludes(url)


def _report(message: str, error: Exception) -> None:
    faults.report("aws", message, error)
