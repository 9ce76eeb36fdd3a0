"""aws_xray_sdk.core.utils.sqs_message_helper."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

SQS_XRAY_HEADER = "AWSTraceHeader"


class SqsMessageHelper:
    """What a message from SQS, as a Lambda event has it, says of tracing."""

    @staticmethod
    def isSampled(sqs_message: Mapping[str, Any]) -> bool:
        """Whether its producer was recorded. Raises KeyError for what has no attributes."""
        attributes = sqs_message["attributes"]
        return SQS_XRAY_HEADER in attributes and "Sampled=1" in attributes[SQS_XRAY_HEADER]
