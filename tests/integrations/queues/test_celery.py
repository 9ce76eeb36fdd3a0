"""Celery: a task that is sent and its work in a worker are one trace, whatever the worker's pool."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import xtrace
from tests.helpers import Received, entities_in, eventually, listening, port_of

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.library("celery", "sync")

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
QUEUES = ["celery", "mails"]


@pytest.fixture
def celery(monkeypatch: pytest.MonkeyPatch, redis_server: Any) -> Iterator[Any]:
    """The application, in this process, on the real broker."""
    import redis
    from kombu import pools

    from tests.integrations.queues import celery_app

    xtrace.patch(["celery", "redis"])
    celery_app.app.conf.broker_url = redis_server.url
    celery_app.app.conf.task_always_eager = False
    client = redis.Redis.from_url(redis_server.url)
    client.delete(*QUEUES)
    change_back = xtrace.recorder.override(service="shop")
    yield celery_app
    change_back()
    client.delete(*QUEUES)
    client.close()
    pools.reset()  # connections to the broker, which kombu keeps for the process
    celery_app.app._pool = celery_app.app.amqp._producer_pool = None
    xtrace.unpatch()


class FromWorker(Received):
    """What a worker's processes have sent."""

    def segments(self) -> list[dict[str, Any]]:
        """Those of the worker."""
        return [each for each in self.documents if each["name"] == "worker"]


@contextmanager
def worker(celery: Any, *options: str) -> Iterator[FromWorker]:
    """A worker, until the with block ends; what it has sent."""
    with listening() as daemon, FromWorker(daemon) as received:
        environment = {
            **os.environ,
            "AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{port_of(daemon)}",
            "BROKER": celery.app.conf.broker_url,
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "default",
        }
        command = [sys.executable, "-m", "celery", "-A", "tests.integrations.queues.celery_app"]
        running = subprocess.Popen(
            [*command, "worker", "-Q", ",".join(QUEUES), "--without-mingle", *options],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield received
        finally:
            running.send_signal(signal.SIGTERM)
            output, _ = running.communicate(timeout=60)
    assert running.returncode == 0, output


POOLS = {
    "solo": ["--pool=solo"],
    "threads": ["--pool=threads", "--concurrency=4"],
    "prefork": ["--pool=prefork", "--concurrency=2"],
    "gevent": ["--pool=gevent", "--concurrency=4"],
}


@pytest.mark.parametrize("pool", POOLS)
def test_work_is_a_segment_in_the_trace_of_its_sender(celery, traces, pool):
    with worker(celery, *POOLS[pool]) as received:
        for number in range(10):
            with xtrace.in_segment():
                celery.add.delay(number, 1)
        with xtrace.in_segment():
            celery.mail.delay()
        eventually(lambda: len(received.segments()) == 11, 60)
    sendings = {each["id"]: each for each in traces.subsegments}
    assert len(sendings) == 11
    for segment in received.segments():
        sending = sendings.pop(segment["parent_id"])
        about = segment["annotations"]
        assert about["task_name"] == sending["annotations"]["task_name"]
        assert about["task_id"] == sending["annotations"]["task_id"]
        assert (
            about["queue"]
            == sending["name"]
            == ("mails" if "mail" in about["task_name"] else "celery")
        )
        assert 0 <= about["queued_seconds"] < 60
        assert sending["namespace"] == "remote"
        (sender,) = (s for s in traces.segments if s["trace_id"] == segment["trace_id"])
        assert sender["name"] == "shop"
    assert not sendings
    parts = [e for e in entities_in(received.documents) if e["name"] == "adding"]
    assert len(parts) == 10


def test_a_failure_is_a_fault_with_its_own_exception(celery, traces):
    with worker(celery, "--pool=solo") as received:
        with xtrace.in_segment():
            celery.fails.delay()
        eventually(received.segments, 60)
    (segment,) = received.segments()
    assert segment["fault"] is True
    (exception,) = segment["cause"]["exceptions"]
    assert (exception["type"], exception["message"]) == ("ValueError", "boom")


def test_a_retry_follows_the_attempt_that_failed(celery, traces):
    with worker(celery, "--pool=solo") as received:
        with xtrace.in_segment() as sender:
            celery.retried.delay()
        eventually(lambda: len(received.segments()) == 2, 60)
    first, second = sorted(received.segments(), key=lambda each: each["start_time"])
    assert first["trace_id"] == second["trace_id"] == sender.trace_id
    assert first["annotations"]["retried"] is True
    assert "fault" not in first
    assert first["cause"]["exceptions"][0]["type"] == "OSError"
    (again,) = first["subsegments"]
    assert again["name"] == "celery"
    assert second["parent_id"] == again["id"]
    assert second["annotations"]["retries"] == 1
    assert "cause" not in second


def test_a_task_that_sends_another_is_its_sender(celery, traces):
    with worker(celery, "--pool=solo") as received:
        with xtrace.in_segment():
            celery.follow.delay()
        eventually(lambda: len(received.segments()) == 2, 60)
    by_task = {each["annotations"]["task_name"]: each for each in received.segments()}
    (sending,) = by_task["shop.chain"]["subsegments"]
    assert by_task["shop.add"]["parent_id"] == sending["id"]


def test_unsampled_senders_have_unsampled_work(celery, traces):
    with worker(celery, "--pool=solo") as received:
        with xtrace.in_segment(sampling=False):
            celery.add.delay(1, 2)
        with xtrace.in_segment():
            celery.mail.delay()
        celery.add.delay(1, 2)  # without a trace: the worker begins one
        eventually(lambda: len(received.segments()) == 2, 60)
    assert [each["annotations"]["task_name"] for each in received.segments()] == [
        "shop.mail",
        "shop.add",
    ]
    assert "parent_id" not in received.segments()[1]


def test_headers_of_the_application_stay(celery, traces):
    headers = {"mine": "1"}
    with worker(celery, "--pool=solo") as received:
        with xtrace.in_segment():
            celery.add.apply_async((1, 2), headers=headers)
        eventually(received.segments, 60)
    assert headers == {"mine": "1"}


def test_run_at_once_it_is_a_part_of_its_sender(celery, traces):
    celery.app.conf.task_always_eager = True
    with xtrace.in_segment():
        assert celery.add.delay(1, 2).get() == 3
        with pytest.raises(ValueError, match="boom"):
            celery.fails.apply(throw=True)
    (segment,) = traces.segments
    added, failed = segment["subsegments"]
    assert added["name"] == "shop.add"
    assert added["subsegments"][0]["name"] == "adding"
    assert failed["fault"] is True
    assert len(traces.segments) == 1


def test_a_broker_that_is_gone_is_recorded_and_raised_as_ever(celery, traces):
    from kombu.exceptions import OperationalError

    options = {
        "retry": False,
        "connection": celery.app.connection_for_write("redis://127.0.0.1:1/0"),
    }
    with xtrace.in_segment(), pytest.raises(OperationalError):
        celery.add.apply_async((1, 2), **options)
    (sending,) = traces.subsegments
    assert sending["fault"] is True
    assert "127.0.0.1" not in sending["name"]


def test_work_may_begin_a_trace_with_a_link_to_its_sender(celery, traces, monkeypatch):
    monkeypatch.setenv("XTRACE_LINK_MESSAGES", "true")
    with worker(celery, "--pool=solo") as received:
        with xtrace.in_segment() as sender:
            celery.add.delay(1, 2)
        eventually(received.segments, 60)
    (segment,) = received.segments()
    assert segment["trace_id"] != sender.trace_id
    assert segment["links"] == [{"trace_id": sender.trace_id, "id": traces.subsegments[0]["id"]}]


TASKS = int(os.environ.get("XTRACE_TEST_CELERY_TASKS", "60"))


def test_a_process_for_each_task_loses_nothing(celery, traces):
    with worker(celery, "--pool=prefork", "--concurrency=4", "--max-tasks-per-child=1") as received:
        with xtrace.in_segment():
            for number in range(TASKS):
                celery.add.delay(number, 1)
        eventually(lambda: len(received.segments()) == TASKS, 30 + TASKS)
    senders = {each["id"] for each in traces.subsegments}
    assert len(senders) == TASKS
    assert {each["parent_id"] for each in received.segments()} == senders
