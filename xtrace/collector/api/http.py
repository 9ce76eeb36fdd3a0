"""The API over HTTP: an ASGI application of every operation at its path, and what stands beside.

Nothing that a request holds gives a 500: its body and members are checked before a handler sees
them. What does is a fault of ours; it is logged, and the reply says no more than that.
"""

from __future__ import annotations

import logging
import zlib

import anyio
import orjson
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ..store import StoreError
from .errors import ApiError, invalid, unknown_operation
from .operations import OPERATIONS
from .replies import error_reply, reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from typing import Any, TypeAlias

    from starlette.routing import BaseRoute

    from .operations import Operation

    Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]
    Answer: TypeAlias = Callable[[Operation, dict[str, Any]], Any]

MAX_BODY_BYTES = 16 * 1024 * 1024
"""Of a request, and of what it is when decompressed."""

BODY_SECONDS = 20.0
"""How long a request's body may take to arrive."""

_LOG = logging.getLogger("xtrace.collector")


def application(answer: Answer, routes: Iterable[BaseRoute] = ()) -> Starlette:
    """The application. answer: carries out an operation, on a thread of its own; may raise ApiError.

    routes: what else there is.
    """
    operations = [
        Route(operation.path, _endpoint(operation, answer), methods=["POST"])
        for operation in OPERATIONS.values()
    ]
    return Starlette(routes=[*routes, *operations], exception_handlers={HTTPException: _http_error})


def _endpoint(operation: Operation, answer: Answer) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        input = operation.input.read(parsed(await body(request)))
        return reply(await run_in_threadpool(answer, operation, input))

    return careful(endpoint)


def careful(endpoint: Endpoint) -> Endpoint:
    """An endpoint whose errors are answered in the model's form."""

    async def answering(request: Request) -> Response:
        try:
            return await endpoint(request)
        except ApiError as error:
            return error_reply(error)
        except StoreError as error:
            _LOG.error("%s: %s", request.url.path, error)
            return error_reply(ApiError("ServiceUnavailableException", 503, str(error)))
        except Exception:
            _LOG.exception("%s %s failed", request.method, request.url.path)
            message = "The collector failed; its log says how. Please report it."
            return error_reply(ApiError("InternalFailure", 500, message))

    return answering


async def body(request: Request, most: int | None = None, seconds: float | None = None) -> bytes:
    """The body of a request, decompressed. Raises ApiError if it is too long, too slow or broken.

    most: bytes, as sent and decompressed. seconds: to arrive. None: as of other requests.
    """
    most = most or MAX_BODY_BYTES
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity", "gzip"):
        raise ApiError(
            "UnsupportedMediaType", 415, f"Content-Encoding is {encoding[:100]!r}; gzip is known."
        )
    content = await received(request, most, seconds)
    return _unzipped(content, most) if encoding == "gzip" else content


async def received(
    request: Request, most: int | None = None, seconds: float | None = None
) -> bytes:
    """The body of a request as it comes. Raises ApiError if it is too long or too slow."""
    most, seconds = most or MAX_BODY_BYTES, seconds or BODY_SECONDS
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > most:
        raise _too_large(most)
    chunks, size = [], 0
    try:
        with anyio.fail_after(seconds):
            async for chunk in request.stream():
                size += len(chunk)
                if size > most:
                    raise _too_large(most)
                chunks.append(chunk)
    except TimeoutError as error:
        message = f"The request's body took longer than {seconds:.0f} s to arrive."
        raise ApiError("RequestTimeoutException", 408, message) from error
    except ClientDisconnect as error:
        raise invalid("The client went away.") from error
    return b"".join(chunks)


def _unzipped(content: bytes, most: int) -> bytes:
    decompress = zlib.decompressobj(wbits=31)
    try:
        whole = decompress.decompress(content, most + 1)
    except zlib.error as error:
        raise invalid("The request's body isn't gzip, as its Content-Encoding says.") from error
    if len(whole) > most:
        raise _too_large(most)
    if not decompress.eof:
        raise invalid("The request's body ends in the middle of the gzip stream.")
    return whole


def _too_large(most: int) -> ApiError:
    message = f"The request's body is larger than {most} bytes."
    return ApiError("RequestEntityTooLargeException", 413, message)


def parsed(body: bytes) -> Any:
    """The JSON value of a body; an empty one is an empty object. Raises InvalidRequestException."""
    if not body.strip():
        return {}
    try:
        return orjson.loads(body)
    except ValueError as error:
        raise invalid(f"The request's body isn't JSON: {error}.") from error


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        message = f"{request.url.path} takes another method than {request.method}."
    elif error.status_code == 404:
        message = f"There is nothing at {request.url.path[:100]}."
    else:
        message = str(error.detail)
    answer = error_reply(unknown_operation(message, error.status_code))
    answer.headers.update(error.headers or {})
    return answer


def text(content: str) -> Endpoint:
    """An endpoint that answers with a text."""

    async def endpoint(request: Request) -> Response:
        return PlainTextResponse(content)

    return endpoint
