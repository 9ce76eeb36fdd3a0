"""Questions to metadata services: short answers, soon or not at all."""

from __future__ import annotations

import json
import ssl
import time
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

CAP_SECONDS = 0.3
"""How long an answer is waited for, from the connection to its last byte."""

MAX_BYTES = 65_536


def fetch(
    url: str, headers: Mapping[str, str] | None = None, method: str = "GET", ca_file: str = ""
) -> bytes:
    """The body of an answer with status 200. Raises OSError for anything else.

    Without proxies: these addresses are the machine's own. ca_file: whom to trust for https.
    """
    deadline = time.monotonic() + CAP_SECONDS
    parts = urlsplit(url)
    connection: HTTPConnection
    if parts.scheme == "https":
        trust = ssl.create_default_context(cafile=ca_file or None)
        connection = HTTPSConnection(parts.netloc, timeout=CAP_SECONDS, context=trust)
    else:
        connection = HTTPConnection(parts.netloc, timeout=CAP_SECONDS)
    path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    try:
        connection.request(method, path, headers=dict(headers or {}))
        sock = connection.sock
        answer = connection.getresponse()
        if answer.status != 200:
            raise OSError(f"{url} answers {answer.status}")
        body = b""
        while len(body) < MAX_BYTES and not answer.isclosed():
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"{url} answers too slowly")
            if sock is not None:
                sock.settimeout(left)
            part = answer.read1(MAX_BYTES)
            if not part:
                break
            body += part
        return body
    except (HTTPException, ValueError) as error:  # not HTTP, or not an address
        raise OSError(f"{url}: {error}") from error
    finally:
        connection.close()


def fetch_json(url: str, headers: Mapping[str, str] | None = None, ca_file: str = "") -> Any:
    """The same, parsed. Raises OSError, also for what isn't JSON."""
    try:
        return json.loads(fetch(url, headers, ca_file=ca_file))
    except ValueError as error:
        raise OSError(f"{url} answers with something else than JSON") from error
