"""Trace kafka-python's producers: a record that is sent is a subsegment, and carries the trace.

A consumer's records are worked on by `for record in xtrace.messages(consumer)`.
"""

from __future__ import annotations

from kafka import KafkaProducer

from ._queues import sending, sent
from ._wrap import argument, with_argument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._wrap import Patcher

_HEADERS_POSITION = 3


def patch(patcher: Patcher) -> None:
    """Wrap KafkaProducer.send. It puts the record into a buffer; the future says what became of it."""
    patcher.wrap(KafkaProducer, "send", _send)


def _send(
    send: Callable[..., Any], producer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    carrier: dict[str, str] = {}
    call = sending("kafka", str(argument(args, kwargs, 0, "topic")), carrier)
    if carrier:
        added = [(name, value.encode()) for name, value in carrier.items()]
        headers = [*(argument(args, kwargs, _HEADERS_POSITION, "headers") or ()), *added]
        args, kwargs = with_argument(args, kwargs, _HEADERS_POSITION, "headers", headers)
    return sent(call, send, args, kwargs)
