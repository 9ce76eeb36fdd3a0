"""What both ways between X-Ray and OTLP know: kinds, attribute names, which platform has which origin."""

from __future__ import annotations

UNSPECIFIED, INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = range(6)
KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")

UNSET, OK, ERROR = range(3)
STATUSES = ("UNSET", "OK", "ERROR")

SCOPE = "xtrace"
"""Name of the instrumentation scope of spans that were X-Ray documents before."""

ANNOTATIONS = "aws.xray.annotations"
"""The keys of the annotations, which are attributes like others."""
METADATA = "aws.xray.metadata."
"""Before a namespace: its metadata as JSON text."""
DOCUMENT = "aws.xray.document"
"""What a document says that no other attribute does: a JSON object to be merged into the document.
A member that is null isn't in the document."""
IN_PROGRESS = "aws.xray.inprogress"

EXCEPTION = "exception"
"""Name of the events that are exceptions."""
EXCEPTION_ID = "aws.xray.exception.id"
EXCEPTION_REMOTE = "aws.xray.exception.remote"
EXCEPTION_TRUNCATED = "aws.xray.exception.truncated"
EXCEPTION_SKIPPED = "aws.xray.exception.skipped"
EXCEPTION_CAUSE = "aws.xray.exception.cause"
EXCEPTION_STACK = "aws.xray.exception.stack"
"""The frames as JSON text, where the text of a stack trace can't tell them."""

SQL_SYSTEMS = frozenset(
    [
        "db2",
        "derby",
        "hive",
        "mariadb",
        "mssql",
        "mysql",
        "oracle",
        "postgresql",
        "sqlite",
        "teradata",
        "other_sql",
        "ibm.db2",
        "microsoft.sql_server",
        "oracle.db",
    ]
)

ORIGINS = {
    "aws_app_runner": "AWS::AppRunner::Service",
    "aws_eks": "AWS::EKS::Container",
    "aws_elastic_beanstalk": "AWS::ElasticBeanstalk::Environment",
    "aws_ecs": "AWS::ECS::Container",
    "aws_ec2": "AWS::EC2::Instance",
}
"""cloud.platform -> origin."""
ECS_ORIGINS = {"ec2": "AWS::ECS::EC2", "fargate": "AWS::ECS::Fargate"}
"""aws.ecs.launchtype -> origin."""

PARAMETERS = {
    "bucket_name": "aws.s3.bucket",
    "key": "aws.s3.key",
    "topic_arn": "aws.sns.topic.arn",
    "function_name": "faas.invoked_name",
    "id_2": "aws.extended_request_id",
}
"""Members of a subsegment's `aws` block -> attributes of the conventions, for text."""


def origin_of(platform: str | None, launch_type: str | None) -> str | None:
    """The origin of segments on a platform (cloud.platform, aws.ecs.launchtype); None if unknown."""
    origin = ORIGINS.get(platform or "")
    if platform == "aws_ecs":
        return ECS_ORIGINS.get((launch_type or "").lower(), origin)
    return origin


def flags_of(http_status: int, status: int) -> dict[str, bool]:
    """The flags of a document for its HTTP status (0: none) and the status of its span."""
    if http_status == 429:
        return {"error": True, "throttle": True}
    if 400 <= http_status < 500:
        return {"error": True}
    if 500 <= http_status < 600 or status == ERROR:
        return {"fault": True}
    return {}
