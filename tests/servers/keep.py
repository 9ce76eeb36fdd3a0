"""Run one server until the test run that wants it is over: python keep.py ORDER, a JSON object.

It goes when the owner, the run's first process, is gone, however that ended: the server's folder and
its processes go with it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

STOP_SECONDS = 10
LOOK_SECONDS = 0.2


def is_running(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def main() -> int:
    """Prepare, serve, clean up; the exit status is that of what failed."""
    order = json.loads(sys.argv[1])
    options = {
        "env": {**os.environ, **order["environment"]},
        "cwd": order["folder"],
        "stdin": subprocess.DEVNULL,
    }
    if order["system_user"] is not None:
        options |= {"user": order["system_user"], "group": order["system_user"], "extra_groups": []}
    stopping = False

    def stop(number: int, frame: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    try:
        for command in order["before"]:
            subprocess.run(command, check=True, **options)
        server = subprocess.Popen(order["serve"], start_new_session=True, **options)
        while server.poll() is None and is_running(order["owner"]) and not stopping:
            time.sleep(LOOK_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
        for command in order["after"]:
            subprocess.run(command, **options)
        return server.returncode
    finally:
        folder = Path(order["folder"])
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # the run's, if this was the last
            folder.parent.rmdir()


if __name__ == "__main__":
    sys.exit(main())
