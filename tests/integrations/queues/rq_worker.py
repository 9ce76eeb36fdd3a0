"""A worker of RQ that works until its queue is empty: python rq_worker.py URL QUEUE."""

from __future__ import annotations

import sys

from redis import Redis

import xtrace

xtrace.configure(service="worker", sampling=False)
xtrace.patch(["rq", "redis"])

from rq import Queue, SimpleWorker, Worker  # noqa: E402

url, name, kind = sys.argv[1:]
connection = Redis.from_url(url)
workers = {"fork": Worker, "simple": SimpleWorker}
workers[kind]([Queue(name, connection=connection)], connection=connection).work(burst=True)
