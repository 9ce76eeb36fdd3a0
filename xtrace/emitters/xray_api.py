"""Documents to the X-Ray service itself, without a daemon: signed requests over HTTPS."""

from __future__ import annotations

from ..delivery.xray import (
    Signer,
    XRayApi,
    XRayBackend,
    XRayError,
    region_of,
    require_botocore,
)
from ..errors import InvalidAddress
from . import MAX_DATAGRAM_BYTES
from .worker import HttpEmitter


class XRayEmitter(HttpEmitter):
    """Puts documents into X-Ray with the credentials that botocore finds.

    url: "xray://eu-west-1"; "xray:" for the region of the environment or of the AWS configuration.
    AWS_ENDPOINT_URL_XRAY names another endpoint. Raises InvalidAddress.
    """

    def __init__(self, url: str, max_bytes: int = MAX_DATAGRAM_BYTES) -> None:
        try:
            require_botocore()
            region = region_of(url.partition(":")[2].strip("/"))
            backend = XRayBackend(XRayApi(Signer(region)))
        except XRayError as error:
            raise InvalidAddress(f"emitter is {url!r}: {error}") from None
        super().__init__(url, max_bytes, backend=backend)
