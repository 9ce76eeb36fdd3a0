"""Trace RQ: a job that is enqueued is a subsegment, its work in a worker a segment of the same trace.

The trace header travels in the job's meta. Workers run a job by Job.perform, most of them in a
process of its own, which ends without Python's exit functions.
"""

from __future__ import annotations

import time
from datetime import timezone

from rq.job import Job
from rq.queue import Queue
from rq.worker import BaseWorker

from .. import faults
from ..default import recorder
from ._outgoing import finished
from ._queues import annotate, begin_work, current_sending, producer_in, sending, worked_on

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._wrap import Patcher

_SENDS = ("enqueue_call", "enqueue_many", "enqueue_at", "enqueue_in", "enqueue_job")


def patch(patcher: Patcher) -> None:
    """Wrap what enqueues, what makes jobs, and what performs them."""
    for name in _SENDS:
        patcher.wrap(Queue, name, _enqueue)
    patcher.wrap(Queue, "create_job", _create)
    patcher.wrap(Job, "perform", _perform)
    patcher.wrap(BaseWorker, "perform_job", _perform_and_flush)


def _enqueue(
    enqueue: Callable[..., Any], queue: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    call = sending("rq", queue.name, None)
    if call is None:
        return enqueue(*args, **kwargs)
    try:
        result = enqueue(*args, **kwargs)
    except BaseException as error:
        finished(call, error)
        raise
    with faults.absorb("integration:rq"):
        jobs = result if isinstance(result, list) else [result]
        if len(jobs) == 1:
            annotate(call, {"task_name": jobs[0].func_name, "task_id": jobs[0].id})
        else:
            call.put_metadata("jobs", len(jobs), "rq")
    finished(call)
    return result


def _create(
    create: Callable[..., Any], queue: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    job = create(*args, **kwargs)
    with faults.absorb("integration:rq"):
        carrier: dict[str, str] = {}
        recorder.inject(carrier, current_sending())
        if carrier:
            job.meta = {**carrier, **(job.meta or {})}
    return job


def _perform(
    perform: Callable[..., Any], job: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    work = None
    with faults.absorb("integration:rq"):
        if recorder.enabled:
            about = {"task_name": job.func_name, "task_id": job.id, "queue": job.origin or None}
            work = begin_work(
                producer_in(job.meta), part=job.func_name, about=about, queued_seconds=_queued(job)
            )
    return worked_on(work, perform, args, kwargs)


def _queued(job: Any) -> float | None:
    since = job.enqueued_at
    if since is None:
        return None
    if since.tzinfo is None:  # of an older RQ: in UTC
        since = since.replace(tzinfo=timezone.utc)
    queued: float = time.time() - since.timestamp()
    return queued


def _perform_and_flush(
    perform: Callable[..., Any], worker: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    try:
        return perform(*args, **kwargs)
    finally:
        with faults.absorb("integration:rq"):
            if worker.is_horse:
                recorder.flush()
