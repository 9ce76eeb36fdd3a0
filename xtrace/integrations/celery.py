"""Trace Celery: a task that is sent is a subsegment, its work in a worker a segment of the same trace,
or, run at once (eagerly) or by a task, a subsegment.

Every task is sent by Celery.send_task; workers say by Celery's signals when work begins and ends.
A retry is sent once more, by the attempt that failed, and so follows it in the trace.
"""

from __future__ import annotations

import sys
import time
from datetime import datetime
from functools import partial

from celery import signals
from celery.app.base import Celery

from .. import faults
from ..default import recorder
from ._outgoing import finished
from ._queues import annotate, begin_work, current_sending, end_work, producer_in, sending
from ._wrap import argument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._wrap import Patcher

_SENT_AT = "xtrace-sent-at"
"""Header of a message: when it was sent, in epoch seconds. Celery's own have no such time."""

_WORK = "_xtrace_work"
_ERROR = "_xtrace_error"


def patch(patcher: Patcher) -> None:
    """Wrap send_task; listen to Celery's signals."""
    patcher.wrap(Celery, "send_task", _send)
    for signal, listener in (
        (signals.before_task_publish, _name_queue),
        (signals.task_prerun, _begin),
        (signals.task_failure, _failed),
        (signals.task_retry, _retried),
        (signals.task_postrun, _end),
        (signals.worker_process_shutdown, _flush),
    ):
        signal.connect(listener, weak=False)
        patcher.on_undo(partial(signal.disconnect, listener))


# -- producers ---------------------------------------------------------------------------------


def _send(send: Callable[..., Any], app: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    headers: dict[str, Any] = {}
    task, task_id = argument(args, kwargs, 0, "name"), argument(args, kwargs, 5, "task_id")
    about = {"task_name": task, "task_id": task_id}
    call = sending("celery", "celery", headers, about)
    if headers:
        given = kwargs.get("headers")
        kwargs = {**kwargs, "headers": {**(given or {}), **headers, _SENT_AT: time.time()}}
    if call is None:
        return send(*args, **kwargs)
    try:
        result = send(*args, **kwargs)
    except BaseException as error:
        finished(call, error)
        raise
    with faults.absorb("integration:celery"):
        annotate(call, {"task_id": result.id})
    finished(call)
    return result


def _name_queue(routing_key: str | None = None, exchange: str | None = None, **_: object) -> None:
    """Celery has found out where the message goes."""
    call = current_sending()
    if call is not None:
        call.name = routing_key or exchange or call.name


# -- workers -----------------------------------------------------------------------------------


def _begin(task_id: str | None = None, task: Any = None, **_: object) -> None:
    if not recorder.enabled:
        return
    with faults.absorb("integration:celery"):
        request = task.request
        headers = request.headers or {}
        work = begin_work(
            producer_in(headers),
            part=task.name,
            about={
                "task_name": task.name,
                "task_id": task_id,
                "queue": (request.delivery_info or {}).get("routing_key"),
                "retries": request.retries or None,
            },
            queued_seconds=_queued(headers, request),
        )
        setattr(request, _WORK, work)


def _queued(headers: Any, request: Any) -> float | None:
    """How long the message has waited since it was sent, or since it was due."""
    sent_at = headers.get(_SENT_AT)
    if not isinstance(sent_at, (int, float)):
        return None
    due = request.eta
    if isinstance(due, str):
        due = datetime.fromisoformat(due.replace("Z", "+00:00"))
    since = max(sent_at, due.timestamp()) if due is not None else sent_at
    return time.time() - since


def _failed(sender: Any = None, exception: BaseException | None = None, **_: object) -> None:
    with faults.absorb("integration:celery"):
        setattr(sender.request, _ERROR, exception)


def _retried(request: Any = None, reason: Any = None, **_: object) -> None:
    """The attempt has failed, and another will follow: neither an error yet nor a fault."""
    with faults.absorb("integration:celery"):
        work = getattr(request, _WORK, None)
        if work is not None:
            work.put_annotation("retried", True)
            reason = getattr(reason, "exc", None) or reason  # why, not that
            if isinstance(reason, BaseException):
                work.add_exception(reason, fault=False)


def _end(task: Any = None, state: str | None = None, **_: object) -> None:
    with faults.absorb("integration:celery"):
        request = task.request
        work = request.__dict__.pop(_WORK, None)
        error = request.__dict__.pop(_ERROR, None)
        if (
            error is None and state is None
        ):  # it leaves the task as it is, as apply(throw=True) asks
            error = sys.exc_info()[1]
        end_work(work, error)


def _flush(**_: object) -> None:
    """A process of a worker's pool ends without Python's exit functions."""
    with faults.absorb("integration:celery"):
        recorder.flush()
