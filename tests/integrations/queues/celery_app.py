"""The Celery application of the tests; its broker and the daemon's address are in the environment."""

from __future__ import annotations

import os

from celery import Celery

import xtrace

xtrace.configure(service="worker", sampling=False)
xtrace.patch(["celery", "redis"])

app = Celery("shop", broker=os.environ.get("BROKER", "memory://"))
app.conf.task_ignore_result = True
app.conf.worker_hijack_root_logger = False
app.conf.broker_connection_retry_on_startup = True
app.conf.task_routes = {"*.mail": {"queue": "mails"}}


@app.task(name="shop.add")
def add(a: int, b: int) -> int:
    """With a part of its own."""
    with xtrace.in_subsegment("adding"):
        return a + b


@app.task(name="shop.mail")
def mail() -> None:
    """In a queue of its own."""


@app.task(name="shop.fails")
def fails() -> None:
    """Always."""
    raise ValueError("boom")


@app.task(name="shop.retried", bind=True, max_retries=1)
def retried(self) -> None:
    """Fails once."""
    if not self.request.retries:
        raise self.retry(exc=OSError("not yet"), countdown=0)


@app.task(name="shop.chain")
def follow() -> None:
    """Sends another."""
    add.delay(1, 2)
