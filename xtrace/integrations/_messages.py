"""messages(): the consumer's side of queues whose messages the application takes itself."""

from __future__ import annotations

from .. import faults, header
from ..default import recorder
from ._messaging import SQS_ATTRIBUTE
from ._queues import begin_work, end_work, link_to, producer_in, segment_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Any

    from typing_extensions import Self

    from ..header import TraceHeader
    from ..model import Entity, Segment

WORK = "message"
"""Name of the subsegment for the work on one message."""


class Messages:
    """The messages of an answer of SQS, of an event of Lambda's, of a consumer of Kafka's or of
    RabbitMQ's, one after the other.

    `for message in messages:` works on each in its producer's trace: in a segment of its own, or,
    where a segment is open, in a subsegment of that one, which is linked to the producer's trace.
    `with messages:` begins one segment for all of them.
    """

    def __init__(self, source: Any, name: str | None = None, link: bool | None = None) -> None:
        self._received = _messages_of(source)
        self._name = name
        self._link = link
        self._segment: Segment | None = None
        self._linked: set[str] = set()
        self._iterator: _Iterator | None = None
        self._is_entered = False

    def __len__(self) -> int:
        return len(self._all())

    def _all(self) -> Sequence[Any]:
        if not isinstance(self._received, list):
            raise TypeError(
                "A consumer's messages come one after the other, without an end. Give messages() "
                "those that were received together."
            )
        return self._received

    def __iter__(self) -> _Iterator:
        iterator = _Iterator(self)
        if self._is_entered:
            # Kept here it outlives the loop that an exception leaves, until __exit__ tells it.
            self._iterator = iterator
        return iterator

    def __enter__(self) -> Self:
        received = self._all()
        self._is_entered = True
        try:
            producers = [producer_of(message) for message in received]
            if recorder._get_current() is None:
                self._segment = segment_for(producers, self._name, self._link)
                self._segment.__enter__()
            self._link_to(producers)
        except Exception as error:
            faults.report("messages", "A batch isn't recorded", error)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        iterator, self._iterator = self._iterator, None
        segment, self._segment = self._segment, None
        self._is_entered = False
        if iterator is not None:
            iterator.end(error)
        if segment is not None:
            segment.__exit__(kind, error, traceback)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)

    def begin(self, message: Any) -> Entity | None:
        """Begin the work on one message, and make it current."""
        return begin_work(
            producer_of(message),
            name=self._name,
            part=WORK,
            link=self._link,
            linked=self._linked,
            in_trace=self._segment is not None,
        )

    def _link_to(self, producers: list[TraceHeader]) -> None:
        current = recorder._get_current()
        if current is not None:
            link_to(current.segment, producers, self._linked, self._segment is not None)


class _Iterator:
    """Goes through messages. The work on one ends when the next one is asked for, or the loop ends."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self._left = iter(messages._received)
        self._work: Entity | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        self.end()
        message = next(self._left)
        self._work = self._messages.begin(message)
        return message

    def end(self, error: BaseException | None = None) -> None:
        """End the work on the last message."""
        work, self._work = self._work, None
        end_work(work, error)

    def __del__(self) -> None:
        # A loop that was left early drops its iterator at once.
        self.end()


def producer_of(message: Any) -> TraceHeader:
    """What the trace header of a message says; NO_HEADER if it has none.

    message: of an answer of ReceiveMessage, a record of an event of Lambda's, boto3's Message, a
    record of kafka-python's or a message of confluent_kafka's, or one of RabbitMQ's: aio_pika's, or
    what pika's consume() and basic_get() give.
    """
    try:
        if hasattr(message, "get"):
            attributes = message.get("Attributes") or message.get("attributes")
        elif hasattr(message, "headers"):
            headers = message.headers
            return producer_in(headers() if callable(headers) else headers)
        elif isinstance(message, tuple) and len(message) == 3:  # pika's method, properties, body
            return producer_in(getattr(message[1], "headers", None))
        else:
            attributes = getattr(message, "attributes", None)
        return header.parse(attributes.get(SQS_ATTRIBUTE)) if attributes else header.NO_HEADER
    except Exception as error:
        faults.report("messages", "A message's trace isn't read", error)
        return header.NO_HEADER


def _messages_of(source: Any) -> Any:
    """The messages in what was received, a list: of an answer, an event, a batch of Kafka's by
    partition, a list, or one message itself. Of a consumer that gives them one by one, itself.
    """
    if source is None:
        return []
    if hasattr(source, "get") and hasattr(source, "items"):
        answer: Mapping[str, Any] = source
        found = answer.get("Messages", answer.get("Records"))
        if found is not None:
            return list(found)
        is_message = any(key in answer for key in ("Body", "body", "MessageId", "messageId"))
        if is_message:
            return [answer]
        batches = answer.values()  # of KafkaConsumer.poll(): {partition: [record, ...]}
        return [each for batch in batches if isinstance(batch, list) for each in batch]
    if hasattr(source, "headers"):  # one message; a record is a tuple, and aio_pika's iterates, too
        return [source]
    if hasattr(source, "__next__"):
        return source
    return list(source) if hasattr(source, "__iter__") else [source]
