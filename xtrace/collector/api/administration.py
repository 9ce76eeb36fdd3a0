"""Operations on what an account has besides traces: groups, sampling rules, tags, policies.

What has no meaning here is answered so that programs go on: nothing is encrypted, all traces are
indexed, and there are no insights.
"""

from __future__ import annotations

import json

from . import tokens
from .errors import ApiError, invalid, not_found
from .shapes import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from .service import Service

    Members: TypeAlias = dict[str, Any]

STATISTICS_PER_PAGE = 1000

MAX_TAGS = 50
"""Of one resource."""
MAX_POLICIES = 5
MAX_POLICY_BYTES = 5 * 1024

_TAGS = "tags"
_POLICIES = "resource policies"
_INDEXING = "indexing rule"


# -- groups ------------------------------------------------------------------------------------


def get_groups(service: Service, input: Members) -> Members:
    """Every group."""
    tokens.cursor("GetGroups", input)
    return {"Groups": service.groups.all()}


def get_group(service: Service, input: Members) -> Members:
    """One group."""
    return {"Group": service.groups.get(input)}


def create_group(service: Service, input: Members) -> Members:
    """Add a group."""
    tags = _checked_tags(input.get("Tags", []), input["GroupName"])
    group = service.groups.create(input)
    _tag(service, group["GroupARN"], tags)
    return {"Group": group}


def update_group(service: Service, input: Members) -> Members:
    """Change a group."""
    return {"Group": service.groups.update(input)}


def delete_group(service: Service, input: Members) -> Members:
    """Remove a group."""
    group = service.groups.delete(input)
    _keep_tags(service, group["GroupARN"], {})
    return {}


# -- sampling ----------------------------------------------------------------------------------


def get_sampling_rules(service: Service, input: Members) -> Members:
    """Every sampling rule."""
    tokens.cursor("GetSamplingRules", input)
    return {"SamplingRuleRecords": service.sampling.records()}


def create_sampling_rule(service: Service, input: Members) -> Members:
    """Add a sampling rule."""
    tags = _checked_tags(input.get("Tags", []), input["SamplingRule"].get("RuleName", ""))
    record = service.sampling.create(input["SamplingRule"])
    _tag(service, record["SamplingRule"]["RuleARN"], tags)
    return {"SamplingRuleRecord": record}


def update_sampling_rule(service: Service, input: Members) -> Members:
    """Change a sampling rule."""
    return {"SamplingRuleRecord": service.sampling.update(input["SamplingRuleUpdate"])}


def delete_sampling_rule(service: Service, input: Members) -> Members:
    """Remove a sampling rule."""
    record = service.sampling.delete(input)
    _keep_tags(service, record["SamplingRule"]["RuleARN"], {})
    return {"SamplingRuleRecord": record}


def get_sampling_targets(service: Service, input: Members) -> Members:
    """What clients that report shall do next."""
    return service.sampling.targets(
        input["SamplingStatisticsDocuments"], input.get("SamplingBoostStatisticsDocuments", [])
    )


def get_sampling_statistic_summaries(service: Service, input: Members) -> Members:
    """What clients reported in the last hour."""
    operation = "GetSamplingStatisticSummaries"
    after = json.loads(tokens.cursor(operation, input) or "[]")
    left = [each for each in service.sampling.summaries() if _key(each) > after]
    answer: Members = {"SamplingStatisticSummaries": left[:STATISTICS_PER_PAGE]}
    if len(left) > STATISTICS_PER_PAGE:
        last = json.dumps(_key(left[STATISTICS_PER_PAGE - 1]))
        answer["NextToken"] = tokens.token(operation, input, last)
    return answer


def _key(summary: Members) -> list[Any]:
    return [summary["Timestamp"], summary["RuleName"]]


# -- tags --------------------------------------------------------------------------------------


def list_tags(service: Service, input: Members) -> Members:
    """The tags of a group or sampling rule."""
    tokens.cursor("ListTagsForResource", input)
    tags = _tags(service, input["ResourceARN"])
    return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


def tag_resource(service: Service, input: Members) -> Members:
    """Add tags to a group or sampling rule."""
    arn = input["ResourceARN"]
    with service.lock:
        tags = {**_tags(service, arn), **_checked_tags(input["Tags"], arn)}
        _check_number(tags, arn)
        _keep_tags(service, arn, tags)
    return {}


def untag_resource(service: Service, input: Members) -> Members:
    """Remove tags from a group or sampling rule."""
    arn = input["ResourceARN"]
    with service.lock:
        tags = _tags(service, arn)
        _keep_tags(service, arn, {k: v for k, v in tags.items() if k not in input["TagKeys"]})
    return {}


def _checked_tags(tags: list[Members], resource: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for at, tag in enumerate(tags):
        if tag["Key"].lower().startswith("aws:"):
            raise invalid(f"Tags[{at}].Key: the prefix aws: is reserved.")
        if tag["Key"] in found:
            raise invalid(f"Tags[{at}].Key: {quoted(tag['Key'])} is given twice.")
        found[tag["Key"]] = tag["Value"]
    _check_number(found, resource)
    return found


def _check_number(tags: dict[str, str], resource: str) -> None:
    if len(tags) > MAX_TAGS:
        message = f"Tags: a resource may have {MAX_TAGS} tags, not {len(tags)}."
        raise ApiError("TooManyTagsException", 400, message, resource)


def _tags(service: Service, arn: str) -> dict[str, str]:
    arns = [group["GroupARN"] for group in service.groups.all()]
    arns += [record["SamplingRule"]["RuleARN"] for record in service.sampling.records()]
    if arn not in arns:
        raise not_found(f"ResourceARN: there is no group or sampling rule {quoted(arn)}.", arn)
    return dict((service.store.setting(_TAGS) or {}).get(arn, {}))


def _tag(service: Service, arn: str, tags: dict[str, str]) -> None:
    if tags:
        _keep_tags(service, arn, tags)


def _keep_tags(service: Service, arn: str, tags: dict[str, str]) -> None:
    with service.lock:
        kept = service.store.setting(_TAGS) or {}
        changed = {key: value for key, value in {**kept, arn: tags}.items() if value}
        if changed != kept:
            service.store.put_setting(_TAGS, changed)


# -- policies ----------------------------------------------------------------------------------


def list_resource_policies(service: Service, input: Members) -> Members:
    """The policies that were put."""
    tokens.cursor("ListResourcePolicies", input)
    return {"ResourcePolicies": list((service.store.setting(_POLICIES) or {}).values())}


def put_resource_policy(service: Service, input: Members) -> Members:
    """Keep a policy, which nothing here obeys."""
    document = input["PolicyDocument"]
    try:
        well_formed = isinstance(json.loads(document), dict)
    except (ValueError, RecursionError):
        well_formed = False
    if not well_formed:
        raise ApiError(
            "MalformedPolicyDocumentException", 400, "PolicyDocument isn't a JSON object."
        )
    if len(document.encode()) > MAX_POLICY_BYTES:
        message = f"PolicyDocument is larger than {MAX_POLICY_BYTES} bytes."
        raise ApiError("PolicySizeLimitExceededException", 400, message)
    name = input["PolicyName"]
    with service.lock:
        policies = service.store.setting(_POLICIES) or {}
        revision = _checked_revision(policies, input)
        if name not in policies and len(policies) >= MAX_POLICIES:
            message = f"There are {MAX_POLICIES} policies already, as many as there may be."
            raise ApiError("PolicyCountLimitExceededException", 400, message)
        policies[name] = {
            "PolicyName": name,
            "PolicyDocument": document,
            "PolicyRevisionId": str(revision + 1),
            "LastUpdatedTime": service.clock(),
        }
        service.store.put_setting(_POLICIES, policies)
    return {"ResourcePolicy": policies[name]}


def delete_resource_policy(service: Service, input: Members) -> Members:
    """Forget a policy."""
    with service.lock:
        policies = service.store.setting(_POLICIES) or {}
        _checked_revision(policies, input)
        if policies.pop(input["PolicyName"], None) is not None:
            service.store.put_setting(_POLICIES, policies)
    return {}


def _checked_revision(policies: Members, input: Members) -> int:
    """The revision that a policy has; 0 if there is none. It must be the one that is named, if any."""
    revision = int(policies.get(input["PolicyName"], {}).get("PolicyRevisionId", 0))
    if input.get("PolicyRevisionId", str(revision)) != str(revision):
        message = f"PolicyRevisionId: the policy's revision is {revision}."
        raise ApiError("InvalidPolicyRevisionIdException", 400, message)
    return revision


# -- how an account stores its traces ----------------------------------------------------------


def encryption(service: Service, input: Members) -> Members:
    """Nothing is encrypted, and nothing can be."""
    if input.get("Type") == "KMS":
        raise invalid("Type: this collector doesn't encrypt; only NONE is possible.")
    return {"EncryptionConfig": {"Type": "NONE", "Status": "ACTIVE"}}


def destination(service: Service, input: Members) -> Members:
    """Segments are stored here."""
    if input.get("Destination") == "CloudWatchLogs":
        raise invalid("Destination: this collector stores segments itself; only XRay is possible.")
    return {"Destination": "XRay", "Status": "ACTIVE"}


def get_indexing_rules(service: Service, input: Members) -> Members:
    """All traces are indexed, whatever share is desired."""
    tokens.cursor("GetIndexingRules", input)
    return {"IndexingRules": [_indexing_rule(service)]}


def update_indexing_rule(service: Service, input: Members) -> Members:
    """Keep the desired share."""
    if input["Name"] != "Default":
        raise not_found(f"Name: there is no indexing rule {quoted(input['Name'])}.", input["Name"])
    rule = input["Rule"].get("Probabilistic")
    if rule is None:
        raise invalid("Rule.Probabilistic is missing.")
    share = rule["DesiredSamplingPercentage"]
    if not 0 <= share <= 100:
        raise invalid(
            f"Rule.Probabilistic.DesiredSamplingPercentage is {share}; it must be from 0 to 100."
        )
    service.store.put_setting(_INDEXING, {"share": share, "modified_at": service.clock()})
    return {"IndexingRule": _indexing_rule(service)}


def _indexing_rule(service: Service) -> Members:
    kept = service.store.setting(_INDEXING) or {"share": 100.0, "modified_at": 0.0}
    shares = {"DesiredSamplingPercentage": kept["share"], "ActualSamplingPercentage": 100.0}
    return {
        "Name": "Default",
        "ModifiedAt": kept["modified_at"],
        "Rule": {"Probabilistic": shares},
    }


# -- insights ----------------------------------------------------------------------------------


def get_insight(service: Service, input: Members) -> Members:
    """There are none."""
    raise invalid(f"InsightId: there is no insight {input['InsightId']!r}.")


def get_insight_events(service: Service, input: Members) -> Members:
    """There are none."""
    tokens.cursor("GetInsightEvents", input)
    return {"InsightEvents": []}


def get_insight_impact_graph(service: Service, input: Members) -> Members:
    """A graph without services."""
    tokens.cursor("GetInsightImpactGraph", input)
    return {
        "InsightId": input["InsightId"],
        "StartTime": input["StartTime"],
        "EndTime": input["EndTime"],
        "ServiceGraphStartTime": input["StartTime"],
        "ServiceGraphEndTime": input["EndTime"],
        "Services": [],
    }


def get_insight_summaries(service: Service, input: Members) -> Members:
    """There are none."""
    tokens.cursor("GetInsightSummaries", input)
    return {"InsightSummaries": []}
