"""Threads, thread pools and executors keep the entity that was current where work was given to them."""

from __future__ import annotations

import asyncio
import gc
import inspect
import multiprocessing
import pickle
import sys
import threading
import weakref
from concurrent.futures import CancelledError, ProcessPoolExecutor, ThreadPoolExecutor
from logging.handlers import QueueListener
from multiprocessing.pool import ThreadPool
from queue import Queue

import pytest

import xtrace
from tests.helpers import DEADLINE_SECONDS, parents_in
from xtrace.integrations import patch, patch_all, unpatch
from xtrace.integrations._jobs import Job
from xtrace.recorder import AFTERMATH_SECONDS
from xtrace.testing import fixed_clock

ALL = ("threading", "futures", "multiprocessing")
current = xtrace.recorder.get_trace_entity


@pytest.fixture(autouse=True)
def patched(traces):
    patch(ALL)
    yield
    unpatch()


def in_thread(work, make=threading.Thread):
    """What `work` gives in a thread of its own."""
    found = []
    thread = make(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


def double(number):
    return number * 2


# -- threading.Thread ----------------------------------------------------------------------------


def test_a_thread_is_under_what_was_current_where_it_was_started(traces):
    def work():
        with xtrace.in_subsegment("in the thread"):
            return current()

    with xtrace.in_segment("request"):
        with xtrace.in_subsegment("part") as part:
            in_thread(work)
            assert current() is part
    assert traces.subsegment("in the thread") in traces.subsegment("part")["subsegments"]


def test_it_is_the_start_that_counts_not_the_making():
    found = []
    with xtrace.in_segment("one"):
        thread = threading.Thread(target=lambda: found.append(current()))
    with xtrace.in_segment("two") as two:
        thread.start()
    thread.join()
    assert found == [two]


def test_without_a_segment_a_thread_has_none_either():
    assert in_thread(current) is None


def test_an_unsampled_request_s_threads_record_nothing_and_say_so_to_others(traces):
    def work():
        with xtrace.in_subsegment("a"):
            headers = {}
            xtrace.recorder.inject(headers)
            return headers

    with xtrace.in_segment("request", sampling=False) as segment:
        headers = in_thread(work)
    assert headers["X-Amzn-Trace-Id"] == f"Root={segment.trace_id};Sampled=0"
    assert traces.documents == []


def test_a_thread_of_a_thread():
    with xtrace.in_segment("request") as segment:
        assert in_thread(lambda: in_thread(current)) is segment


def test_a_class_with_a_run_of_its_own_stays_as_it_was():
    class Worker(threading.Thread):
        def __init__(self):
            super().__init__(name="worker", daemon=True)

        def run(self):
            self.found = current(), self.name, self.daemon, type(self), vars(self).get("run")

    with xtrace.in_segment("request") as segment:
        worker = Worker()
        worker.start()
    worker.join()
    assert worker.found == (segment, "worker", True, Worker, None)
    assert worker.run.__func__ is Worker.run


def test_a_run_that_was_put_on_the_instance_is_kept():
    found = []

    def run():
        found.append(current())

    thread = threading.Thread()
    thread.run = run
    with xtrace.in_segment("request") as segment:
        thread.start()
    thread.join()
    assert found == [segment]
    assert thread.run is run


def test_another_s_start_may_call_the_function_of_run_with_the_thread(monkeypatch):
    """As Sentry's does, which is on unless it is switched off."""
    xtrace.unpatch("threading")
    start = threading.Thread.start

    def another_s(thread):
        function = getattr(thread.run, "__func__", thread.run)
        thread.run = lambda: function(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", another_s)
    xtrace.patch("threading")
    seen = []
    with xtrace.in_segment("shop") as segment:
        thread = threading.Thread(target=lambda: seen.append(xtrace.current_segment()))
        thread.start()
    thread.join()
    xtrace.unpatch("threading")
    assert seen == [segment]


def test_a_timer_is_a_thread():
    found = []
    with xtrace.in_segment("request") as segment:
        timer = threading.Timer(0, lambda: found.append(current()))
        timer.start()
    timer.join()
    assert found == [segment]


def test_a_cancelled_timer_stays_silent():
    with xtrace.in_segment("request"):
        timer = threading.Timer(60, lambda: pytest.fail("cancelled"))
        timer.start()
        timer.cancel()
    timer.join()


def test_errors_of_start_stay_the_thread_s_own():
    class Uninitialised(threading.Thread):
        def __init__(self):
            pass

    thread = threading.Thread(target=lambda: None)
    with xtrace.in_segment("request"):
        thread.start()
        thread.join()
        with pytest.raises(RuntimeError, match="only be started once"):
            thread.start()
        with pytest.raises(RuntimeError, match="__init__"):
            Uninitialised().start()
    assert "run" not in vars(thread)


def test_a_system_without_threads_leaves_no_trace(monkeypatch):
    def refuse(*args, **kwargs):
        raise RuntimeError("can't start new thread")

    name = "_start_joinable_thread" if sys.version_info >= (3, 13) else "_start_new_thread"
    monkeypatch.setattr(threading, name, refuse)
    thread = threading.Thread(target=lambda: None)
    with xtrace.in_segment("request"), pytest.raises(RuntimeError, match="can't start new"):
        thread.start()
    assert "run" not in vars(thread)


def test_who_handles_a_thread_s_failure_is_in_the_trace_too(monkeypatch):
    found = []

    def fail():
        raise ValueError("boom")

    monkeypatch.setattr(threading, "excepthook", lambda args: found.append((args, current())))
    with xtrace.in_segment("request") as segment:
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
    (args, entity) = found[0]
    assert (args.exc_type, args.thread, entity) == (ValueError, thread, segment)


def test_start_keeps_its_signature():
    wrapped = threading.Thread.start
    unpatch()
    assert inspect.signature(wrapped) == inspect.signature(threading.Thread.start)
    assert wrapped.__doc__ == threading.Thread.start.__doc__


def test_unpatched_while_threads_run_they_go_on():
    begun, go_on, found = threading.Event(), threading.Event(), []

    def work():
        begun.set()
        go_on.wait()
        found.append(current())

    with xtrace.in_segment("request") as segment:
        thread = threading.Thread(target=work)
        thread.start()
        begun.wait()
        unpatch()
        go_on.set()
        thread.join()
        assert in_thread(current) is None
    assert found == [segment]


def test_patch_all_includes_threads_and_pools():
    unpatch()
    patch_all()
    with xtrace.in_segment("request") as segment, ThreadPoolExecutor(1) as pool:
        assert in_thread(current) is segment
        assert pool.submit(current).result() is segment


# -- threads that live longer than their segment -------------------------------------------------


def test_what_a_thread_does_after_the_segment_is_sent_by_itself(traces):
    ended = threading.Event()

    def work():
        ended.wait()
        with xtrace.in_subsegment("mail"):
            pass

    with xtrace.in_segment("request"):
        thread = threading.Thread(target=work)
        thread.start()
    request = traces.segment("request")
    ended.set()
    thread.join()
    mail = traces.documents[1]
    assert (mail["type"], mail["name"]) == ("subsegment", "mail")
    assert (mail["trace_id"], mail["parent_id"]) == (request["trace_id"], request["id"])


class Worker(threading.Thread):
    """Does what comes, for ever."""

    def __init__(self):
        super().__init__()
        self.jobs, self.results = Queue(), Queue()

    def run(self):
        while True:
            job = self.jobs.get()
            self.results.put(job and job())
            if job is None:
                return
            del job

    def do(self, job):
        self.jobs.put(job)
        return self.results.get()


@pytest.fixture
def worker():
    """Started by the first request, and never told."""
    worker = Worker()
    with xtrace.in_segment("first request"):
        worker.start()
    yield worker
    worker.do(None)
    worker.join()


def record(name):
    def job():
        with xtrace.in_subsegment(name) as part:
            return bool(part)

    return job


def test_a_thread_that_lives_on_is_not_the_segment_s_for_ever(traces):
    with fixed_clock() as clock:
        worker = Worker()
        with xtrace.in_segment("first request"):
            worker.start()
        clock.advance(AFTERMATH_SECONDS - 1)
        assert worker.do(record("of the first"))
        clock.advance(1)
        with xtrace.in_segment("second request"):
            assert not worker.do(record("of nobody"))
        assert worker.do(current) is None
        worker.do(None)
        worker.join()
    assert [d["name"] for d in traces.subsegments] == ["of the first"]


def test_work_that_is_open_keeps_its_place_however_long_it_takes(traces):
    with fixed_clock() as clock:
        worker = Worker()

        def export():
            with xtrace.in_subsegment("export"):
                clock.advance(10 * AFTERMATH_SECONDS)
                with xtrace.in_subsegment("last page"):
                    pass

        with xtrace.in_segment("request"):
            worker.start()
        worker.do(export)
        worker.do(None)
        worker.join()
    assert (
        parents_in(traces.documents)[traces.subsegment("last page")["id"]]
        == (traces.subsegment("export")["id"])
    )


def test_a_library_s_calls_end_with_it_too(traces):
    def call():
        with xtrace.recorder.in_call("host", "remote") as part:
            return bool(part)

    with fixed_clock() as clock:
        worker = Worker()
        with xtrace.in_segment("request"):
            worker.start()
        assert worker.do(call)
        clock.advance(AFTERMATH_SECONDS)
        assert not worker.do(call)
        assert worker.do(current) is None
        worker.do(None)
        worker.join()


def test_a_segment_begun_in_such_a_thread_is_whole_and_nothing_is_said(worker, traces, caplog):
    def consume():
        xtrace.begin_segment("message")
        record("part")()
        xtrace.end_segment()

    worker.do(consume)
    message = traces.segment("message")
    assert [d["name"] for d in message["subsegments"]] == ["part"]
    assert message["trace_id"] != traces.segment("first request")["trace_id"]
    assert caplog.text == ""


def test_a_thread_that_lives_on_keeps_nothing_of_what_was_recorded(worker):
    gone = []

    def job():
        with xtrace.in_subsegment("work") as part:
            part.put_metadata("big", "x" * 1000)
            gone.append(weakref.ref(part))

    for _ in range(100):
        worker.do(job)
    gc.collect()
    assert sum(each() is not None for each in gone) <= 2


def test_when_its_time_is_over_a_thread_keeps_not_even_the_segment():
    with fixed_clock() as clock:
        worker = Worker()
        with xtrace.in_segment("request") as segment:
            worker.start()
        kept = weakref.ref(segment)
        del segment
        clock.advance(AFTERMATH_SECONDS)
        worker.do(lambda: xtrace.recorder.in_call("host", "remote"))
        gc.collect()
        assert kept() is None
        worker.do(None)
        worker.join()


def test_a_task_that_lives_on_is_not_the_segment_s_for_ever_either(traces):
    async def main():
        go_on = asyncio.Event()

        async def work():
            await go_on.wait()
            return record("of nobody")()

        with xtrace.in_segment("request"):
            task = asyncio.create_task(work())
        clock.advance(AFTERMATH_SECONDS)
        go_on.set()
        assert not await task

    with fixed_clock() as clock:
        asyncio.run(main())
    assert len(traces.documents) == 1


def test_threads_that_serve_many_start_with_nothing():
    """Their jobs bring an entity, or have none."""
    unpatch(("futures", "multiprocessing"))
    with ThreadPoolExecutor(1) as pool, ThreadPool(1) as threads:
        with xtrace.in_segment("request"):
            assert pool.submit(current).result() is None
            with ThreadPool(1) as begun_inside:
                assert begun_inside.apply(current) is None
        assert pool.submit(current).result() is None
        assert threads.apply(current) is None


def test_a_log_listener_that_a_request_starts_serves_all():
    found = []

    class Handler:
        level = 0

        def handle(self, record):
            found.append(current())

    queue = Queue()
    listener = QueueListener(queue, Handler())
    listener.prepare = lambda record: record
    with xtrace.in_segment("request"):
        listener.start()
        queue.put("line")
        listener.stop()
    assert found == [None]


# -- pools ---------------------------------------------------------------------------------------


def test_a_job_is_under_what_was_current_where_it_was_submitted(traces):
    with ThreadPoolExecutor(1) as pool, xtrace.in_segment("request"):
        with xtrace.in_subsegment("part"):
            future = pool.submit(record("job"))
        assert future.result()
    part, job = traces.subsegment("part"), traces.subsegment("job")
    assert parents_in(traces.documents)[job["id"]] == part["id"]


def test_map_does_it_too():
    with ThreadPoolExecutor(3) as pool, xtrace.in_segment("request") as segment:
        assert list(pool.map(lambda _: current(), range(20))) == [segment] * 20


def test_a_pooled_thread_never_shows_the_previous_job_s_entity():
    def leave_open():
        xtrace.begin_subsegment("never ended")

    def set_and_leave():
        xtrace.recorder.set_trace_entity(segment)

    with ThreadPoolExecutor(1) as pool, ThreadPool(1) as threads:
        with xtrace.in_segment("request") as segment:
            for mess in (leave_open, set_and_leave):
                pool.submit(mess).result()
                threads.apply(mess)
        assert pool.submit(current).result() is None
        assert threads.apply(current) is None
        with xtrace.in_segment("next") as following:
            assert pool.submit(current).result() is following
            assert threads.apply(current) is following


def test_a_pool_s_initializer_belongs_to_nobody():
    found = []
    with ThreadPoolExecutor(1, initializer=lambda: found.append(current())) as pool:
        with xtrace.in_segment("request"):
            pool.submit(double, 1).result()
    assert found == [None]


def test_results_errors_and_cancellation_stay_the_future_s():
    begun, go_on = threading.Event(), threading.Event()

    def block():
        begun.set()
        go_on.wait()

    def fail():
        raise ValueError("boom")

    with ThreadPoolExecutor(1) as pool, xtrace.in_segment("request"):
        assert pool.submit(double, 21).result() == 42
        assert pool.submit(lambda *, fn, self: (fn, self), fn=1, self=2).result() == (1, 2)
        with pytest.raises(ValueError, match="boom"):
            pool.submit(fail).result()
        with pytest.raises(TypeError):
            pool.submit()
        blocking = pool.submit(block)
        begun.wait()
        waiting = pool.submit(double, 1)
        assert waiting.cancel()
        go_on.set()
        with pytest.raises(CancelledError):
            waiting.result()
        assert blocking.result() is None


def test_a_cancelled_job_keeps_no_entity():
    begun, go_on = threading.Event(), threading.Event()

    def block():
        begun.set()
        go_on.wait()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(block)
        begun.wait()
        with xtrace.in_segment("request") as segment:
            future = pool.submit(double, 1)
        kept = weakref.ref(segment)
        del segment
        future.cancel()
        go_on.set()
    gc.collect()
    assert kept() is None


def test_an_executor_s_subclass_sees_the_function_itself():
    class Bounded(ThreadPoolExecutor):
        def submit(self, fn, /, *args, **kwargs):
            seen.append(fn)
            return super().submit(fn, *args, **kwargs)

    seen = []
    with Bounded(1) as pool, xtrace.in_segment("request") as segment:
        assert pool.submit(current).result() is segment
        assert list(pool.map(double, [1])) == [2]
    assert seen == [current, double]


def test_jobs_that_wait_when_the_pool_is_unpatched_keep_their_entity():
    begun, go_on = threading.Event(), threading.Event()

    def block():
        begun.set()
        go_on.wait()

    with ThreadPoolExecutor(1) as pool, xtrace.in_segment("request") as segment:
        pool.submit(block)
        begun.wait()
        waiting = pool.submit(current)
        unpatch()
        go_on.set()
        assert waiting.result() is segment
        assert pool.submit(current).result() is None


def test_run_in_executor_and_to_thread():
    async def main():
        loop = asyncio.get_running_loop()
        with xtrace.in_segment("request") as segment:
            with ThreadPoolExecutor(1) as pool:
                found = [
                    await loop.run_in_executor(None, current),
                    await loop.run_in_executor(pool, current),
                    await asyncio.to_thread(current),
                ]
        assert found == [segment] * 3
        assert await loop.run_in_executor(None, current) is None
        assert await asyncio.to_thread(current) is None

    asyncio.run(main())


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_pools_of_processes_stay_unharmed():
    context = multiprocessing.get_context("forkserver" if sys.platform != "win32" else "spawn")
    with xtrace.in_segment("request"):
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            assert pool.submit(double, 21).result() == 42
            assert list(pool.map(double, [1, 2])) == [2, 4]
        with context.Pool(1) as processes:
            assert processes.map(double, [1, 2]) == [2, 4]


def test_a_job_that_is_pickled_arrives_as_its_function():
    with xtrace.in_segment("request"):
        job = Job(double)
    assert pickle.loads(pickle.dumps(job))(21) == 42


CALLS = {
    "apply": lambda pool: [pool.apply(current)],
    "apply_async": lambda pool: [pool.apply_async(current).get()],
    "apply_async by name": lambda pool: [pool.apply_async(func=current).get()],
    "map": lambda pool: pool.map(lambda _: current(), range(3)),
    "map_async": lambda pool: pool.map_async(lambda _: current(), range(3)).get(),
    "starmap": lambda pool: pool.starmap(lambda _: current(), [(1,)]),
    "starmap_async": lambda pool: pool.starmap_async(lambda _: current(), [(1,)]).get(),
    "imap": lambda pool: list(pool.imap(lambda _: current(), range(3))),
    "imap in chunks": lambda pool: list(pool.imap(lambda _: current(), range(9), 4)),
    "imap_unordered": lambda pool: list(pool.imap_unordered(lambda _: current(), range(3))),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_thread_pool_s_jobs(call):
    with ThreadPool(2) as pool, xtrace.in_segment("request") as segment:
        assert set(CALLS[call](pool)) == {segment}
        with pytest.raises(TypeError):
            pool.map()


def test_what_a_thread_pool_calls_with_results_belongs_there_too():
    """joblib gives the next job in the callback of the one before."""
    found = Queue()

    def note(result):
        found.put(current())

    def fail():
        raise ValueError("boom")

    with ThreadPool(2) as pool:
        with xtrace.in_segment("request") as segment:
            pool.apply_async(current, (), {}, note, None).wait()
            pool.apply_async(fail, callback=None, error_callback=note).wait()
            pool.map_async(double, [1, 2], callback=note).wait()
        assert [found.get(timeout=DEADLINE_SECONDS) for _ in range(3)] == [segment] * 3
        pool.apply_async(current, callback=note).wait()
        assert found.get(timeout=DEADLINE_SECONDS) is None


# -- everything at once --------------------------------------------------------------------------


def test_thousands_of_jobs_of_two_requests_never_see_each_other(traces):
    """Through the same threads, each job looking at who is current and giving others on."""
    problems = []

    def check(who):
        found = current()
        if found is None or found.segment.name != who:
            problems.append((who, found))

    def job(who):
        with xtrace.in_subsegment("job"):
            check(who)
            list(threads.imap_unordered(check, [who] * 3))
        check(who)

    def nobody():
        if current() is not None:
            problems.append(("nobody", current()))

    def request(who):
        with xtrace.in_segment(who):
            list(pool.map(job, [who] * 500))
            for _ in range(50):
                in_thread(lambda: job(who))
            asyncio.run(tasks(who))

    async def tasks(who):
        loop = asyncio.get_running_loop()
        jobs = [loop.run_in_executor(pool, job, who) for _ in range(500)]
        await asyncio.gather(*jobs)

    with ThreadPoolExecutor(4) as pool, ThreadPool(4) as threads:
        requests = [threading.Thread(target=request, args=(who,)) for who in ("alice", "bob")]
        for each in requests:
            each.start()
        idle = [pool.submit(nobody) for _ in range(1000)]
        for each in requests:
            each.join()
        for each in idle:
            each.result()
    assert problems == []
    count = dict.fromkeys((traces.segment(who)["trace_id"] for who in ("alice", "bob")), 0)
    for document in traces.documents:
        count[document["trace_id"]] += len(parents_in([document])) - (
            document.get("type") != "subsegment"
        )
    assert list(count.values()) == [1050, 1050]
