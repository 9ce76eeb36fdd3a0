"""AWS's signature of a request, computed anew as its documentation says ("Signature Version 4")."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Any
from urllib.parse import urlsplit

from tests.marks import SECRET

KEY = "AKIDEXAMPLE"


def is_signed(request: Any, region: str, secret: str = SECRET) -> bool:
    """Whether the Authorization header of a request is the one that its other parts lead to."""
    found = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=([^,]+), SignedHeaders=([^,]+), Signature=([0-9a-f]{64})",
        request.headers.get("authorization", ""),
    )
    if found is None:
        return False
    credential, signed, signature = found.groups()
    _, day, in_region, service, end = credential.split("/")
    assert (in_region, service, end) == (region, "xray", "aws4_request")
    url = urlsplit(request.path)
    canonical = "\n".join(
        [
            request.method,
            url.path or "/",
            url.query,
            *(f"{name}:{request.headers[name]}" for name in signed.split(";")),
            "",
            signed,
            hashlib.sha256(request.body).hexdigest(),
        ]
    )
    scope = f"{day}/{region}/xray/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"AWS4-HMAC-SHA256\n{request.headers['x-amz-date']}\n{scope}\n{digest}"
    key = f"AWS4{secret}".encode()
    for part in (day, region, "xray", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest() == signature
