"""RQ: a job and its work are one trace, in a process of its own or not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

import xtrace
from tests.helpers import listening, port_of, received
from tests.integrations.queues import rq_jobs

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.library("rq", "sync"),
    # Its own, of a way to name connections that redis-py gives up.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:rq"),
]

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


@pytest.fixture
def queue(redis_server: Any) -> Iterator[Any]:
    """A queue of the test's own, patched."""
    from rq import Queue

    xtrace.patch(["rq", "redis"])
    change_back = xtrace.recorder.override(service="shop")
    connection = Redis.from_url(redis_server.url)
    queue = Queue(f"jobs{os.getpid()}", connection=connection)
    queue.empty()
    yield queue
    queue.delete(delete_jobs=True)
    connection.close()
    change_back()
    xtrace.unpatch()


def worked(
    queue: Any, redis_server: Any, count: int, kind: str = "fork", **environment: str
) -> Any:
    """What a worker has sent of so many jobs."""
    with listening() as daemon:
        environment = {
            **os.environ,
            "AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{port_of(daemon)}",
            "PYTHONPATH": str(ROOT),
            **environment,
        }
        run = [sys.executable, HERE / "rq_worker.py", redis_server.url, queue.name, kind]
        done = subprocess.run(run, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return received(daemon, count)


@pytest.mark.parametrize("kind", ["fork", "simple"])
def test_a_job_is_a_segment_in_the_trace_of_who_enqueued_it(queue, redis_server, traces, kind):
    with xtrace.in_segment() as sender:
        job = queue.enqueue(rq_jobs.add, 1, 2, meta={"mine": 1})
        queue.enqueue(rq_jobs.fails)
    assert job.meta["mine"] == 1
    added, failed = worked(queue, redis_server, 2, kind)
    first, second = traces.subsegments
    assert first["name"] == queue.name
    assert first["namespace"] == "remote"
    assert first["annotations"] == {
        "task_name": "tests.integrations.queues.rq_jobs.add",
        "task_id": job.id,
    }
    assert added["trace_id"] == failed["trace_id"] == sender.trace_id
    assert [added["parent_id"], failed["parent_id"]] == [first["id"], second["id"]]
    assert 0 <= added["annotations"].pop("queued_seconds") < 60
    assert added["annotations"] == {**first["annotations"], "queue": queue.name}
    assert added["subsegments"][0]["name"] == "adding"
    assert failed["fault"] is True
    assert failed["cause"]["exceptions"][0]["message"] == "boom"


def test_many_at_once_and_without_a_trace(queue, redis_server, traces):
    from rq import Queue

    with xtrace.in_segment():
        prepared = [Queue.prepare_data(rq_jobs.add, (number, 1)) for number in range(5)]
        queue.enqueue_many(prepared)
    queue.enqueue(rq_jobs.add, 1, 1)
    segments = worked(queue, redis_server, 6)
    (sending,) = traces.subsegments
    assert sending["metadata"]["rq"] == {"jobs": 5}
    parents = [segment.get("parent_id") for segment in segments]
    assert parents == [sending["id"]] * 5 + [None]


def test_unsampled_work_stays_so(queue, redis_server, traces):
    with xtrace.in_segment(sampling=False):
        queue.enqueue(rq_jobs.add, 1, 1)
    with xtrace.in_segment() as sampled:
        queue.enqueue(rq_jobs.add, 1, 1)
    (segment,) = worked(queue, redis_server, 1)
    assert segment["trace_id"] == sampled.trace_id


def test_a_queue_that_cannot_be_reached_is_recorded_and_raised(traces):
    from redis.exceptions import ConnectionError as Unreachable
    from rq import Queue

    xtrace.patch("rq")
    lost = Queue("lost", connection=Redis(port=1))
    with xtrace.in_segment("a"), pytest.raises(Unreachable):
        lost.enqueue(rq_jobs.add, 1, 2)
    xtrace.unpatch()
    (sending,) = traces.subsegments
    assert sending["fault"] is True
