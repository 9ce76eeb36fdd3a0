"""`import xtrace` defines things and starts nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import zipped

ROOT = Path(__file__).parents[1]

WATCH = """
import json, sys, threading
seen = []
def watch(event, args):
    if event.startswith(("socket.", "subprocess.", "os.fork", "_thread.start")):
        seen.append([event, repr(args)])
    elif event == "open" and isinstance(args[0], str):
        seen.append([event, args[0], str(args[1]), args[2]])
    elif event in ("os.putenv", "os.unsetenv", "os.remove", "os.mkdir", "os.rename"):
        seen.append([event, repr(args)])
before = set(sys.modules)
sys.addaudithook(watch)
import xtrace
seen = list(seen)
import os
print(json.dumps({
    "seen": seen,
    "modules": sorted(set(sys.modules) - before),
    "threads": threading.active_count(),
    "folders": [os.path.dirname(os.__file__), os.path.dirname(xtrace.__file__)],
}))
"""


def fresh_python(code: str, cwd: Path = ROOT, **environment: str) -> str:
    """What a program prints in a fresh interpreter."""
    return subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    ).stdout


@pytest.fixture(scope="module")
def watched():
    return json.loads(fresh_python(WATCH))


def test_no_socket_no_thread_no_process(watched):
    assert [event for event in watched["seen"] if event[0] != "open"] == []
    assert watched["threads"] == 1


def test_no_file_outside_the_package_and_the_standard_library(watched):
    folders = tuple(os.path.realpath(folder) + os.sep for folder in watched["folders"])
    opened = [os.path.realpath(event[1]) for event in watched["seen"] if event[0] == "open"]
    assert [path for path in opened if not path.startswith(folders)] == []


def test_nothing_is_written_but_compiled_modules(watched):
    for event in watched["seen"]:
        if event[0] == "open" and event[3] & (os.O_WRONLY | os.O_RDWR):
            assert "__pycache__" in event[1]


def test_few_modules_and_none_that_is_dear(watched):
    modules = watched["modules"]
    assert len(modules) <= 60
    dear = {
        "asyncio",
        "botocore",
        "inspect",
        "logging",
        "requests",
        "socket",
        "ssl",
        "typing",
        "wrapt",
    }
    assert not dear & set(modules)


def test_importing_twice_and_in_any_order_works():
    modules = ["document", "model", "recorder", "emitters.udp", "integrations", "header", "testing"]
    for module in modules:
        assert fresh_python(f"import xtrace.{module}, xtrace; print('fine')") == "fine\n"


def test_a_wrong_environment_fails_no_import():
    told = fresh_python(
        "import xtrace; print(xtrace.recorder.service)",
        AWS_XRAY_DAEMON_ADDRESS="nonsense",
        AWS_XRAY_CONTEXT_MISSING="PANIC",
        AWS_XRAY_TRACING_NAME="shop",
    )
    assert told == "shop\n"


FROM_A_ZIP = """
import xtrace
xtrace.configure(service="shop", sampling=False, emitter="memory:")
xtrace.patch_all()
with xtrace.in_segment():
    import sqlite3
    sqlite3.connect(":memory:").execute("select 1").connection.close()
print(xtrace.stats(), xtrace.__file__)
"""


def test_the_package_works_from_a_zip(tmp_path):
    archive = zipped(tmp_path)
    told = fresh_python(FROM_A_ZIP, tmp_path, PYTHONPATH=str(archive))
    assert "recorded 2, sent 2 " in told
    assert str(archive) in told
