"""Trace pika: a message that is published is a subsegment and carries the trace; a consumer's callback
works on each in a segment of that trace.

What basic_get() and consume() give is worked on by `xtrace.messages()`.
"""

from __future__ import annotations

import copy
from functools import wraps

from pika import BasicProperties
from pika.adapters.blocking_connection import BlockingChannel
from pika.channel import Channel

from ..default import recorder
from ._queues import begin_work, producer_in, sending, sent, worked_on
from ._wrap import argument, with_argument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._wrap import Patcher

_PROPERTIES_POSITION = 3
_CALLBACK_POSITION = 1

_NAMES = ("__doc__", "__module__", "__name__", "__qualname__")


def patch(patcher: Patcher) -> None:
    """Wrap what publishes and what takes callbacks, of blocking channels and of others."""
    for channel in (BlockingChannel, Channel):
        patcher.wrap(channel, "basic_publish", _publish)
        patcher.wrap(channel, "basic_consume", _consume)


def _publish(
    publish: Callable[..., Any], channel: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    carrier: dict[str, str] = {}
    exchange = argument(args, kwargs, 0, "exchange")
    routing_key = argument(args, kwargs, 1, "routing_key")
    call = sending("pika", str(exchange or routing_key or ""), carrier)
    if carrier:
        given = argument(args, kwargs, _PROPERTIES_POSITION, "properties")
        properties = BasicProperties() if given is None else copy.copy(given)
        properties.headers = {**(properties.headers or {}), **carrier}
        args, kwargs = with_argument(args, kwargs, _PROPERTIES_POSITION, "properties", properties)
    return sent(call, publish, args, kwargs)


def _consume(
    consume: Callable[..., Any], channel: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    callback = argument(args, kwargs, _CALLBACK_POSITION, "on_message_callback")
    # A blocking channel gives its own to the channel below, and calls the application's later.
    if callable(callback) and not isinstance(getattr(callback, "__self__", None), BlockingChannel):
        traced = _traced(callback, str(argument(args, kwargs, 0, "queue")))
        args, kwargs = with_argument(
            args, kwargs, _CALLBACK_POSITION, "on_message_callback", traced
        )
    return consume(*args, **kwargs)


def _traced(callback: Callable[..., Any], queue: str) -> Callable[..., Any]:
    @wraps(callback, assigned=_NAMES)
    def with_its_trace(*args: Any, **kwargs: Any) -> Any:
        if not recorder.enabled:
            return callback(*args, **kwargs)
        producer = producer_in(getattr(argument(args, kwargs, 2, "properties"), "headers", None))
        work = begin_work(producer, part=queue, about={"queue": queue})
        return worked_on(work, callback, args, kwargs)

    return with_its_trace
