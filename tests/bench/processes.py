"""The processes that the benchmark talks to: a worker for each peer, and the drain."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from catalogue import Peer
from environments import HERE, python_of, variables


class _Process:
    """A process that answers each line with a line; stopped when the `with` block ends."""

    def __init__(self, command: Sequence[str | Path], environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(map(str, self._process.args))} ended")
        return line

    def _ask(self, line: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._read()

    def stop(self) -> None:
        """End the process, without waiting for what it would still like to send."""
        self._process.kill()
        self._process.communicate()

    def __enter__(self) -> Any:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


class Drain(_Process):
    """Receives datagrams and forgets them. address: "host:port"."""

    def __init__(self) -> None:
        super().__init__([sys.executable, HERE / "drain.py"], variables())
        self.address = f"127.0.0.1:{int(self._read())}"

    def received(self) -> int:
        """How many datagrams came so far."""
        return int(self._ask("?"))


class Worker(_Process):
    """A peer at work.

    workloads: the methods it has. sends_datagrams: whether it sends to the drain.
    background_seconds: CPU time of its other threads, during and between the calls so far.
    """

    def __init__(self, peer: Peer, drain: Drain, **extra: str) -> None:
        environment = variables(AWS_XRAY_DAEMON_ADDRESS=drain.address, **extra)
        command = [*self._tool(), python_of(peer.environment), HERE / "worker.py", peer.module]
        super().__init__(command, environment)
        about = json.loads(self._read())
        self.workloads = frozenset(about["workloads"])
        self.sends_datagrams = bool(about["datagrams"])
        self.background_seconds = 0.0

    def _tool(self) -> Sequence[str | Path]:
        """What runs the Python, if anything."""
        return ()

    def run(self, workload: str, times: int) -> float:
        """What so many iterations take: CPU seconds, or bytes."""
        return float(self._answer(f"{workload} {times}"))

    def settle(self) -> None:
        """Wait until its other threads have done what they were given."""
        self._answer("settle 0")

    def _answer(self, command: str) -> Any:
        answer = json.loads(self._ask(command))
        self.background_seconds += answer["background"]
        return answer["value"]
