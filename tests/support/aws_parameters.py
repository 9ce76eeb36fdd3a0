"""Write the list of AWS's parameters that the layer for aws_xray_sdk records.

    python tests/support/aws_parameters.py

Made of the table below and of botocore's own models, which say what an operation's parameters are
called and whether a parameter is a list or a map. What they don't know, as S3's names of an older
API, is in the list as it stands, since programs change entries of it by name.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import botocore.session

FILE = Path(__file__).parents[2] / "xtrace/compat/ext/resources/aws_para_whitelist.json"

# "Name": recorded as it is. "Name>key": under this key. "#Name>key": how many it has.
# "@Name>key": the keys of a map. Request first, then, after "/", the response.
WRITES = "TableName / ConsumedCapacity ItemCollectionMetrics"
SERVICES: dict[str, dict[str, str]] = {
    "sns": {"Publish PublishBatch": "TopicArn"},
    "lambda": {
        "Invoke": "FunctionName InvocationType LogType Qualifier / FunctionError StatusCode",
        "InvokeAsync": "FunctionName / Status",
    },
    "runtime.sagemaker": {"InvokeEndpoint": "EndpointName"},
    "dynamodb": {
        "BatchGetItem": "@RequestItems>table_names / ConsumedCapacity",
        "BatchWriteItem": "@RequestItems>table_names / ConsumedCapacity ItemCollectionMetrics",
        "CreateTable": "GlobalSecondaryIndexes LocalSecondaryIndexes ProvisionedThroughput TableName",
        "DeleteTable DescribeTable": "TableName",
        "PutItem UpdateItem DeleteItem": WRITES,
        "GetItem": "ConsistentRead ProjectionExpression TableName / ConsumedCapacity",
        "ListTables": "ExclusiveStartTableName Limit / #TableNames>table_count",
        "Query": "AttributesToGet ConsistentRead IndexName Limit ProjectionExpression"
        " ScanIndexForward Select TableName / ConsumedCapacity",
        "Scan": "AttributesToGet ConsistentRead IndexName Limit ProjectionExpression Segment Select"
        " TableName TotalSegments / ConsumedCapacity Count ScannedCount",
        "UpdateTable": "AttributeDefinitions GlobalSecondaryIndexUpdates ProvisionedThroughput"
        " TableName",
    },
    "sqs": {
        "AddPermission": "Label QueueUrl",
        "ChangeMessageVisibility": "QueueUrl VisibilityTimeout",
        "ChangeMessageVisibilityBatch DeleteMessageBatch": "QueueUrl / Failed",
        "CreateQueue": "Attributes QueueName",
        "DeleteMessage DeleteQueue PurgeQueue RemovePermission": "QueueUrl",
        "GetQueueAttributes": "QueueUrl / Attributes",
        "GetQueueUrl": "QueueName QueueOwnerAWSAccountId / QueueUrl",
        "ListDeadLetterSourceQueues": "QueueUrl / QueueUrls queueUrls",
        "ListQueues": "QueueNamePrefix / #QueueUrls>queue_count",
        "ReceiveMessage": "AttributeNames MaxNumberOfMessages MessageAttributeNames QueueUrl"
        " VisibilityTimeout WaitTimeSeconds / #Messages>message_count",
        "SendMessage": "DelaySeconds QueueUrl @MessageAttributes>message_attribute_names / MessageId",
        "SendMessageBatch": "QueueUrl #Entries>message_count"
        " / #Failed>failed_count #Successful>successful_count",
        "SetQueueAttributes": "QueueUrl @Attributes>attribute_names",
    },
    "s3": {"CopyObject": "CopySource Bucket Key"},
}

# Of S3: what is recorded beside the bucket.
OBJECTS = {
    "Key VersionId": "GetObject GetObjectAcl GetObjectTagging PutObjectTagging DeleteObjectTagging"
    " RestoreObject PutObjectAcl SetObjectAcl DeleteVersion RestoreObjectV2 GeneratePresignedUrl"
    " HeadObject",
    "Key": "PutObject UploadPart DeleteObject ListParts CompleteMultipartUpload"
    " AbortMultipartUpload CreateMultipartUpload InitiateMultipartUpload",
    "Prefix": "ListObjects ListObjectsV2 ListMultipartUploads ListVersions ListObjectVersions",
    "": "CreateBucket HeadBucket DeleteBucket DeleteObjects GetBucketLocation GetBucketLogging"
    " SetBucketLogging PutBucketLogging",
}
BUCKETS = {
    "Get Put": "BucketAcl BucketNotificationConfiguration BucketVersioning"
    " BucketAccelerateConfiguration",
    "Get Put Delete": "BucketPolicy BucketCors BucketWebsite BucketTagging BucketEncryption"
    " BucketReplicationConfiguration BucketReplication",
    "Get Set Put Delete": "BucketLifecycleConfiguration",
}
CONFIGURATIONS = "Analytics Inventory Metrics"
for beside, operations in OBJECTS.items():
    for operation in operations.split():
        SERVICES["s3"][operation] = f"Bucket>bucket_name {beside}"
for verbs, subjects in BUCKETS.items():
    for subject in subjects.split():
        for verb in verbs.split():
            SERVICES["s3"][f"{verb}{subject}"] = "Bucket>bucket_name"
SERVICES["s3"]["DeleteBucketLifecycle"] = "Bucket>bucket_name"
for kind in CONFIGURATIONS.split():
    for verb in ("Get", "Put", "Delete"):
        SERVICES["s3"][f"{verb}Bucket{kind}Configuration"] = "Bucket>bucket_name"
    SERVICES["s3"][f"ListBucket{kind}Configurations"] = "Bucket>bucket_name"

NAMES = {"runtime.sagemaker": "sagemaker-runtime"}
"""botocore's names of services that have others as endpoint prefix."""


def entry(text: str, operation: Any) -> dict[str, Any]:
    """An operation's entry. operation: botocore's model of it, or None."""
    found: dict[str, Any] = {}
    for side, part in zip(("request", "response"), text.split("/"), strict=False):
        shape = None
        if operation is not None:
            shape = operation.input_shape if side == "request" else operation.output_shape
        for item in part.split():
            name, _, key = item.lstrip("#@").partition(">")
            if not key:
                found.setdefault(f"{side}_parameters", []).append(name)
                continue
            descriptor: dict[str, Any] = {"rename_to": key}
            if item[0] == "#":
                descriptor["get_count"] = True
            if item[0] == "@":
                descriptor["get_keys"] = True
            kind = shape.members[name].type_name if shape and name in shape.members else ""
            if kind in ("list", "map"):
                descriptor[kind] = True
            found.setdefault(f"{side}_descriptors", {})[name] = descriptor
    return found


def made() -> dict[str, Any]:
    """The whole list."""
    session = botocore.session.get_session()
    services: dict[str, Any] = {}
    for service, operations in SERVICES.items():
        model = session.get_service_model(NAMES.get(service, service))
        entries = {}
        for names, text in operations.items():
            for name in names.split():
                known = model.operation_model(name) if name in model.operation_names else None
                entries[name] = entry(text, known)
        services[service] = {"operations": dict(sorted(entries.items()))}
    return {"services": services}


def text() -> str:
    """The same as it stands in the file."""
    return json.dumps(made(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(text())
    sys.exit(0)
