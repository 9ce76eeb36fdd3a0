"""NextToken: where the next page of an answer begins, in a form that says nothing to clients.

A token belongs to one operation and one question: with other input it is refused, and so is one
that wasn't made here. Tokens of a collector that has ended are refused, too.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets

from .errors import invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_KEY = secrets.token_bytes(16)
_SEAL_BYTES = 9


def token(operation: str, input: dict[str, Any], cursor: str) -> str:
    """The token of a page that begins at a cursor. input: the request's members."""
    seal = _seal(operation, input, cursor)
    return base64.urlsafe_b64encode(seal + cursor.encode()).decode().rstrip("=")


def cursor(operation: str, input: dict[str, Any]) -> str | None:
    """The cursor in the token of a request, None for the first page.

    Raises InvalidRequestException for a token that isn't of this question.
    """
    text = input.get("NextToken")
    if not text:
        return None
    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        cursor = content[_SEAL_BYTES:].decode()
    except (ValueError, binascii.Error):
        content, cursor = b"", ""
    if not hmac.compare_digest(content[:_SEAL_BYTES], _seal(operation, input, cursor)):
        raise invalid(
            "NextToken isn't of this request: send the token that the page before answered, with "
            "the other members unchanged."
        )
    return cursor


def _seal(operation: str, input: dict[str, Any], cursor: str) -> bytes:
    question = {name: value for name, value in input.items() if name != "NextToken"}
    text = json.dumps([operation, question, cursor], sort_keys=True)
    return hmac.digest(_KEY, text.encode(), hashlib.sha256)[:_SEAL_BYTES]
