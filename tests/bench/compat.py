"""What the names of aws_xray_sdk cost beside xtrace's own, and importing them beside the official SDK.

    python tests/bench/compat.py

Prints ratios of the least times of rounds that ran interleaved; of imports, of processor time, with
compiled files on both sides, as packages have them when they are installed.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import timeit
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.support import official  # noqa: E402
from xtrace.compat import aws_xray_sdk  # noqa: E402
from xtrace.recorder import Recorder  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 15
IMPORTS = 10
CALLS = 100
PARTS = 20

IMPORT = (
    "import time; t = time.process_time()\n{install}import aws_xray_sdk.core\n"
    "print(time.process_time() - t)"
)
INSTALL = "from xtrace.compat import aws_xray_sdk; aws_xray_sdk.install()\n"


def programs(recorder: Any) -> dict[str, Callable[[], None]]:
    """What is measured: a segment with so many parts, each made in one way."""

    def in_subsegment() -> None:
        with recorder.in_segment("a"):
            for _ in range(PARTS):
                with recorder.in_subsegment("x"):
                    pass

    def begin_subsegment() -> None:
        with recorder.in_segment("a"):
            for _ in range(PARTS):
                recorder.begin_subsegment("x")
                recorder.end_subsegment()

    @recorder.capture("f")  # type: ignore[untyped-decorator]
    def function() -> None:
        pass

    def capture() -> None:
        with recorder.in_segment("a"):
            for _ in range(PARTS):
                function()

    def put_annotation() -> None:
        with recorder.in_segment("a"):
            for _ in range(PARTS):
                recorder.put_annotation("k", 1)

    return {
        each.__name__: each for each in (in_subsegment, begin_subsegment, capture, put_annotation)
    }


def calls() -> None:
    """Print what calls cost."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{daemon.getsockname()[1]}"
        native = Recorder(service="bench", sampling=False, daemon_address=address)
        aws_xray_sdk.install()
        from aws_xray_sdk.core import AWSXRayRecorder

        layer = AWSXRayRecorder()
        layer.configure(service="bench", sampling=False, daemon_address=address)
        for (name, ours), theirs in zip(
            programs(native).items(), programs(layer).values(), strict=True
        ):
            times = [
                (timeit.timeit(ours, number=CALLS), timeit.timeit(theirs, number=CALLS))
                for _ in range(ROUNDS)
            ]
            one, other = (min(each) for each in zip(*times, strict=True))
            print(f"{name:20} {other / one:.2f} of xtrace's own")


def imports() -> None:
    """Print what importing costs."""
    python = official.environment()
    sides = (("", ""), (INSTALL, str(ROOT)))
    with TemporaryDirectory() as compiled:
        environment = {
            **os.environ,
            "AWS_DEFAULT_REGION": "eu-west-1",
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": compiled,
        }

        def once(install: str, path: str) -> float:
            command = [python, "-c", IMPORT.format(install=install)]
            return float(subprocess.check_output(command, env={**environment, "PYTHONPATH": path}))

        for side in sides:
            once(*side)  # compiles
        rounds = [[once(*side) for side in sides] for _ in range(IMPORTS)]
    theirs, ours = (min(each) for each in zip(*rounds, strict=True))
    print(f"{'import':20} {ours / theirs:.2f} of the official SDK's: {ours:.3f} s of {theirs:.3f}")


if __name__ == "__main__":
    imports()
    calls()
