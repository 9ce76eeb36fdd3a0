"""The handler of a Lambda function as a subsegment, and a trace of it if it runs into its timeout."""

from __future__ import annotations

import functools
import os
import sys
import time
from threading import Condition, get_ident

from .. import faults, forks
from ..decorator import is_coroutine_function
from . import lambda_

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from typing import Any

    from ..model import Subsegment
    from ..recorder import Recorder

RESERVE_SECONDS = 0.2
"""So long before the function's time is over, what is open is sent as in progress."""

FLUSH_SECONDS = 0.5
"""How long the end of an invocation waits, at most, for emitters that don't send at once."""

LAMBDA = "lambda"
"""Metadata namespace for what a handler was doing when its time was nearly over."""


def traced_handler(
    recorder: Recorder, function: Callable[..., Any], name: str | None, reserve_seconds: float
) -> Callable[..., Any]:
    """The handler, wrapped. Raises TypeError for what Lambda can't call as a handler."""
    if not callable(function) or is_coroutine_function(function):
        raise TypeError(
            f"lambda_handler decorates a plain function; {function!r} is none. For asynchronous "
            "code write a plain handler that calls asyncio.run(main(event, context))."
        )
    called = name or getattr(function, "__name__", None) or type(function).__name__

    def handler(*args: Any, **kwargs: Any) -> Any:
        subsegment = recorder.in_call(called, None)
        if not subsegment.sampled:
            return function(*args, **kwargs)
        try:
            with subsegment, _Guard(recorder, subsegment, args, kwargs, reserve_seconds):
                return function(*args, **kwargs)
        finally:
            recorder.flush(FLUSH_SECONDS)

    return functools.wraps(function)(handler)


class _Guard:
    """`with guard:` around a handler. Outside of Lambda it does nothing."""

    __slots__ = ("_left", "_recorder", "_reserve", "_subsegment", "_thread")

    def __init__(
        self,
        recorder: Recorder,
        subsegment: Subsegment,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        reserve_seconds: float,
    ) -> None:
        self._recorder = recorder
        self._subsegment = subsegment
        self._thread = get_ident()
        self._reserve = reserve_seconds
        self._left: float | None = None
        if isinstance(recorder.context, lambda_.LambdaContext):
            with faults.absorb("lambda"):
                self._left = _seconds_left((*args, *kwargs.values()))

    def __enter__(self) -> None:
        left = self._left
        if left is not None:
            # A function that has hardly any time at all gets half of it.
            _watch.arm(self, max(left - self._reserve, left / 2))

    def __exit__(self, *error: object) -> None:
        if self._left is not None:
            _watch.disarm(self)

    def strike(self) -> None:
        """The time is nearly over: the sandbox may freeze for good."""
        with faults.absorb("lambda"):
            frame = sys._current_frames().get(self._thread)
            at: list[str] = []
            while frame is not None and len(at) < self._recorder.max_trace_back:
                code = frame.f_code
                at.append(f"{code.co_filename}:{frame.f_lineno} in {code.co_name}")
                frame = frame.f_back
            self._subsegment.put_metadata(
                "timeout", {"seconds_reserved": self._reserve, "at": at}, LAMBDA
            )
            self._recorder.context.show_open()
            self._recorder.flush(self._reserve / 2)


def _seconds_left(arguments: tuple[Any, ...]) -> float | None:
    """What Lambda's context object among a handler's arguments says."""
    for argument in reversed(arguments):
        remaining = getattr(argument, "get_remaining_time_in_millis", None)
        if remaining is not None:
            seconds: float = remaining() / 1e3
            return max(0.0, seconds)
    return None


class _Watch:
    """One thread for all invocations, started by the first: it waits for the time of the guard."""

    def __init__(self) -> None:
        self._condition = Condition()
        self._guard: _Guard | None = None
        self._due = 0.0
        self._wakes = 0.0  # when the thread looks again; infinite if it waits to be told
        self._thread: threading.Thread | None = None

    def arm(self, guard: _Guard, seconds: float) -> None:
        """Have a guard strike after so long. While another is armed, that one does."""
        with self._condition:
            if self._guard is not None:
                return
            self._guard = guard
            self._due = time.monotonic() + seconds
            if self._thread is None:
                self._thread = forks.thread("xtrace-lambda", self._run)
                self._thread.start()
            elif self._due < self._wakes:
                self._condition.notify()

    def disarm(self, guard: _Guard) -> None:
        """It is over in time. The thread finds out by itself."""
        with self._condition:
            if self._guard is guard:
                self._guard = None

    def _run(self) -> None:
        while True:
            with self._condition:
                now = time.monotonic()
                guard = self._guard
                if guard is None:
                    self._wakes = float("inf")
                    self._condition.wait()
                    continue
                if now < self._due:
                    self._wakes = self._due
                    self._condition.wait(self._due - now)
                    continue
                self._guard = None
            guard.strike()


_watch = _Watch()


def _after_fork_in_child() -> None:
    global _watch
    _watch = _Watch()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
