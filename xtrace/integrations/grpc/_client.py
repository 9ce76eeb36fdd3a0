"""Calls of gRPC's clients. What channels make for each method is replaced in its class, so that channels
stay what they are; interceptors of the application run before.

A call isn't current while it goes on: nothing of the application runs inside of it, and most calls
only begin where they are made. It ends where its result is taken, or when it is over, whichever
comes first.
"""

from __future__ import annotations

import asyncio
from functools import wraps
from urllib.parse import quote
from weakref import ref

import grpc
import grpc._channel
import grpc.aio
from grpc import StatusCode

from ... import cause, faults
from .._outgoing import EVERY_LAYER, Call, answered, finished, outgoing
from .._wrap import argument
from ._status import HTTP_STATUS, STATUS, status_of, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from typing import Any

    from .._wrap import Patcher

GRPC = (EVERY_LAYER + 1) << 2
"""The layer of these calls, which have none inside."""

_CALL = "_xtrace_call"
"""Attribute of what a call gives, with its subsegment."""

_TARGET = "_xtrace_target"
"""Attribute of asyncio's channels with where they lead."""

_METADATA_POSITION = 2
_KEPT_TARGETS = 1024


def patch(patcher: Patcher) -> None:
    """Replace the calls of all kinds of methods, and what their results are taken by."""
    sync, aio = grpc._channel, grpc.aio._channel
    for name in ("_UnaryUnaryMultiCallable", "_StreamUnaryMultiCallable"):
        kind = getattr(sync, name)
        for method in ("__call__", "with_call"):
            patcher.replace(kind, method, _called(vars(kind)[method], _answered))
        patcher.replace(kind, "future", _called(kind.future, _watch))
    for name in (
        "_UnaryStreamMultiCallable",
        "_SingleThreadedUnaryStreamMultiCallable",
        "_StreamStreamMultiCallable",
    ):
        kind = getattr(sync, name, None)
        if kind is not None:
            patcher.replace(kind, "__call__", _called(vars(kind)["__call__"], _watch))
    for name in ("_MultiThreadedRendezvous", "_SingleThreadedRendezvous"):
        kind = getattr(sync, name, None)
        if kind is not None:
            patcher.replace(kind, "_next", _taken(vars(kind)["_next"], is_last=False))
            patcher.replace(kind, "result", _taken(vars(kind)["result"], is_last=True))
    for name in ("UnaryUnary", "UnaryStream", "StreamUnary", "StreamStream"):
        kind = getattr(aio, f"{name}MultiCallable")
        patcher.replace(kind, "__call__", _called(vars(kind)["__call__"], _watch_async))
    patcher.wrap(aio.Channel, "__init__", _made)
    calls = grpc.aio._call
    patcher.replace(
        calls._UnaryResponseMixin,
        "__await__",
        _awaited(vars(calls._UnaryResponseMixin)["__await__"]),
    )
    patcher.replace(
        calls.Call, "_raise_for_status", _awaited_status(vars(calls.Call)["_raise_for_status"])
    )
    patcher.on_undo(cause.redact_messages(grpc.RpcError, _message))


# -- begin -------------------------------------------------------------------------------------


def _begin(method: Any, args: Any, kwargs: Any) -> tuple[Call | None, Any, Any]:
    """The subsegment of a call, and its arguments with the trace in the metadata."""
    try:
        carrier: dict[str, str] = {}
        url = f"{_authority(method)}{_text(method._method)}"
        call = outgoing(GRPC, 0, "POST", url, carrier, enters=False)
    except Exception as error:
        _report("A call isn't recorded", error)
        return None, args, kwargs
    if not carrier:
        return call, args, kwargs
    try:
        is_positional = len(args) > _METADATA_POSITION
        metadata = args[_METADATA_POSITION] if is_positional else kwargs.get("metadata")
        added = {name.lower(): value for name, value in carrier.items()}
        metadata = (*(pair for pair in metadata or () if pair[0] not in added), *added.items())
        if is_positional:
            before, after = args[:_METADATA_POSITION], args[_METADATA_POSITION + 1 :]
            return call, (*before, metadata, *after), kwargs
        return call, args, {**kwargs, "metadata": metadata}
    except Exception as error:
        _report("A call doesn't carry the trace", error)
        return call, args, kwargs


_authorities: dict[Any, str] = {}


def _authority(method: Any) -> str:
    """ "grpc://host:port" of the channel that a method is called through."""
    target = getattr(method._channel, "target", None)
    if target is None:  # asyncio's, of grpcio before 1.77; those made before patch() don't tell
        target = getattr(method._references[0], _TARGET, "")
    elif callable(target):  # of the sync ones
        target = target()
    found = _authorities.get(target)
    if found is None:
        if len(_authorities) >= _KEPT_TARGETS:
            _authorities.clear()
        found = _authorities[target] = _read_target(_text(target))
    return found


def _made(original: Any, channel: Any, args: Any, kwargs: Any) -> None:
    original(*args, **kwargs)
    setattr(channel, _TARGET, argument(args, kwargs, 0, "target", ""))


def _read_target(target: str) -> str:
    """Of the forms of a name that gRPC resolves: "host:port", "dns:///host:port",
    "ipv4:10.0.0.7:50051", "unix:path" (gRPC Name Resolution).
    """
    scheme, colon, rest = target.partition(":")
    if not colon or (rest.isdecimal() and scheme not in ("unix", "dns")):
        return f"grpc://{target}"
    if scheme.startswith("unix"):
        return f"grpc+unix://{quote(rest.removeprefix('//'), safe='')}"
    if scheme in ("dns", "ipv4", "ipv6", "xds", "passthrough", "google-c2p", "vsock"):
        # The last part; before it may stand whom to ask: dns://8.8.8.8/host:port
        name = rest.rpartition("/")[2] if rest.startswith("//") else rest
        name = name.partition(",")[0]
        bare = scheme == "ipv6" and not name.startswith("[")
        return f"grpc://[{name}]" if bare else f"grpc://{name}"
    return f"grpc://{target}"


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


# -- end ---------------------------------------------------------------------------------------


def _end(call: Call, code: Any, error: BaseException | None = None) -> None:
    """End a call with its status. error: which stands for that, or something else that was raised."""
    if call._stop is not None:
        return
    try:
        status = status_of(code)
        if status is None:
            finished(call, error)
            return
        if status is StatusCode.CANCELLED:
            call.put_annotation("cancelled", status.name)
        else:
            answered(call, HTTP_STATUS[status])
            if status is not StatusCode.OK:
                call.put_annotation(STATUS, status.name)
                if error is not None:
                    call.add_exception(error, remote=True, fault=False)
    except Exception as fault:
        _report("The status of a call isn't recorded", fault)
    finished(call)


def _code_of(error: BaseException) -> Any:
    """The status that an exception stands for; None if it is another."""
    if isinstance(error, grpc.RpcError) and hasattr(error, "code"):
        return error.code()
    return None


def _message(error: Any) -> str:
    """Of an RpcError: its text has addresses, and takes several lines."""
    code = error.code()
    return f"{code.name}: {text_of(error.details())}"


def _report(message: str, error: Exception) -> None:
    faults.report("integration:grpc", message, error)


# -- sync --------------------------------------------------------------------------------------


def _called(original: Any, went_on: Callable[[Call, Any], None]) -> Any:
    """A call. went_on: is given what it gives: a response, or an object for what is going on."""

    @wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        call, args, kwargs = _begin(self, args, kwargs)
        if call is None:
            return original(self, *args, **kwargs)
        try:
            given = original(self, *args, **kwargs)
        except BaseException as error:
            _end(call, _code_of(error), error)
            raise
        try:
            went_on(call, given)
        except Exception as error:
            _report("The end of a call isn't recorded", error)
            finished(call)
        return given

    return method


def _answered(call: Call, response: Any) -> None:
    _end(call, StatusCode.OK)


def _watch(call: Call, going: Any) -> None:
    """End a call when it is over. The object isn't kept: a call that is dropped is cancelled."""
    dropped = ref(going)
    setattr(going, _CALL, call)

    def over() -> None:
        there = dropped()
        if there is None:
            _end(call, StatusCode.CANCELLED)
        else:
            code = there.code()
            _end(call, code, None if code is StatusCode.OK else there)

    if not going.add_callback(over):
        over()


def _taken(original: Any, is_last: bool) -> Any:
    """What takes a response, or the next: by that a call may end, in the thread that made it."""

    @wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            response = original(self, *args, **kwargs)
        except StopIteration:
            _end_of(self, StatusCode.OK)
            raise
        except grpc.RpcError as error:
            _end_of(self, _code_of(error), error)
            raise
        if is_last:
            _end_of(self, StatusCode.OK)
        return response

    return method


def _end_of(going: Any, code: Any, error: BaseException | None = None) -> None:
    call = going.__dict__.get(_CALL)
    if call is not None:
        _end(call, code, error)


# -- asyncio -----------------------------------------------------------------------------------


def _watch_async(call: Call, going: Any) -> None:
    dropped = ref(going)
    setattr(going, _CALL, call)

    def over(*_: Any) -> None:
        there = dropped()
        if there is None:
            _end(call, StatusCode.CANCELLED)
            return
        try:
            code = _at_once(there.code())
            error = None
            if status_of(code) not in (StatusCode.OK, None):
                details = text_of(_at_once(there.details()))
                error = grpc.aio.AioRpcError(
                    code, grpc.aio.Metadata(), grpc.aio.Metadata(), details
                )
        except Exception as fault:
            _report("The status of a call isn't recorded", fault)
            finished(call)
            return
        _end(call, code, error)

    # Of the call itself, as its own add_done_callback() would have the object keep itself.
    (getattr(going, "_cython_call", None) or going).add_done_callback(over)


def _at_once(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine gives that has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    return None


def _awaited(original: Any) -> Any:
    @wraps(original)
    def __await__(self: Any) -> Generator[Any, None, Any]:
        try:
            response = yield from original(self)
        except asyncio.CancelledError:
            _end_of(self, StatusCode.CANCELLED)
            raise
        except grpc.RpcError as error:
            _end_of(self, _code_of(error), error)
            raise
        _end_of(self, StatusCode.OK)
        return response

    return __await__


def _awaited_status(original: Any) -> Any:
    """The end of a stream."""

    @wraps(original)
    async def _raise_for_status(self: Any) -> None:
        try:
            await original(self)
        except asyncio.CancelledError:
            _end_of(self, StatusCode.CANCELLED)
            raise
        except grpc.RpcError as error:
            _end_of(self, _code_of(error), error)
            raise
        _end_of(self, StatusCode.OK)

    return _raise_for_status
