"""The consumer's side of messages: work on a message goes on with its producer's trace."""

from __future__ import annotations

from .. import faults, header
from ..default import recorder
from ._messaging import SQS_ATTRIBUTE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType
    from typing import Any

    from typing_extensions import Self

    from ..header import TraceHeader
    from ..model import Entity, Segment

WORK = "message"
"""Name of the subsegment for the work on one message."""


class Messages:
    """The messages of an answer of SQS, or of an event of Lambda's, one after the other.

    `for message in messages:` works on each in its producer's trace: in a segment of its own, or,
    where a segment is open, in a subsegment of that one, which is linked to the producer's trace.
    `with messages:` begins one segment for all of them.
    """

    def __init__(self, source: Any, name: str | None = None, link: bool = False) -> None:
        self._messages = _messages_of(source)
        self._name = name
        self._link = link
        self._segment: Segment | None = None
        self._linked: set[str] = set()
        self._iterator: _Iterator | None = None
        self._is_entered = False

    def __len__(self) -> int:
        return len(self._messages)

    def __iter__(self) -> _Iterator:
        iterator = _Iterator(self)
        if self._is_entered:
            # Kept here it outlives the loop that an exception leaves, until __exit__ tells it.
            self._iterator = iterator
        return iterator

    def __enter__(self) -> Self:
        self._is_entered = True
        try:
            producers = [producer_of(message) for message in self._messages]
            if recorder._get_current() is None:
                self._segment = self._one_segment(producers)
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

    def begin(self, message: Any) -> Entity:
        """Begin the work on one message, and make it current."""
        producer = producer_of(message)
        work: Entity
        if recorder._get_current() is not None:
            self._link_to([producer])
            work = recorder.in_subsegment(self._name or WORK)
            if producer.root is not None and producer.root != work.trace_id:
                found = {"trace_id": producer.root, "id": producer.parent}
                work.put_metadata("producer", found, "message")
            work.__enter__()
        else:
            segment = self._one_segment([producer])
            segment.__enter__()
            self._link_to([producer], segment)
            work = segment
        return work

    def _one_segment(self, producers: list[TraceHeader]) -> Segment:
        """The segment for the work on messages, not begun yet."""
        roots = {producer.root for producer in producers}
        request = {"service": self._name or recorder.service}
        if len(roots) == 1 and None not in roots and not self._link:
            return recorder.in_segment(self._name, header=producers[0], request=request)
        # A link to what isn't kept leads nowhere: who has kept the producers' work keeps this.
        decisions = {producer.sampled for producer in producers}
        sampling = True if True in decisions else False if decisions == {False} else None
        return recorder.in_segment(self._name, sampling=sampling, request=request)

    def _link_to(self, producers: Iterable[TraceHeader], segment: Segment | None = None) -> None:
        """Link the current segment to traces that it isn't part of, or to what called it besides."""
        if segment is None:
            current = recorder._get_current()
            if current is None:
                return
            segment = current.segment
        if not (segment.sampled and getattr(recorder.context, "makes_segments", True)):
            return
        for producer in producers:
            root, parent = producer.root, producer.parent
            if (
                root is None
                or parent is None
                or parent in self._linked
                or producer.sampled is False
            ):
                continue
            if root == segment.trace_id and (segment.parent_id == parent or not self._segment):
                continue
            self._linked.add(parent)
            segment.add_link(root, parent)


class _Iterator:
    """Goes through messages. The work on one ends when the next one is asked for, or the loop ends."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self._left = iter(messages._messages)
        self._work: Entity | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        self.end()
        message = next(self._left)
        try:
            self._work = self._messages.begin(message)
        except Exception as error:
            faults.report("messages", "The work on a message isn't recorded", error)
        return message

    def end(self, error: BaseException | None = None) -> None:
        """End the work on the last message."""
        work, self._work = self._work, None
        if work is not None:
            work.__exit__(None if error is None else type(error), error, None)

    def __del__(self) -> None:
        # A loop that was left early drops its iterator at once.
        self.end()


def producer_of(message: Any) -> TraceHeader:
    """What the trace header of a message says; NO_HEADER if it has none.

    message: of an answer of ReceiveMessage, a record of an event of Lambda's, or boto3's Message.
    """
    try:
        if hasattr(message, "get"):
            attributes = message.get("Attributes") or message.get("attributes")
        else:
            attributes = getattr(message, "attributes", None)
        return header.parse(attributes.get(SQS_ATTRIBUTE)) if attributes else header.NO_HEADER
    except Exception as error:
        faults.report("messages", "A message's trace isn't read", error)
        return header.NO_HEADER


def _messages_of(source: Any) -> list[Any]:
    """The messages in what was received: an answer, an event, a list, or one message itself."""
    if source is None:
        return []
    if hasattr(source, "get"):
        answer: Mapping[str, Any] = source
        found = answer.get("Messages", answer.get("Records"))
        if found is not None:
            return list(found)
        is_message = any(key in answer for key in ("Body", "body", "MessageId", "messageId"))
        return [answer] if is_message else []
    return list(source) if hasattr(source, "__iter__") else [source]
