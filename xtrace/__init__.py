"""X-Ray-compatible tracing for Python: segments, subsegments, sampling, and the libraries you use.

    import xtrace

    xtrace.configure(service="shop")
    xtrace.patch_all()

    @xtrace.capture
    def checkout(cart): ...

    with xtrace.in_segment():
        checkout(cart)

Importing defines things and starts nothing: no thread, no socket, no file.
"""

from __future__ import annotations

from ._version import __version__
from .default import recorder
from .header import TraceHeader, extract
from .model import Segment, Subsegment
from .recorder import Recorder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .integrations._messages import Messages

__all__ = [
    "Recorder",
    "Segment",
    "Subsegment",
    "TraceHeader",
    "__version__",
    "attach",
    "begin_segment",
    "begin_subsegment",
    "capture",
    "configure",
    "current_segment",
    "current_subsegment",
    "end_segment",
    "end_subsegment",
    "extract",
    "flush",
    "in_segment",
    "in_subsegment",
    "inject",
    "is_sampled",
    "lambda_handler",
    "messages",
    "patch",
    "patch_all",
    "put_annotation",
    "put_metadata",
    "recorder",
    "stats",
    "unpatch",
    "xray_recorder",
]

xray_recorder = recorder
"""The recorder of this process, by the name that X-Ray users know."""

attach = recorder.attach
begin_segment = recorder.begin_segment
begin_subsegment = recorder.begin_subsegment
capture = recorder.capture
configure = recorder.configure
current_segment = recorder.current_segment
current_subsegment = recorder.current_subsegment
end_segment = recorder.end_segment
end_subsegment = recorder.end_subsegment
flush = recorder.flush
in_segment = recorder.in_segment
in_subsegment = recorder.in_subsegment
inject = recorder.inject
is_sampled = recorder.is_sampled
lambda_handler = recorder.lambda_handler
put_annotation = recorder.put_annotation
put_metadata = recorder.put_metadata
stats = recorder.stats


def patch(libraries: str | Iterable[str]) -> None:
    """Trace the calls of libraries: "requests", or ["requests", "sqlite3"].

    A library that isn't imported yet is patched when it is. Patching twice changes nothing.
    Raises UnknownIntegration for a name that xtrace has no integration for.
    """
    from .integrations import patch

    patch(libraries)


def patch_all() -> None:
    """Trace the calls of every library that xtrace has an integration for."""
    from .integrations import patch_all

    patch_all()


def unpatch(libraries: str | Iterable[str] | None = None) -> None:
    """Put back what patch() changed, for these libraries or for all."""
    from .integrations import unpatch

    unpatch(libraries)


def messages(received: Any, name: str | None = None, *, link: bool | None = None) -> Messages:
    """The messages that were received from a queue; work on each joins its producer's trace.

    `for message in xtrace.messages(response):` has a segment for each, or, where a segment is open,
    a subsegment of it, and a link to the producer's trace. `with xtrace.messages(response) as batch:`
    has one segment for all: of the trace that they share, else with a link to each.

    received: SQS's answer of ReceiveMessage, an event of Lambda's with Records, a consumer of Kafka's
    or what it has received, messages of RabbitMQ's, a list, or one message.
    name: of the segments, the service's unless given, or of the subsegments. link=True: never
    continue a trace, link to it; None leaves it to the setting link_messages.
    """
    from .integrations._messages import Messages

    return Messages(received, name, link)
