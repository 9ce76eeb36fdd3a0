"""A forked child: new ids, its own counts, and nothing of the parent's sent twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

import pytest

from xtrace import forks
from xtrace.recorder import Recorder

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@pytest.fixture
def filed(tmp_path):
    """A recorder that appends to a file, which parent and child share, and what is in it."""
    path = tmp_path / "traces.jsonl"
    recorder = Recorder(service="test", sampling=False, emitter=f"file:{path}")

    def documents():
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    yield recorder, documents
    recorder.clear_trace_entities()


def in_child(work):
    """Do something in a forked child; gives what it returned, which must be JSON."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.write(writing, json.dumps(work()).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        result = pipe.read()
    assert os.waitpid(pid, 0)[1] == 0
    return json.loads(result)


def test_a_fork_in_the_middle_of_a_trace_sends_nothing_twice(filed):
    recorder, documents = filed

    def child():
        with recorder.in_subsegment("in the child"):
            pass
        part.close()
        segment.close()
        return recorder.stats().as_dict()

    with recorder.in_segment("a") as segment, recorder.in_subsegment("b") as part:
        with recorder.in_subsegment("ended before"):
            pass
        stats = in_child(child)
    names = [d["name"] for d in documents()]
    assert sorted(names) == ["a", "in the child"]
    assert documents()[0]["parent_id"] == part.id
    assert documents()[0]["trace_id"] == segment.trace_id
    assert (stats["recorded"], stats["sent"], stats["late"]) == (1, 1, 0)


def test_what_is_current_in_the_child_stays_current(filed):
    recorder, documents = filed

    def child():
        for name in ("one", "two"):
            with recorder.in_subsegment(name):
                pass
        return recorder.get_trace_entity().name

    with recorder.in_segment("a") as segment:
        assert in_child(child) == "a"
    assert [d["parent_id"] for d in documents()[:2]] == [segment.id] * 2


def test_a_child_makes_other_ids_than_its_parent(filed):
    recorder, _ = filed

    def ids():
        return [recorder.in_segment("a", sampling=True).id for _ in range(50)]

    of_child = in_child(ids)
    assert not set(of_child) & set(ids())


def test_a_child_counts_from_zero(filed):
    recorder, _ = filed
    with recorder.in_segment("a"):
        pass
    stats = in_child(lambda: recorder.stats().as_dict())
    assert (stats["recorded"], stats["open"], stats["bytes"]) == (0, 0, 0)
    assert recorder.stats().recorded == 1


def test_a_lock_that_a_vanished_thread_held_stops_nobody(filed):
    recorder, _ = filed
    held, release = threading.Event(), threading.Event()

    def hold():
        with recorder._lock, recorder.emitters[0].ledger._lock:
            held.set()
            release.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()

    def child():
        with recorder.in_segment("a") as segment:
            segment.put_http_meta("status", 200)
            segment.close()
            segment.close()
        recorder.flush()
        return recorder.stats().late

    try:
        assert in_child(child) == 2
    finally:
        release.set()
        thread.join()


def test_a_grandchild_is_a_child_too(filed):
    recorder, documents = filed

    def child():
        with recorder.in_segment("child"):
            return in_child(grandchild)

    def grandchild():
        with recorder.in_subsegment("grandchild"):
            return recorder.stats().open

    assert in_child(child) == 1
    assert sorted(d["name"] for d in documents()) == ["child", "grandchild"]


UWSGI = """
import sys, types
called = []
sys.modules["uwsgi"] = uwsgi = types.ModuleType("uwsgi")
uwsgi.post_fork_hook = lambda: called.append("theirs")
uwsgi.worker_id = lambda: 0
import xtrace
from xtrace import forks, ids
from xtrace.sampling.central import CentralSampler
sampler = CentralSampler(daemon_address="127.0.0.1:9")
sampler.should_trace()
assert sampler._thread is None
if {decorated}:
    sys.modules["uwsgidecorators"] = decorators = types.ModuleType("uwsgidecorators")
    decorators.postfork_chain = [lambda: called.append("theirs")]
    import wrapt.importer
    wrapt.importer.notify_module_loaded(decorators)
    def hook():
        for function in decorators.postfork_chain:
            function()
else:
    hook = uwsgi.post_fork_hook
state = ids._random.getstate()
hook()
assert ids._random.getstate() != state
assert called == ["theirs"]
assert forks.may_start_threads()
sampler.should_trace()
assert sampler._thread is not None
"""


@pytest.mark.parametrize("decorated", [False, True])
def test_uwsgi_tells_only_its_hook_and_no_thread_runs_before(decorated):
    code = UWSGI.format(decorated=decorated)
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=ROOT)


SLOW_MODULE = """
import sys
import threading

held = sys.modules["__main__"].held
held.begun.set()
held.go_on.wait(10)
whole = True
"""

FORKS_BESIDE_AN_IMPORT = """
import os
import threading
from types import SimpleNamespace

from xtrace import forks

held = SimpleNamespace(begun=threading.Event(), go_on=threading.Event())
thread = forks.thread("xtrace-test", lambda: None, needs=["slow_module"])
thread.start()
held.begun.wait(10)
threading.Timer(0.2, held.go_on.set).start()
pid = os.fork()
if pid == 0:
    import slow_module

    os._exit(0 if getattr(slow_module, "whole", False) else 1)
assert os.waitpid(pid, 0)[1] == 0, "the child has half a module"
thread.join()
"""


def run(program, *arguments, **environ):
    """Run a program in a process of its own; gives what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_fork_waits_until_a_thread_of_ours_has_imported_what_it_needs(tmp_path):
    (tmp_path / "slow_module.py").write_text(SLOW_MODULE)
    run(FORKS_BESIDE_AN_IMPORT, PYTHONPATH=f"{ROOT}{os.pathsep}{tmp_path}")


IMPORTS_OF_THREADS = """
import sys
import threading

import xtrace
from xtrace import forks

seen = set()

def hook(event, arguments):
    name = threading.current_thread().name
    if event == "import" and name.startswith("xtrace") and not forks._importing._is_owned():
        seen.add((name, arguments[0]))

sys.addaudithook(hook)
began = set()
start = threading.Thread.start

def started(thread):
    began.add(thread)
    start(thread)

threading.Thread.start = started
xtrace.configure(service="test", **eval(sys.argv[1]))
with xtrace.in_segment("a"):
    pass
xtrace.flush(2)
ours = [each for each in began if each.name.startswith("xtrace")]
assert ours, began
for each in ours:
    if each.name != "xtrace-sampling":  # it never ends
        each.join(2)
print(sorted(seen))
"""


@pytest.mark.parametrize(
    "settings",
    [
        {"daemon_address": "nowhere.invalid:2000"},
        {"sampler": "central", "daemon_address": "127.0.0.1:9"},
        {"emitter": "otlp+http://127.0.0.1:9"},
        {"emitter": "otlp+https://nowhere.invalid"},
        pytest.param(
            {"emitter": "xray://us-east-1", "sampling": False},
            marks=pytest.mark.skipif(
                find_spec("botocore") is None,
                reason="botocore is not where the core is tested alone",
            ),
        ),
        {"plugins": ["EC2Plugin", "ECSPlugin"]},
    ],
    ids=str,
)
def test_threads_of_ours_import_only_where_no_fork_can_be_in_the_middle(settings):
    said = run(
        IMPORTS_OF_THREADS,
        repr(settings),
        AWS_ACCESS_KEY_ID="a",
        AWS_SECRET_ACCESS_KEY="b",
        AWS_EC2_METADATA_SERVICE_ENDPOINT="http://127.0.0.1:9",
        ECS_CONTAINER_METADATA_URI_V4="http://127.0.0.1:9",
    )
    assert said == "[]\n"


def test_two_threads_may_fork_at_once_and_one_give_up_waiting(monkeypatch):
    """The fork of a large process takes seconds."""
    monkeypatch.setattr(forks, "LONGEST_WAIT_SECONDS", 0.05)
    begun, go_on = threading.Event(), threading.Event()

    def fork() -> None:
        forks._before()
        begun.set()
        go_on.wait(10)
        forks._after_in_parent()

    thread = threading.Thread(target=fork)
    thread.start()
    begun.wait(10)
    forks._before()
    go_on.set()
    thread.join()
    forks._after_in_parent()
    assert forks._importing.acquire(timeout=0.5), "nobody can import or fork any more"
    forks._importing.release()
