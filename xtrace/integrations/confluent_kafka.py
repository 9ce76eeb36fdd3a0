"""Trace confluent_kafka's producers: a record that is produced is a subsegment, and carries the trace.

Producer is a class of C's that can't be changed in place: confluent_kafka.Producer becomes a subclass
of it, which keeps isinstance and the application's own subclasses. A name that was imported from
there before stays the untraced class. SerializingProducer is Python's, and is wrapped.

A consumer's messages are worked on by `for message in xtrace.messages(consumer.consume(100))`.
"""

from __future__ import annotations

import functools

import confluent_kafka

from ._queues import sending, sent
from ._wrap import argument, with_argument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._wrap import Patcher

_HEADERS_POSITION = 7  # of C's produce(), self not counted


def patch(patcher: Patcher) -> None:
    """Replace Producer by a subclass; wrap SerializingProducer.produce."""
    producer: Any = confluent_kafka.Producer
    patcher.replace(confluent_kafka, "Producer", _traced(producer))
    if hasattr(confluent_kafka, "SerializingProducer"):
        patcher.wrap(confluent_kafka.SerializingProducer, "produce", _produce)


def _traced(base: Any) -> Any:
    """A subclass of a class of producers that traces what they produce."""
    base_produce = base.produce

    @functools.wraps(base_produce)
    def produce(self: Any, *args: Any, **kwargs: Any) -> Any:
        return _produce(functools.partial(base_produce, self), self, args, kwargs)

    names = {"__doc__": base.__doc__, "__module__": base.__module__, "produce": produce}
    return type(base.__name__, (base,), names)


def _produce(
    produce: Callable[..., Any], producer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    carrier: dict[str, str] = {}
    call = sending("confluent_kafka", str(argument(args, kwargs, 0, "topic")), carrier)
    if carrier:
        given = argument(args, kwargs, _HEADERS_POSITION, "headers") or ()
        pairs = given.items() if isinstance(given, dict) else given
        headers = [*pairs, *((name, value.encode()) for name, value in carrier.items())]
        args, kwargs = with_argument(args, kwargs, _HEADERS_POSITION, "headers", headers)
    return sent(call, produce, args, kwargs)
