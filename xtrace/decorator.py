"""The `capture` decorator: each call of a function as a subsegment.

Functions, coroutine functions, generators, async generators, methods, classmethods and
staticmethods keep their kind, signature and results. A generator's subsegment lasts from the
first value asked for to its end, and is current only while the generator's own code runs.

Plain closures do the wrapping: calling one costs a fifth of what a wrapper object does.
"""

from __future__ import annotations

import functools
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Mapping
    from typing import Any

    from .recorder import Recorder

    Function = Callable[..., Any]

PLAIN = "plain"
COROUTINE = "coroutine"
EMPTY: Mapping[str, Any] = {}

# Of a code object's co_flags; `inspect` has the names, and takes longer to import than xtrace.
_GENERATOR = 0x20
_COROUTINE = 0x80 | 0x100
_ASYNC_GENERATOR = 0x200


def capture(
    recorder: Recorder,
    function: Any,
    name: str | None,
    namespace: str | None,
    kinds: Mapping[str, Any] = EMPTY,
) -> Any:
    """The function, or the classmethod or staticmethod object, wrapped. Raises TypeError for a class.

    kinds: what wraps functions of a kind (PLAIN, COROUTINE) in place of what is here.
    """
    if isinstance(function, (classmethod, staticmethod)):
        return type(function)(capture(recorder, function.__func__, name, namespace, kinds))
    if isinstance(function, type) or not callable(function):
        raise TypeError(
            f"capture decorates functions and methods; {function!r} is "
            f"{'a class' if isinstance(function, type) else 'none'}. Decorate its methods instead."
        )
    if name is None:
        name = getattr(function, "__name__", None) or type(function).__name__
    flags = _flags(function)
    if flags & _ASYNC_GENERATOR:
        wrap = _async_generator
    elif flags & _COROUTINE:
        wrap = kinds.get(COROUTINE, _coroutine)
    elif flags & _GENERATOR:
        wrap = _generator
    else:
        wrap = kinds.get(PLAIN, _plain)
    return functools.wraps(function)(wrap(recorder, function, name, namespace))


def is_coroutine_function(function: Any) -> bool:
    """Whether a call gives a coroutine."""
    return bool(_flags(function) & _COROUTINE)


def _flags(function: Any) -> int:
    while isinstance(function, functools.partial):
        function = function.func
    function = getattr(function, "__func__", function)
    code = getattr(function, "__code__", None)
    if code is None:  # an object with a method __call__
        code = getattr(vars(type(function)).get("__call__"), "__code__", None)
    flags: int = getattr(code, "co_flags", 0)
    inspect = sys.modules.get("inspect")
    if inspect is not None and inspect.iscoroutinefunction(function):
        flags |= _COROUTINE  # marked as one, by inspect.markcoroutinefunction
    return flags


def _plain(recorder: Recorder, function: Function, name: str, namespace: str | None) -> Function:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with recorder.in_subsegment(name, namespace):
            return function(*args, **kwargs)

    return wrapper


def _coroutine(
    recorder: Recorder, function: Function, name: str, namespace: str | None
) -> Function:
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        with recorder.in_subsegment(name, namespace):
            return await function(*args, **kwargs)

    return wrapper


class _Inside:
    """`with inside:` around each step of a generator: its subsegment, or what its own code made
    current before it last paused, is current within, and what was current before is afterwards.
    """

    __slots__ = ("_context", "_here", "_outside", "_subsegment")

    def __init__(self, recorder: Recorder, name: str, namespace: str | None) -> None:
        self._subsegment = recorder.in_subsegment(name, namespace)
        self._context = context = recorder.context
        outside = context.get()
        self._subsegment.__enter__()
        self._here = context.get()
        context.set(outside)

    def __enter__(self) -> None:
        self._outside = self._context.get()
        self._context.set(self._here)

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if isinstance(error, (StopIteration, StopAsyncIteration)):
            self._subsegment.__exit__(None, None, None)
        elif error is not None:
            self._subsegment.__exit__(kind, error, traceback)
        self._here = self._context.get()
        self._context.set(self._outside)
        self._outside = None

    def end(self) -> None:
        """End the subsegment of a generator that was closed."""
        with self:
            self._subsegment.__exit__(None, None, None)


def _generator(
    recorder: Recorder, function: Function, name: str, namespace: str | None
) -> Function:
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        generator = function(*args, **kwargs)
        inside = _Inside(recorder, name, namespace)
        step, argument = generator.send, None
        while True:
            try:
                with inside:
                    value = step(argument)
            except StopIteration as stop:
                return stop.value
            try:
                step, argument = generator.send, (yield value)
            except GeneratorExit:
                with inside:
                    generator.close()
                inside.end()
                raise
            except BaseException as error:
                step, argument = generator.throw, error

    return wrapper


def _async_generator(
    recorder: Recorder, function: Function, name: str, namespace: str | None
) -> Function:
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        generator = function(*args, **kwargs)
        inside = _Inside(recorder, name, namespace)
        step, argument = generator.asend, None
        while True:
            try:
                with inside:
                    value = await step(argument)
            except StopAsyncIteration:
                return
            try:
                step, argument = generator.asend, (yield value)
            except GeneratorExit:
                with inside:
                    await generator.aclose()
                inside.end()
                raise
            except BaseException as error:
                step, argument = generator.athrow, error

    return wrapper
