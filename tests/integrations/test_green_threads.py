"""gevent and eventlet, with everything monkey-patched, in a process of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import parents_in

ROOT = Path(__file__).parents[2]
MONKEYS = {
    "gevent": "import gevent.monkey; gevent.monkey.patch_all()\n"
    "from gevent import sleep, spawn\n"
    "def wait(green): green.join()\n",
    "eventlet": "import warnings\n"
    "warnings.filterwarnings('ignore', 'Eventlet is deprecated|\\nEventlet is deprecated')\n"
    "import eventlet; eventlet.monkey_patch()\n"
    "from eventlet import sleep, spawn\n"
    "def wait(green): green.wait()\n",
}
PROGRAM = """
import contextvars, sys, threading
from concurrent.futures import ThreadPoolExecutor
{imports}
xtrace.configure(service="test", sampling=False, emitter="file:" + sys.argv[1])
xtrace.patch(["threading", "futures", "multiprocessing"])
current = xtrace.recorder.get_trace_entity
pool = ThreadPoolExecutor(3)

def work(name):
    with xtrace.in_subsegment(name) as part:
        sleep(0)
        assert current() is part

def request(who):
    assert current() is None
    with xtrace.in_segment(who) as segment:
        for number in range(10):
            work(who)
            sleep(0)
            assert current() is segment
            thread = threading.Thread(target=work, args=(who,))
            thread.start()
            pool.submit(work, who).result()
            thread.join()
        wait(spawn(contextvars.copy_context().run, work, who))

greens = [spawn(request, who) for who in ("alice", "bob", "carol")]
for green in greens:
    wait(green)
assert current() is None
assert pool.submit(current).result() is None
stats = xtrace.stats()
assert stats.sent == stats.recorded == 3 * 32, str(stats)
assert not stats.faults
"""


@pytest.mark.parametrize("order", ["monkey first", "xtrace first"])
@pytest.mark.parametrize("library", MONKEYS)
def test_greenlets_keep_their_entity_and_see_no_other_s(library, order, tmp_path):
    imports = [MONKEYS[library], "import xtrace, xtrace.integrations\n"]
    if order == "xtrace first":
        imports.reverse()
    path = tmp_path / "traces.jsonl"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM.format(imports="".join(imports)), path],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    documents = [json.loads(line) for line in path.read_text().splitlines()]
    parents = parents_in(documents)
    whose = {d["id"]: d["name"] for d in documents if d.get("type") != "subsegment"}
    assert sorted(whose.values()) == ["alice", "bob", "carol"]
    for document in documents:
        for part in document.get("subsegments", ()):
            assert part["name"] == document["name"]
    assert len(parents) == 3 * 32


LOOKS_UP = """
{imports}
import socket

def look_up(host, port, type):
    sleep(0.05)
    return [(socket.AF_INET, type, 0, "", ("127.0.0.1", port))]

socket.getaddrinfo = look_up
daemon = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
daemon.bind(("127.0.0.1", 0))
daemon.settimeout(10)
recorder = xtrace.Recorder(
    service="test", sampling=False, emitter=f"udp://a.name:{{daemon.getsockname()[1]}}"
)

def request():
    with recorder.in_segment():
        sleep(0)

greens = [spawn(request) for _ in range(20)]
for green in greens:
    wait(green)
for _ in range(20):
    daemon.recv(65536)
"""


@pytest.mark.parametrize("library", MONKEYS)
def test_a_host_name_is_looked_up_without_stopping_the_others(library):
    """Locks from before the monkey stop the whole process if they are held while another runs."""
    imports = "import xtrace, xtrace.integrations, xtrace.emitters.udp\n" + MONKEYS[library]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", LOOKS_UP.format(imports=imports)],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
