"""`xtrace collector`: receive documents on UDP and store them, until it is told to stop."""

from __future__ import annotations

import errno
import signal
from threading import Event

from ..collector import Collector
from ..collector.store import StoreError
from ..daemon import DEFAULT_ADDRESS, parse
from ..errors import ConfigurationError
from . import _store

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        "--listen",
        metavar="HOST:PORT",
        default=DEFAULT_ADDRESS,
        help="where to receive documents (default: %(default)s; port 0 takes a free one)",
    )
    _store.add_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run until SIGINT or SIGTERM."""
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    collector = _start(arguments)
    print(f"Listening on udp {collector.address}, storing in {arguments.db}", flush=True)
    print("Stop with Ctrl-C. See the traces with `xtrace show` and `xtrace tail`.", flush=True)
    stop.wait()
    collector.stop()
    collector.close()
    print(f"Stopped: {collector.summary()}", flush=True)
    return 0


def _start(arguments: argparse.Namespace) -> Collector:
    host, colon, port = arguments.listen.rpartition(":")
    endpoint = (host, 0) if colon and port == "0" else parse(arguments.listen, "--listen").udp
    try:
        collector = Collector(endpoint, arguments.db)
    except StoreError as error:
        raise ConfigurationError(str(error)) from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ConfigurationError(
                f"Port {endpoint[1]} on {endpoint[0]} is taken: another collector or an X-Ray "
                "daemon runs there. Stop it, or take another port with --listen."
            ) from error
        raise ConfigurationError(
            f"Can't listen on {arguments.listen}: {error.strerror}."
        ) from error
    collector.start()
    return collector
