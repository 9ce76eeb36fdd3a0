"""Questions to the daemon over HTTP: JSON there, JSON back, and an end to every wait."""

from __future__ import annotations

import json
import time

from ..daemon import endpoint_text
from ..delivery.http import Client, NoHttp, Place, Unreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..daemon import Endpoint

TIMEOUT_SECONDS = 10.0
"""For a whole question, from the connection to the last byte of the answer."""

_HEADERS = {"Content-Type": "application/json", "Connection": "close"}


class NoDaemon(Exception):
    """Nobody answers there."""


class BadAnswer(Exception):
    """Somebody answers, with what isn't an answer."""


def ask(endpoint: Endpoint, path: str, question: dict[str, Any]) -> dict[str, Any]:
    """Post a question and read the answer. Raises NoDaemon or BadAnswer."""
    where = f"http://{endpoint_text(endpoint)}{path}"
    client = Client(Place("http", *endpoint, path=""), proxy="")
    deadline = time.monotonic() + TIMEOUT_SECONDS
    try:
        answered = client.request("POST", path, _HEADERS, json.dumps(question).encode(), deadline)
    except NoHttp as error:
        raise BadAnswer(str(error)) from error
    except Unreachable as error:
        raise NoDaemon(str(error)) from error
    finally:
        client.close()
    if answered.status != 200:
        raise BadAnswer(f"{where} answers with status {answered.status}")
    try:
        answer = json.loads(answered.body)
    except (ValueError, RecursionError) as error:
        raise BadAnswer(f"{where} answers with what isn't JSON") from error
    if not isinstance(answer, dict):
        raise BadAnswer(f"{where} answers with JSON that isn't an object")
    return answer
