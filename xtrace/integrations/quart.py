"""Trace the requests that a Quart application serves: a segment each.

    from xtrace.integrations.quart import XRayMiddleware
    XRayMiddleware(app)

or `xtrace.patch("quart")`, for all applications of the process. Background tasks are subsegments
of the request that has started them.
"""

from __future__ import annotations

from .. import faults
from ..default import recorder as default_recorder
from ._asgi import MARK, TracedApplication, trace_applications
from ._background import name_of
from ._http import add_route, check_name
from ._wrap import argument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..model import Segment
    from ..recorder import Recorder
    from ._wrap import Patcher


class XRayMiddleware:
    """Traces the requests and websockets of one application. Twice changes nothing.

    app: a quart.Quart. recorder: xtrace.recorder unless given.
    Raises SegmentNameMissing if no service name is configured.
    """

    def __init__(self, app: Any, recorder: Recorder = default_recorder) -> None:
        check_name(recorder)
        self.app = app
        self.recorder = recorder
        if not isinstance(app.asgi_app, TracedApplication):
            app.asgi_app = TracedApplication(app.asgi_app, recorder)
            for signal, receiver in _receivers():
                signal.connect(receiver, app)


def patch(patcher: Patcher) -> None:
    """Wrap Quart.__call__ and Quart.add_background_task."""
    from quart import Quart

    trace_applications(patcher, Quart)
    patcher.wrap(Quart, "add_background_task", _add_background_task)
    for signal, receiver in _receivers():
        signal.connect(receiver)
        patcher.on_undo(lambda signal=signal, receiver=receiver: signal.disconnect(receiver))  # type: ignore[misc]


def _receivers() -> list[tuple[Any, Any]]:
    from quart import signals

    return [
        (signals.request_started, _add_route),
        (signals.websocket_started, _add_route),
        (signals.got_request_exception, _add_exception),
        (signals.got_websocket_exception, _add_exception),
    ]


# Coroutine functions: Quart would call others in a thread.


async def _add_route(sender: Any, **extra: Any) -> None:
    with faults.absorb("integration:quart"):
        segment, request = _served()
        rule = getattr(request, "url_rule", None)
        if segment is not None and segment.sampled and rule is not None:
            add_route(segment, rule.rule)


async def _add_exception(sender: Any, exception: BaseException, **extra: Any) -> None:
    """Quart answers an unhandled exception with a 500 and tells only its listeners."""
    with faults.absorb("integration:quart"):
        segment, _ = _served()
        if segment is not None:
            segment.add_exception(exception)


def _served() -> tuple[Segment | None, Any]:
    """The request or websocket that is served here, and its segment."""
    import quart

    request: Any = quart.request if quart.has_request_context() else quart.websocket
    return request.scope.get(MARK), request


def _add_background_task(
    add: Callable[..., None], app: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    function = argument(args, kwargs, 0, "func")
    if not callable(function) or not default_recorder.is_sampled():
        return add(*args, **kwargs)

    async def traced(*args: Any, **kwargs: Any) -> None:
        with default_recorder.in_call(name_of(function), "local"):
            await app.ensure_async(function)(*args, **kwargs)

    return add(traced, *args[1:], **{k: v for k, v in kwargs.items() if k != "func"})
