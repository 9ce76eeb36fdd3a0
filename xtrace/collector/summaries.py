"""A trace as the API's TraceSummary. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from .causes import CauseEntity, RootCause
    from .trace import NodeKey, Part, Trace


def summary(trace: Trace) -> dict[str, Any]:
    """The trace's summary, ready for JSON: members without a value are empty, or None.

    MatchedEventTime is the start; a query for events may put another time there.
    """
    root = trace.root
    parts = trace.parts
    nodes: dict[NodeKey, dict[str, Any]] = {}
    throttled = False
    arns: dict[str, None] = {}
    instances: dict[str, None] = {}
    zones: dict[str, None] = {}
    for part in parts:
        if part.throttle:
            throttled = True
        if part.node not in nodes and not part.orphan:
            nodes[part.node] = _service_id(part.node, part.names)
        if part.resource_arn is not None:
            arns[part.resource_arn] = None
        if part.instance_id is not None:
            instances[part.instance_id] = None
        if part.availability_zone is not None:
            zones[part.availability_zone] = None

    def ids(of: Iterable[NodeKey]) -> list[dict[str, Any]]:
        return [nodes.get(node) or _service_id(node, [node.name]) for node in of]

    causes = trace.causes
    return {
        "Id": trace.id,
        "StartTime": trace.start,
        "Duration": trace.duration,
        "ResponseTime": trace.response_time,
        "HasFault": root is not None and root.fault,
        "HasError": root is not None and root.error,
        "HasThrottle": throttled,
        "IsPartial": trace.partial,
        "Http": {} if root is None else _http(root),
        "Annotations": {
            key: [
                {"AnnotationValue": _annotation_value(value), "ServiceIds": ids(setters)}
                for value, setters in values
            ]
            for key, values in trace.annotations.items()
        },
        "Users": [{"UserName": user, "ServiceIds": ids(setters)} for user, setters in trace.users],
        "ServiceIds": list(nodes.values()),
        "ResourceARNs": [{"ARN": arn} for arn in arns],
        "InstanceIds": [{"Id": instance} for instance in instances],
        "AvailabilityZones": [{"Name": zone} for zone in zones],
        "EntryPoint": {} if root is None else ids([root.node])[0],
        "FaultRootCauses": _root_causes(causes["fault"], _failing_entity),
        "ErrorRootCauses": _root_causes(causes["error"], _failing_entity),
        "ResponseTimeRootCauses": _root_causes(causes["responsetime"], _slow_entity),
        "Revision": trace.revision,
        "MatchedEventTime": trace.start,
    }


def _service_id(node: NodeKey, names: list[str]) -> dict[str, Any]:
    return {"Name": node.name, "Names": names, "AccountId": node.account_id, "Type": node.type}


def _http(root: Part) -> dict[str, Any]:
    http: dict[str, Any] = {}
    if root.http_url is not None:
        http["HttpURL"] = root.http_url
    if root.http_status is not None:
        http["HttpStatus"] = root.http_status
    if root.http_method is not None:
        http["HttpMethod"] = root.http_method
    if root.http_user_agent is not None:
        http["UserAgent"] = root.http_user_agent
    if root.http_client_ip is not None:
        http["ClientIp"] = root.http_client_ip
    return http


def _annotation_value(value: str | float | int | bool) -> dict[str, Any]:
    kind = value.__class__
    if kind is str:
        return {"StringValue": value}
    return {"BooleanValue": value} if kind is bool else {"NumberValue": float(value)}


def _root_causes(
    causes: list[RootCause], entity: Callable[[CauseEntity], dict[str, Any]]
) -> list[dict[str, Any]]:
    return [
        {
            "ClientImpacting": cause.client_impacting,
            "Services": [
                {
                    "Name": service.node.name,
                    "Names": service.names,
                    "Type": service.node.type,
                    "AccountId": service.node.account_id,
                    "Inferred": service.inferred,
                    "EntityPath": [entity(each) for each in service.entities],
                }
                for service in cause.services
            ],
        }
        for cause in causes
    ]


def _failing_entity(entity: CauseEntity) -> dict[str, Any]:
    return {
        "Name": entity.name,
        "Remote": entity.remote,
        "Exceptions": [{"Name": name, "Message": message} for name, message in entity.exceptions],
    }


def _slow_entity(entity: CauseEntity) -> dict[str, Any]:
    return {"Name": entity.name, "Remote": entity.remote, "Coverage": entity.coverage}
