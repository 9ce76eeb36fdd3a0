"""What is recorded of the parameters and answers of AWS's operations: the allow-list, as data.

By service (its endpoint prefix) and operation, "*" for all that aren't listed: what of the request,
then what of the answer. What isn't named here is recorded nowhere. A notation for each:

    TableName                  the value, under the name in snake case: table_name
    Bucket=bucket_name         the value, under this name
    count(Entries)=messages    of a list or dict, how many it has
    keys(RequestItems)=tables  of a dict, the keys and never the values
    tables(TransactItems)      of a transaction, the names of its tables
    sizes(ItemCollectionMetrics)  of the metrics, the sizes and not the keys of the items

The names are those that X-Ray's SDKs write (X-Ray Developer Guide), and AWS's own for what these
don't have. Values of queue attributes are left out: policies and keys are among them.
"""

from __future__ import annotations

_CAPACITY = "ConsumedCapacity"
_CHANGE = ("TableName", "ConsumedCapacity sizes(ItemCollectionMetrics)")
_STREAM = "StreamName StreamARN"
_BATCH_OF_MESSAGES = (
    "QueueUrl count(Entries)=message_count",
    "count(Failed)=failed_count count(Successful)=successful_count",
)
_OBJECT = "Bucket=bucket_name Key VersionId Prefix ExpectedBucketOwner=account_id"

PARAMETERS: dict[str, dict[str, tuple[str, str]]] = {
    "dynamodb": {
        "*": ("TableName", ""),
        "BatchGetItem": ("keys(RequestItems)=table_names", _CAPACITY),
        "BatchWriteItem": (
            "keys(RequestItems)=table_names",
            "ConsumedCapacity sizes(ItemCollectionMetrics)",
        ),
        "CreateTable": (
            "TableName GlobalSecondaryIndexes LocalSecondaryIndexes ProvisionedThroughput",
            "",
        ),
        "DeleteItem": _CHANGE,
        "GetItem": ("TableName ConsistentRead ProjectionExpression", _CAPACITY),
        "ListTables": ("ExclusiveStartTableName Limit", "count(TableNames)=table_count"),
        "PutItem": _CHANGE,
        "Query": (
            "TableName AttributesToGet ConsistentRead IndexName Limit ProjectionExpression "
            "ScanIndexForward Select",
            "ConsumedCapacity Count ScannedCount",
        ),
        "Scan": (
            "TableName AttributesToGet ConsistentRead IndexName Limit ProjectionExpression "
            "Segment Select TotalSegments",
            "ConsumedCapacity Count ScannedCount",
        ),
        "TransactGetItems": ("tables(TransactItems)=table_names", _CAPACITY),
        "TransactWriteItems": (
            "tables(TransactItems)=table_names",
            "ConsumedCapacity sizes(ItemCollectionMetrics)",
        ),
        "UpdateItem": _CHANGE,
        "UpdateTable": (
            "TableName AttributeDefinitions GlobalSecondaryIndexUpdates ProvisionedThroughput",
            "",
        ),
    },
    "sqs": {
        "*": ("QueueUrl", ""),
        "AddPermission": ("Label QueueUrl", ""),
        "ChangeMessageVisibility": ("QueueUrl VisibilityTimeout", ""),
        "ChangeMessageVisibilityBatch": _BATCH_OF_MESSAGES,
        "CreateQueue": ("QueueName keys(Attributes)=attribute_names", "QueueUrl"),
        "DeleteMessageBatch": _BATCH_OF_MESSAGES,
        "GetQueueAttributes": ("QueueUrl", "keys(Attributes)=attribute_names"),
        "GetQueueUrl": ("QueueName QueueOwnerAWSAccountId", "QueueUrl"),
        "ListDeadLetterSourceQueues": ("QueueUrl", "queueUrls"),
        "ListQueues": ("QueueNamePrefix", "count(QueueUrls)=queue_count"),
        "ReceiveMessage": (
            "QueueUrl AttributeNames MessageSystemAttributeNames MaxNumberOfMessages "
            "MessageAttributeNames VisibilityTimeout WaitTimeSeconds",
            "count(Messages)=message_count",
        ),
        "SendMessage": (
            "QueueUrl DelaySeconds keys(MessageAttributes)=message_attribute_names",
            "MessageId",
        ),
        "SendMessageBatch": _BATCH_OF_MESSAGES,
        "SetQueueAttributes": ("QueueUrl keys(Attributes)=attribute_names", ""),
    },
    "sns": {
        "*": ("TopicArn", ""),
        "CreateTopic": ("Name=topic_name", "TopicArn"),
        "Publish": ("TopicArn TargetArn", "MessageId"),
        "PublishBatch": (
            "TopicArn count(PublishBatchRequestEntries)=message_count",
            "count(Failed)=failed_count count(Successful)=successful_count",
        ),
        "Subscribe": ("TopicArn Protocol", ""),
    },
    "s3": {
        "*": (_OBJECT, ""),
        "CopyObject": (f"{_OBJECT} CopySource Bucket", ""),
        "DeleteObjects": (_OBJECT, "count(Deleted)=deleted_count count(Errors)=failed_count"),
        "ListBuckets": ("", "count(Buckets)=bucket_count"),
        "ListObjectsV2": (_OBJECT, "KeyCount"),
        "UploadPart": (f"{_OBJECT} PartNumber", ""),
        "UploadPartCopy": (f"{_OBJECT} CopySource PartNumber", ""),
    },
    "lambda": {
        "*": ("FunctionName Qualifier", ""),
        "Invoke": ("FunctionName InvocationType LogType Qualifier", "FunctionError StatusCode"),
        "InvokeAsync": ("FunctionName", "Status"),
    },
    "states": {
        "*": ("stateMachineArn executionArn activityArn", ""),
        "CreateStateMachine": ("name", "stateMachineArn"),
        "StartExecution": ("stateMachineArn", "executionArn"),
        "StartSyncExecution": ("stateMachineArn", "executionArn status"),
    },
    "events": {
        "*": ("EventBusName Name", ""),
        "PutEvents": ("count(Entries)=event_count", "FailedEntryCount"),
        "PutRule": ("EventBusName Name", "RuleArn"),
        "PutTargets": ("EventBusName Rule", "FailedEntryCount"),
    },
    "kinesis": {
        "*": (_STREAM, ""),
        "GetRecords": ("StreamARN Limit", "count(Records)=record_count MillisBehindLatest"),
        "GetShardIterator": (f"{_STREAM} ShardId ShardIteratorType", ""),
        "PutRecord": (_STREAM, "ShardId SequenceNumber"),
        "PutRecords": (f"{_STREAM} count(Records)=record_count", "FailedRecordCount"),
    },
    "firehose": {
        "*": ("DeliveryStreamName", ""),
        "PutRecordBatch": (
            "DeliveryStreamName count(Records)=record_count",
            "FailedPutCount",
        ),
    },
    "secretsmanager": {
        "*": ("SecretId", ""),
        "CreateSecret": ("Name=secret_id", ""),
        "GetSecretValue": ("SecretId VersionStage", ""),
    },
    "ssm": {
        "*": ("Name", ""),
        "GetParameters": ("Names", ""),
        "GetParametersByPath": ("Path", "count(Parameters)=parameter_count"),
    },
    "kms": {"*": ("KeyId", "")},
    "sts": {"*": ("RoleArn", "")},
    "runtime.sagemaker": {"*": ("EndpointName", "")},
    "bedrock-runtime": {"*": ("modelId", "")},
    "athena": {"*": ("WorkGroup QueryExecutionId", "")},
    "logs": {"*": ("logGroupName", "")},
    "scheduler": {"*": ("Name GroupName", "")},
}
