"""The whole shop as processes of this machine: started together, stopped together."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from services import SERVICES

from xtrace.collector.occupant import occupant

if TYPE_CHECKING:
    from chaos import Chaos

HERE = Path(__file__).resolve().parent
COLLECTOR_PORT = 2000
REDIS_PORT = 6379
SECONDS_TO_START = 60
SECONDS_TO_STOP = 8
LOG_LINES_SHOWN = 15
OPEN_SIGN = "\0anycompany-shop"
"""The name of a socket without a file: it is gone when its process is."""

QUEUE = "demostore-orderqueue"
OURS = ("plain", "traced")
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Program:
    """One process of the shop; what it prints goes to a file of its own."""

    def __init__(self, name: str, arguments: list[str], folder: Path, environment: dict) -> None:
        self.name = name
        self.arguments = arguments
        self.environment = environment
        self.log = folder / f"{name}.log"
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-u", str(HERE / "serve.py"), *self.arguments, "--leash"],
                stdin=subprocess.PIPE,  # which ends with this process, however that ends
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment,
                start_new_session=True,  # Ctrl-C is for the launcher, which stops all in order
            )

    def signal(self, number: int) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def wait(self, deadline: float) -> None:
        """Wait for its end; past the deadline it is killed."""
        if self.process is None:
            return
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdin.close()

    def first_line(self, deadline: float, beginning: str) -> str:
        """The first complete line it prints that begins so."""
        while True:
            for line in self.log.read_text().splitlines(keepends=True):
                if line.startswith(beginning) and line.endswith("\n"):
                    return line.strip()
            self.check(deadline)

    def check(self, deadline: float) -> None:
        """Wait a moment; fail with its last words if it has ended, or the time is up."""
        ended = self.process is None or self.process.poll() is not None
        if ended or time.monotonic() > deadline:
            lines = self.log.read_text().splitlines()[-LOG_LINES_SHOWN:]
            what = "ended" if ended else "isn't ready"
            raise SystemExit("\n".join([f"{self.name} {what}. Its last words:", *lines]))
        time.sleep(0.02)


class Shop:
    """The services, what they need, and a collector, for the time of a `with` block.

    folder: of the services' files, "traced" or "plain" or one of your own. compat: those services
    that are there for the official SDK run so. chaos: what goes wrong. sample_all: record every request. seed: of
    what services draw by lot. database: where the collector keeps its traces; by default they go
    with the shop.
    """

    def __init__(
        self,
        folder: str | Path = "traced",
        *,
        compat: bool = False,
        chaos: Chaos | None = None,
        sample_all: bool = False,
        seed: int | None = None,
        database: str | None = None,
        alarms: str | None = None,
        free_ports: bool = False,
    ) -> None:
        self.folder = HERE / folder if str(folder) in OURS else Path(folder).resolve()
        missing = [name for name in SERVICES if not (self.folder / f"{name}.py").exists()]
        if missing:
            raise SystemExit(
                f"{folder} has no {missing[0]}.py. Begin with: cp -r {HERE / 'plain'} {folder}"
            )
        self.compat = compat
        self.chaos = chaos
        self.sample_all = sample_all
        self.seed = seed
        self.database = database
        self.alarms = alarms
        self.free_ports = free_ports
        self.notes: list[str] = []
        self.url = self.collector_url = self.address = ""
        self.programs: dict[str, Program] = {}
        self._ports: dict[str, int] = {}
        self._reserved: list[socket.socket] = []
        self._probes: dict[str, str] = {}
        self._stamps: dict[str, int] = {}

    def __enter__(self) -> Shop:
        self._folder = tempfile.TemporaryDirectory(prefix="anycompany-shop-")
        self.path = Path(self._folder.name)
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _start(self) -> None:
        deadline = time.monotonic() + SECONDS_TO_START
        if not self.free_ports and not self._is_alone():
            self.notes.append("Another shop is open on this machine; taking other ports.")
            self.free_ports = True
        rules = str(HERE / ("sampling-all.json" if self.sample_all else "sampling.json"))
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")])),
            "AWS_ACCESS_KEY_ID": "of-no-account",
            "AWS_SECRET_ACCESS_KEY": "of-no-account",
            "AWS_REGION": "us-west-2",
            "AWS_DEFAULT_REGION": "us-west-2",
            "AWS_EC2_METADATA_DISABLED": "true",
            "ORDER_QUEUE": QUEUE,
            "ORDERS_DB": str(self.path / "orders.db"),
            "SECRET_KEY": secrets.token_hex(32),
            "XTRACE_SAMPLING_RULES": rules,
            "XTRACE_SAMPLER": "local" if self.sample_all else "central",
        }
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_XRAY_TRACING_NAME"):
            environment.pop(name, None)
        if self.seed is not None:
            environment["SEED"] = str(self.seed)
        environment["REDIS_PORT"] = str(self._port(REDIS_PORT))
        self._add("standins", ["standins"], environment)
        listen = f"127.0.0.1:{self._collector_port()}"
        self._add(
            "collector",
            [
                *("collector", "--listen", listen, "--sampling-rules", rules),
                *("--db", self.database or str(self.path / "traces.db")),
                *(("--alarms", self.alarms) if self.alarms else ()),
            ],
            environment,
        )
        for name in ("standins", "collector"):
            self.programs[name].start()
        said = self.programs["collector"].first_line(deadline, "Listening on")
        self.address = said.partition("udp ")[2].partition(",")[0]
        self.collector_url = f"http://{self.address}"
        self._probes["collector"] = f"{self.collector_url}/health"
        # Where it is started again, it is where its clients look for it.
        arguments = self.programs["collector"].arguments
        arguments[arguments.index("--listen") + 1] = self.address
        found = json.loads(self.programs["standins"].first_line(deadline, "{"))
        environment |= {
            "AWS_ENDPOINT_URL": found["aws"],
            "REDIS_ENDPOINT": found["redis"],
            "AWS_XRAY_DAEMON_ADDRESS": self.address,
        }
        peers = [f"{found['redis'].partition('//')[2].partition('/')[0]}=carts"]
        for service in SERVICES.values():
            if service.port is not None:
                self._ports[service.module] = port = self._port(service.port)
                environment[service.endpoint] = f"127.0.0.1:{port}"
                self._probes[service.module] = f"http://127.0.0.1:{port}{service.health}"
                peers.append(f"127.0.0.1:{port}={service.name}")
        # Elsewhere services have hosts of their own, which tell them apart.
        environment["XTRACE_PEER_NAMES"] = ",".join(peers)
        self.url = f"http://127.0.0.1:{self._ports['frontend']}"
        for service in SERVICES.values():
            if self.compat and (HERE / "compat" / f"{service.module}.py").exists():
                arguments = [service.module, "--folder", "compat", "--compat"]
            else:
                arguments = [service.module, "--folder", str(self.folder)]
            if service.port is not None:
                arguments += ["--port", str(self._ports[service.module])]
            if self.chaos is not None:
                arguments += ["--chaos", self.chaos.as_json()]
            self._add(service.module, arguments, environment)
            self.programs[service.module].start()
        for module in SERVICES:
            self.wait_for(module, deadline)

    def _add(self, name: str, arguments: list[str], environment: dict) -> None:
        self.programs[name] = Program(name, arguments, self.path, environment)

    def _is_alone(self) -> bool:
        """Whether no other shop has the ports that everybody knows, or is about to take them."""
        if sys.platform != "linux":
            return True
        sign = socket.socket(socket.AF_UNIX)
        self._reserved.append(sign)
        try:
            sign.bind(OPEN_SIGN)
        except OSError:
            return False
        return True

    def _collector_port(self) -> int:
        if self.free_ports:
            return 0
        endpoint = ("127.0.0.1", COLLECTOR_PORT)
        try:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as trial:
                    trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    trial.bind(endpoint)
        except OSError:
            who = occupant(endpoint) or "another program"
            self.notes.append(f"Port {COLLECTOR_PORT} is taken by {who}; taking another.")
            return 0
        return COLLECTOR_PORT

    def _port(self, wanted: int) -> int:
        """That port, or a free one, which nobody is given by chance before the service has it."""
        trial = socket.socket()
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", 0 if self.free_ports else wanted))
        except OSError:
            trial.bind(("127.0.0.1", 0))
        port: int = trial.getsockname()[1]
        if sys.platform == "linux":
            # A socket that is bound and doesn't listen lets a server have the port, whose socket
            # may reuse addresses as this one may, and keeps it from being somebody's port 0.
            self._reserved.append(trial)
        else:
            trial.close()
        if port in self._ports.values():
            return self._port(0)
        return port

    def release_ports(self) -> None:
        """Let anybody have the ports."""
        while self._reserved:
            self._reserved.pop().close()

    def port(self, module: str) -> int:
        """Where a service listens."""
        return self._ports[module]

    def wait_for(self, name: str, deadline: float | None = None) -> None:
        """Wait until a program answers its probe; the worker has none."""
        deadline = deadline or time.monotonic() + SECONDS_TO_START
        while name in self._probes:
            try:
                # Not through a proxy that the environment may name.
                with DIRECT.open(self._probes[name], timeout=2):
                    return
            except OSError:
                self.programs[name].check(deadline)

    def edited(self) -> list[str]:
        """The services whose file has changed since this was asked last."""
        stamps = {name: (self.folder / f"{name}.py").stat().st_mtime_ns for name in SERVICES}
        before, self._stamps = self._stamps, stamps
        return [name for name in stamps if stamps[name] != before.get(name, stamps[name])]

    def kill(self, name: str) -> None:
        """End a program without warning, as a crash or an orchestrator does."""
        self.programs[name].signal(signal.SIGKILL)
        self.programs[name].wait(time.monotonic() + SECONDS_TO_STOP)

    def end(self, name: str) -> None:
        """End a program as one should."""
        self.programs[name].signal(signal.SIGTERM)
        self.programs[name].wait(time.monotonic() + SECONDS_TO_STOP)

    def start(self, name: str) -> None:
        """Start a program that has ended again, at the same address."""
        self.programs[name].start()
        self.wait_for(name)

    def stop(self) -> None:
        """Stop everything: who calls before who is called, which would be missed; the collector last."""
        deadline = time.monotonic() + SECONDS_TO_STOP
        others = [name for name in SERVICES if name != "frontend"]
        try:
            for group in (["frontend"], others, ["standins"], ["collector"]):
                programs = [self.programs[name] for name in group if name in self.programs]
                for program in programs:
                    program.signal(signal.SIGTERM)
                for program in programs:
                    program.wait(deadline)
        finally:
            self._kill_all()
            self.release_ports()
            self._folder.cleanup()

    def _kill_all(self) -> None:
        """Whoever is left because stopping was interrupted."""
        for program in self.programs.values():
            if program.process is not None and program.process.poll() is None:
                program.process.kill()
                program.process.wait()
