"""Spans to an OTLP endpoint over HTTP: an OpenTelemetry Collector, or a vendor's."""

from __future__ import annotations

from ..delivery.otlp import OtlpBackend, OtlpError, endpoint_of, options
from ..delivery.xray import XRayError, signer_for
from ..errors import InvalidAddress
from . import MAX_DATAGRAM_BYTES
from .worker import HttpEmitter


class OtlpEmitter(HttpEmitter):
    """Sends each entity as a span, in protobuf or JSON over HTTP, compressed, in batches.

    url: "otlp+http://host:4318" or "otlp+https://host"; "otlp+http:" for the endpoint that
    OTEL_EXPORTER_OTLP_ENDPOINT names. Headers, protocol, compression, timeout and certificates
    come from OTEL_EXPORTER_OTLP_*. Requests to X-Ray's own endpoint
    (otlp+https://xray.eu-west-1.amazonaws.com) are signed. Raises InvalidAddress.
    """

    def __init__(self, url: str, max_bytes: int = MAX_DATAGRAM_BYTES) -> None:
        try:
            self.endpoint = endpoint_of(url)
            backend = OtlpBackend(self.endpoint, options(), signer_for(self.endpoint))
        except (OtlpError, XRayError) as error:
            raise InvalidAddress(f"emitter is {url!r}: {error}") from None
        super().__init__(url, max_bytes, backend=backend)
