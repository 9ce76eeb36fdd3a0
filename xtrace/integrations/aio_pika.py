"""Trace aio_pika: a message that is published is a subsegment and carries the trace; a consumer's
callback works on each in a segment of that trace.

What an iterator of a queue gives is worked on by `with xtrace.messages(message):`.
"""

from __future__ import annotations

import copy
from functools import wraps

from aio_pika.exchange import Exchange
from aio_pika.queue import Queue, QueueIterator

from ..default import recorder
from ._outgoing import finished
from ._queues import begin_work, end_work, producer_in, sending
from ._wrap import argument, with_argument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._wrap import Patcher


def patch(patcher: Patcher) -> None:
    """Wrap Exchange.publish and Queue.consume; robust ones call these."""
    patcher.wrap(Exchange, "publish", _publish)
    patcher.wrap(Queue, "consume", _consume)


async def _publish(
    publish: Callable[..., Any], exchange: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    carrier: dict[str, str] = {}
    message = argument(args, kwargs, 0, "message")
    name = exchange.name or argument(args, kwargs, 1, "routing_key")
    call = sending("aio_pika", str(name or ""), carrier)
    if carrier:
        message = copy.copy(message)
        message.headers = {**(message.headers or {}), **carrier}
        args, kwargs = with_argument(args, kwargs, 0, "message", message)
    if call is None:
        return await publish(*args, **kwargs)
    try:
        result = await publish(*args, **kwargs)
    except BaseException as error:
        finished(call, error)
        raise
    finished(call)
    return result


def _consume(
    consume: Callable[..., Any], queue: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    callback = argument(args, kwargs, 0, "callback")
    # An iterator takes messages for an application that works on them elsewhere.
    if callable(callback) and not isinstance(getattr(callback, "__self__", None), QueueIterator):
        traced = _traced(callback, str(queue.name))
        args, kwargs = with_argument(args, kwargs, 0, "callback", traced)
    return consume(*args, **kwargs)


def _traced(callback: Callable[..., Any], queue: str) -> Callable[..., Any]:
    @wraps(callback, assigned=("__doc__", "__name__", "__qualname__", "__module__"))
    async def with_its_trace(message: Any) -> Any:
        if not recorder.enabled:
            return await callback(message)
        work = begin_work(producer_in(message.headers), part=queue, about={"queue": queue})
        try:
            result = await callback(message)
        except BaseException as error:
            end_work(work, error)
            raise
        end_work(work)
        return result

    return with_its_trace
