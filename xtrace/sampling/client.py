"""Questions to the daemon over HTTP: JSON there, JSON back, and an end to every wait."""

from __future__ import annotations

import io
import json
import time
from http.client import HTTPConnection, HTTPException, HTTPResponse

from ..daemon import endpoint_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any

    from ..daemon import Endpoint

TIMEOUT_SECONDS = 10.0
"""For a whole question, from the connection to the last byte of the answer."""

MAX_ANSWER_BYTES = 4 * 1024 * 1024


class NoDaemon(Exception):
    """Nobody answers there."""


class BadAnswer(Exception):
    """Somebody answers, with what isn't an answer."""


def ask(endpoint: Endpoint, path: str, question: dict[str, Any]) -> dict[str, Any]:
    """Post a question and read the answer. Raises NoDaemon or BadAnswer."""
    where = f"http://{endpoint_text(endpoint)}{path}"
    try:
        status, body = _post(endpoint, path, json.dumps(question).encode())
    except HTTPException as error:
        raise BadAnswer(f"{where} doesn't answer in HTTP ({type(error).__name__})") from error
    except (OSError, UnicodeError) as error:  # UnicodeError: the host is no name at all
        raise NoDaemon(f"{where} doesn't answer ({_reason(error)})") from error
    except _Unreadable as error:
        raise BadAnswer(f"{where} {error}") from error
    if status != 200:
        raise BadAnswer(f"{where} answers with status {status}")
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadAnswer(f"{where} answers with what isn't JSON") from error
    if not isinstance(answer, dict):
        raise BadAnswer(f"{where} answers with JSON that isn't an object")
    return answer


def _post(endpoint: Endpoint, path: str, body: bytes) -> tuple[int, bytes]:
    """Status and body of the response."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    connection = HTTPConnection(*endpoint, timeout=TIMEOUT_SECONDS)
    headers = {"Content-Type": "application/json", "Connection": "close"}
    try:
        connection.request("POST", path, body, headers)
        answering = _Answering(connection.sock, deadline)
        with HTTPResponse(answering, method="POST") as response:  # type: ignore[arg-type]  # it asks for makefile() alone
            response.begin()
            return response.status, _read(response)
    finally:
        connection.close()


class _Unreadable(Exception):
    """What is wrong with the body of a response."""


def _read(response: HTTPResponse) -> bytes:
    body = bytearray()
    while chunk := response.read1(65_536):
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise _Unreadable(f"answers with more than {MAX_ANSWER_BYTES} bytes")
    if response.length:
        raise _Unreadable("breaks off in the middle of its answer")
    return bytes(body)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


class _Answering:
    """A socket as far as HTTPResponse needs it."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._raw = _UntilDeadline(sock, deadline)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._raw)


class _UntilDeadline(io.RawIOBase):
    """What a socket receives until the deadline, however small the pieces that trickle in."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._socket = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._socket.settimeout(left)
        return self._socket.recv_into(buffer)
