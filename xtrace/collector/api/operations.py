"""The operations of the X-Ray API: their names, paths, and what their requests may hold.

One table, which a test compares with the API's published model. Every operation is a POST with
all its input in a JSON body.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .shapes import Boolean, Integer, Many, Members, Number, Pairs, Text, Time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .shapes import Shape

_TEXT = Text()
_INTEGER = Integer()
_NUMBER = Number()
_BOOLEAN = Boolean()
_TIME = Time()

_COUNT = Integer(least=0)
_TRACE_ID = Text(1, 35)
_TRACE_IDS = Many(_TRACE_ID)
_GROUP_NAME = Text(1, 32)
_GROUP_ARN = Text(1, 400)
_RULE_NAME = Text(1, 32)
_RESOURCE_ARN = Text(most=500)
_TAGGED_ARN = Text(1, 1011)
_TAG_KEY = Text(1, 128)
_TAGS = Many(Members({"Key": _TAG_KEY, "Value": Text(0, 256)}, frozenset({"Key", "Value"})), 0, 200)
_RETRIEVAL_TOKEN = Text(0, 1020)
_INSIGHT_ID = Text(
    pattern="[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-5][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}"
)
_INSIGHT_TOKEN = Text(1, 2000)
_SHORT_TOKEN = Text(1, 100)
_POLICY_NAME = Text(1, 128, pattern=r"[\w+=,.@-]+")

_WINDOW: dict[str, Shape] = {"StartTime": _TIME, "EndTime": _TIME}
_GROUP: dict[str, Shape] = {"GroupName": _GROUP_NAME, "GroupARN": _GROUP_ARN}

_INSIGHTS = Members({"InsightsEnabled": _BOOLEAN, "NotificationsEnabled": _BOOLEAN})

_BOOST = Members(
    {"MaxRate": Number(0, 1), "CooldownWindowMinutes": _COUNT},
    frozenset({"MaxRate", "CooldownWindowMinutes"}),
)
_MATCHERS: dict[str, Shape] = {
    "ServiceName": Text(most=64),
    "ServiceType": Text(most=64),
    "Host": Text(most=64),
    "HTTPMethod": Text(most=10),
    "URLPath": Text(most=128),
    "ResourceARN": _RESOURCE_ARN,
}
_RULE_EXTRAS: dict[str, Shape] = {
    "RuleName": _RULE_NAME,
    "RuleARN": _TEXT,
    "Attributes": Pairs(Text(1, 32), Text(1, 32), most=5),
    "SamplingRateBoost": _BOOST,
}
SAMPLING_RULE = Members(
    {
        **_RULE_EXTRAS,
        **_MATCHERS,
        "Priority": Integer(1, 9999),
        "FixedRate": Number(0, 1),
        "ReservoirSize": _COUNT,
        "Version": Integer(least=1),
    },
    frozenset({*_MATCHERS, "Priority", "FixedRate", "ReservoirSize", "Version"}),
)
_SAMPLING_RULE_UPDATE = Members(
    {
        **_RULE_EXTRAS,
        **_MATCHERS,
        "Priority": _INTEGER,
        "FixedRate": _NUMBER,
        "ReservoirSize": _INTEGER,
    }
)
_STATISTICS = Members(
    {
        "RuleName": _RULE_NAME,
        "ClientID": Text(24, 24),
        "Timestamp": _TIME,
        "RequestCount": _COUNT,
        "SampledCount": _COUNT,
        "BorrowCount": _COUNT,
    },
    frozenset({"RuleName", "ClientID", "Timestamp", "RequestCount", "SampledCount"}),
    also_known_as={"SampleCount": "SampledCount"},  # so the OpenTelemetry samplers for Python
)
_BOOST_MEMBERS: dict[str, Shape] = {
    "RuleName": _RULE_NAME,
    "ServiceName": Text(most=64),
    "Timestamp": _TIME,
    "AnomalyCount": _COUNT,
    "TotalCount": _COUNT,
    "SampledAnomalyCount": _COUNT,
}
_BOOST_STATISTICS = Members(_BOOST_MEMBERS, frozenset(_BOOST_MEMBERS))
_CONNECTION_ERRORS = Members(
    {
        "TimeoutCount": _INTEGER,
        "ConnectionRefusedCount": _INTEGER,
        "HTTPCode4XXCount": _INTEGER,
        "HTTPCode5XXCount": _INTEGER,
        "UnknownHostCount": _INTEGER,
        "OtherCount": _INTEGER,
    }
)
_TELEMETRY = Members(
    {
        "Timestamp": _TIME,
        "SegmentsReceivedCount": _INTEGER,
        "SegmentsSentCount": _INTEGER,
        "SegmentsSpilloverCount": _INTEGER,
        "SegmentsRejectedCount": _INTEGER,
        "BackendConnectionErrors": _CONNECTION_ERRORS,
    },
    frozenset({"Timestamp"}),
)
_INDEXING_RULE = Members(
    {
        "Probabilistic": Members(
            {"DesiredSamplingPercentage": _NUMBER}, frozenset({"DesiredSamplingPercentage"})
        )
    }
)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. path: where it is posted to. input: the members of its request."""

    name: str
    path: str
    input: Members = field(default_factory=Members)


def _operation(
    name: str, members: dict[str, Shape] | None = None, *required: str, path: str = ""
) -> Operation:
    shape = Members(members or {}, frozenset(required))
    return Operation(name, path or f"/{name}", shape)


_LIST = (
    # Traces
    _operation(
        "PutTraceSegments",
        {"TraceSegmentDocuments": Many(_TEXT)},
        "TraceSegmentDocuments",
        path="/TraceSegments",
    ),
    _operation(
        "PutTelemetryRecords",
        {
            "TelemetryRecords": Many(_TELEMETRY),
            "EC2InstanceId": Text(most=20),
            "Hostname": Text(most=255),
            "ResourceARN": _RESOURCE_ARN,
        },
        "TelemetryRecords",
        path="/TelemetryRecords",
    ),
    _operation(
        "BatchGetTraces",
        {"TraceIds": _TRACE_IDS, "NextToken": _TEXT},
        "TraceIds",
        path="/Traces",
    ),
    _operation(
        "GetTraceSummaries",
        {
            **_WINDOW,
            "TimeRangeType": Text(choices=("TraceId", "Event", "Service")),
            "Sampling": _BOOLEAN,
            "SamplingStrategy": Members(
                {"Name": Text(choices=("PartialScan", "FixedRate")), "Value": _NUMBER}
            ),
            "FilterExpression": _TEXT,
            "NextToken": _TEXT,
        },
        *_WINDOW,
        path="/TraceSummaries",
    ),
    _operation(
        "GetTraceGraph",
        {"TraceIds": _TRACE_IDS, "NextToken": _TEXT},
        "TraceIds",
        path="/TraceGraph",
    ),
    # Statistics
    _operation(
        "GetServiceGraph",
        {**_WINDOW, **_GROUP, "NextToken": _TEXT},
        *_WINDOW,
        path="/ServiceGraph",
    ),
    _operation(
        "GetTimeSeriesServiceStatistics",
        {
            **_WINDOW,
            **_GROUP,
            "EntitySelectorExpression": Text(1, 500),
            "Period": _INTEGER,
            "ForecastStatistics": _BOOLEAN,
            "NextToken": _TEXT,
        },
        *_WINDOW,
        path="/TimeSeriesServiceStatistics",
    ),
    # Groups
    _operation("GetGroups", {"NextToken": _SHORT_TOKEN}, path="/Groups"),
    _operation("GetGroup", {**_GROUP}),
    _operation(
        "CreateGroup",
        {
            "GroupName": _GROUP_NAME,
            "FilterExpression": _TEXT,
            "InsightsConfiguration": _INSIGHTS,
            "Tags": _TAGS,
        },
        "GroupName",
    ),
    _operation(
        "UpdateGroup",
        {**_GROUP, "FilterExpression": _TEXT, "InsightsConfiguration": _INSIGHTS},
    ),
    _operation("DeleteGroup", {**_GROUP}),
    # Sampling
    _operation("GetSamplingRules", {"NextToken": _TEXT}),
    _operation(
        "CreateSamplingRule", {"SamplingRule": SAMPLING_RULE, "Tags": _TAGS}, "SamplingRule"
    ),
    _operation(
        "UpdateSamplingRule", {"SamplingRuleUpdate": _SAMPLING_RULE_UPDATE}, "SamplingRuleUpdate"
    ),
    _operation("DeleteSamplingRule", {"RuleName": _TEXT, "RuleARN": _TEXT}),
    _operation(
        "GetSamplingTargets",
        {
            "SamplingStatisticsDocuments": Many(_STATISTICS, most=25),
            "SamplingBoostStatisticsDocuments": Many(_BOOST_STATISTICS, most=25),
        },
        "SamplingStatisticsDocuments",
        path="/SamplingTargets",
    ),
    _operation(
        "GetSamplingStatisticSummaries", {"NextToken": _TEXT}, path="/SamplingStatisticSummaries"
    ),
    # Tags and policies
    _operation(
        "ListTagsForResource", {"ResourceARN": _TAGGED_ARN, "NextToken": _TEXT}, "ResourceARN"
    ),
    _operation("TagResource", {"ResourceARN": _TAGGED_ARN, "Tags": _TAGS}, "ResourceARN", "Tags"),
    _operation(
        "UntagResource",
        {"ResourceARN": _TAGGED_ARN, "TagKeys": Many(_TAG_KEY, 0, 200)},
        "ResourceARN",
        "TagKeys",
    ),
    _operation("ListResourcePolicies", {"NextToken": _SHORT_TOKEN}),
    _operation(
        "PutResourcePolicy",
        {
            "PolicyName": _POLICY_NAME,
            "PolicyDocument": _TEXT,
            "PolicyRevisionId": _TEXT,
            "BypassPolicyLockoutCheck": _BOOLEAN,
        },
        "PolicyName",
        "PolicyDocument",
    ),
    _operation(
        "DeleteResourcePolicy",
        {"PolicyName": _POLICY_NAME, "PolicyRevisionId": _TEXT},
        "PolicyName",
    ),
    # How an account stores its traces
    _operation("GetEncryptionConfig", path="/EncryptionConfig"),
    _operation(
        "PutEncryptionConfig",
        {"KeyId": Text(1, 3000), "Type": Text(choices=("NONE", "KMS"))},
        "Type",
    ),
    _operation("GetTraceSegmentDestination"),
    _operation(
        "UpdateTraceSegmentDestination",
        {
            "Destination": Text(choices=("XRay", "CloudWatchLogs")),
            "CloudWatchLogsConfiguration": Members({"SpansLogGroupKmsKeyId": Text(1, 256)}),
        },
    ),
    _operation("GetIndexingRules", {"NextToken": _TEXT}),
    _operation("UpdateIndexingRule", {"Name": _TEXT, "Rule": _INDEXING_RULE}, "Name", "Rule"),
    # Retrieval of traces
    _operation(
        "StartTraceRetrieval",
        {"TraceIds": Many(_TRACE_ID, 0, 100), **_WINDOW},
        "TraceIds",
        *_WINDOW,
    ),
    _operation(
        "ListRetrievedTraces",
        {
            "RetrievalToken": _RETRIEVAL_TOKEN,
            "TraceFormat": Text(choices=("XRAY", "OTEL")),
            "NextToken": _TEXT,
        },
        "RetrievalToken",
    ),
    _operation(
        "GetRetrievedTracesGraph",
        {"RetrievalToken": _RETRIEVAL_TOKEN, "NextToken": _TEXT},
        "RetrievalToken",
    ),
    _operation("CancelTraceRetrieval", {"RetrievalToken": _RETRIEVAL_TOKEN}, "RetrievalToken"),
    # Insights
    _operation("GetInsight", {"InsightId": _INSIGHT_ID}, "InsightId", path="/Insight"),
    _operation(
        "GetInsightEvents",
        {"InsightId": _INSIGHT_ID, "MaxResults": Integer(1, 50), "NextToken": _INSIGHT_TOKEN},
        "InsightId",
        path="/InsightEvents",
    ),
    _operation(
        "GetInsightImpactGraph",
        {"InsightId": _INSIGHT_ID, **_WINDOW, "NextToken": _INSIGHT_TOKEN},
        "InsightId",
        *_WINDOW,
        path="/InsightImpactGraph",
    ),
    _operation(
        "GetInsightSummaries",
        {
            "States": Many(Text(choices=("ACTIVE", "CLOSED")), 0, 1),
            **_GROUP,
            **_WINDOW,
            "MaxResults": Integer(1, 100),
            "NextToken": _INSIGHT_TOKEN,
        },
        *_WINDOW,
        path="/InsightSummaries",
    ),
)

OPERATIONS: dict[str, Operation] = {operation.name: operation for operation in _LIST}
"""Every operation by its name."""
