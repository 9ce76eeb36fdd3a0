"""aws_xray_sdk.core.exceptions.exceptions."""

from __future__ import annotations


class InvalidSamplingManifestError(Exception):
    """Local sampling rules can't be used."""


class SegmentNotFoundException(Exception):
    """Something needs a segment, there is none, and the strategy is RUNTIME_ERROR."""


class InvalidDaemonAddressException(Exception):
    """A daemon address can't be read."""


class SegmentNameMissingException(Exception):
    """A segment has no name."""


class SubsegmentNameMissingException(Exception):
    """A subsegment has no name. Never raised."""


class FacadeSegmentMutationException(Exception):
    """Something was put on the segment of a Lambda function, which is Lambda's own."""


class MissingPluginNames(Exception):
    """No plugin was named."""


class AlreadyEndedException(Exception):
    """An entity was changed after its end."""
