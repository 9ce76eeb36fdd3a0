"""`xtrace collector`: receive documents, store them and answer the X-Ray API, until told to stop."""

from __future__ import annotations

import argparse
import errno
import gc
import json
import logging
import os
import signal
from logging.handlers import RotatingFileHandler
from threading import Event

from ..collector.occupant import from_here, occupant
from ..collector.store import StoreError, is_url, shown
from ..daemon import DEFAULT_ADDRESS, parse
from ..errors import ConfigurationError, InvalidSamplingRules, MissingLibrary
from ..extras import how_to_install
from . import _forwarding, _store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

    from ..collector import Collector
    from ..collector.daemon import Daemon
    from ..collector.endpoints import Taken
    from ..daemon import Endpoint
    from ._forwarding import Forwarding

ENVIRONMENT = "AWS_XRAY_DAEMON_ADDRESS"

LOG_LEVELS = {
    "dev": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "prod": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}
LEAST_BYTES = 1_000_000
"""An empty database has a quarter of it; one that may hold less keeps nothing."""

LOG_FILE_BYTES = 50 * 1000 * 1000

_BYTES = {"": 1, "b": 1}
_BYTES |= {f"{unit}b": 1000**power for power, unit in enumerate("kmgt", 1)}
_BYTES |= {f"{unit}ib": 1024**power for power, unit in enumerate("kmgt", 1)}
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        "--listen",
        metavar="HOST:PORT",
        help="where to receive documents on UDP and answer on TCP; port 0 takes a free one "
        f"(default: {ENVIRONMENT}, else {DEFAULT_ADDRESS})",
    )
    parser.add_argument(
        "-b", "--bind", metavar="HOST:PORT", help="another address for UDP than --listen"
    )
    parser.add_argument(
        "-t", "--bind-tcp", metavar="HOST:PORT", help="another address for TCP than --listen"
    )
    _store.add_argument(parser)
    parser.add_argument(
        "--max-bytes",
        metavar="SIZE",
        type=size,
        default="2GB",
        help="what the database may hold; the oldest traces go first; 0 for all that fits on the "
        "disk (default: %(default)s)",
    )
    parser.add_argument(
        "--max-age",
        metavar="AGE",
        type=age,
        default="7d",
        help="how long traces are kept, as in 90m, 12h, 7d; 0 for ever (default: %(default)s)",
    )
    parser.add_argument(
        "--sampling-rules",
        metavar="FILE",
        help="have the sampling rules of this file: what get-sampling-rules prints, or local rules",
    )
    parser.add_argument(
        "--alarms", metavar="FILE", help="thresholds, and what to do when one is exceeded"
    )
    parser.add_argument(
        "--run",
        metavar="NAME",
        help="what arrives is of this run, which can be looked at alone, compared and kept",
    )
    parser.add_argument(
        "--allow-host",
        metavar="NAME",
        type=host_name,
        action="append",
        default=[],
        help="answer HTTP requests for this host, too (can be repeated)",
    )
    parser.add_argument(
        "--allow-remote", action="store_true", help="listen on addresses beyond the loopback"
    )
    parser.add_argument(
        "-l", "--log-level", choices=LOG_LEVELS, help="(default: prod, which is info)"
    )
    parser.add_argument("-f", "--log-file", metavar="FILE", help="instead of stderr")
    _forwarding.add_arguments(parser)


def size(text: str) -> int:
    """Bytes: "500MB", "2 GiB", "1000000"."""
    return int(_quantity(text, _BYTES, "2GB"))


def age(text: str) -> float:
    """Seconds: "90m", "12h", "7d", "3600"."""
    return _quantity(text, _SECONDS, "7d")


def host_name(text: str) -> str:
    """A name or an address by which HTTP clients call the collector, without scheme and port."""
    name = text.partition("://")[2] or text
    name = name.partition("/")[0]
    if not name.startswith("[") and name.count(":") == 1:
        name = name.partition(":")[0]
    if name != text:
        raise argparse.ArgumentTypeError(f"{text!r} is no name alone. Write --allow-host {name}")
    return name


def _quantity(text: str, units: dict[str, int], example: str) -> float:
    number = text.strip().rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    unit = text.strip()[len(number) :].lower()
    digits = number.strip().replace(".", "", 1)
    if unit not in units or not (digits.isascii() and digits.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} isn't a quantity such as {example}")
    return float(number) * units[unit]


def run(arguments: argparse.Namespace) -> int:
    """Run until SIGINT or SIGTERM."""
    forwarding = _forwarding.read(arguments, searches=arguments.no_store)
    if arguments.log_level not in LOG_LEVELS:
        raise ConfigurationError(
            f"The log level is {arguments.log_level!r}. Write one of {', '.join(LOG_LEVELS)}."
        )
    _log_to(arguments.log_file, LOG_LEVELS[arguments.log_level], arguments.log_rotation)
    stop = Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        if stop.is_set() and number == signal.SIGINT:
            os._exit(130)  # a second Ctrl-C: whoever presses it won't wait
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    collector = _start(arguments, forwarding)
    # Documents make many objects, hardly any of them in circles: looking for those less often
    # nearly halves what a document costs.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    does = [] if arguments.no_store else [f"storing in {shown(arguments.db)}"]
    does += [f"forwarding to {counts.target}" for counts in collector.forwarding.counts()]
    where = f"Listening on udp {_text(collector.endpoint)}, {collector.url}"
    print(", ".join([where, *does]), flush=True)
    if not arguments.no_store:
        host, port = collector.http_endpoint
        address = _text((from_here(host), port))
        named = os.environ.get(ENVIRONMENT) or DEFAULT_ADDRESS
        look = "`xtrace tail` and `xtrace show`"
        if address != named:
            look = f"`xtrace tail --address {address}`"
        print(
            f"Open http://{address} in a browser, or see the traces with {look}. Stop with Ctrl-C.",
            flush=True,
        )
        _prepare_console()
    stop.wait()
    collector.stop()
    collector.close()
    print(f"Stopped: {collector.summary()}", flush=True)
    return 0


def _prepare_console() -> None:
    """Make the console's files ready, which else the first page would wait for."""
    from ..collector.console import load

    load()


def _log_to(path: str | None, level: int, rotates: bool) -> None:
    handler: logging.Handler
    try:
        if not path:
            handler = logging.StreamHandler()
        else:
            most = LOG_FILE_BYTES if rotates else 0
            handler = RotatingFileHandler(path, maxBytes=most, backupCount=1)
    except OSError as error:
        raise ConfigurationError(f"Can't log to {path!r}: {error.strerror}.") from error
    handler.setFormatter(logging.Formatter("%(asctime)s [%(levelname)s] %(message)s"))
    for name, least in (("xtrace", level), ("uvicorn.error", max(level, logging.WARNING))):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(least)


def _extras(arguments: argparse.Namespace, forwarding: Forwarding) -> list[str]:
    """What has to be installed for what was asked for."""
    extras = ["collector"]
    if any(url.lower().startswith("xray:") for url in forwarding.urls):
        extras.append("aws")
    if is_url(arguments.db) and not arguments.no_store:
        extras.append("clickhouse")
    return extras


def _start(arguments: argparse.Namespace, forwarding: Forwarding) -> Collector | Daemon:
    try:
        from ..collector.endpoints import NotLocal, Taken, ToItself

        make = _daemon if arguments.no_store else _collector
        collector = make(arguments, forwarding)
    except ImportError as error:
        told = how_to_install(error, *_extras(arguments, forwarding))
        if told is None:
            raise
        raise MissingLibrary(told) from error
    except StoreError as error:
        raise ConfigurationError(str(error)) from error
    except NotLocal as error:
        raise ConfigurationError(
            f"{error} If they should, start it with --allow-remote; there is no password."
        ) from error
    except ToItself as error:
        raise ConfigurationError(f"--forward: {error}") from error
    except Taken as error:
        raise ConfigurationError(_why_not(error)) from error
    try:
        collector.start()
    except BaseException:
        collector.stop()
        collector.close()
        raise
    return collector


def _collector(arguments: argparse.Namespace, forwarding: Forwarding) -> Collector:
    from ..collector.server import Collector, Limits

    udp, tcp = _endpoints(arguments)
    if 0 < arguments.max_bytes < LEAST_BYTES:
        raise ConfigurationError(
            f"--max-bytes is {arguments.max_bytes}, which leaves no room for traces. Write 1MB or "
            "more, or 0 for all that fits on the disk."
        )
    collector = Collector(
        udp,
        arguments.db,
        tcp=tcp,
        limits=Limits(arguments.max_bytes or None, arguments.max_age or None),
        allow_hosts=arguments.allow_host,
        allow_remote=arguments.allow_remote,
        forward=_forwarding.targets(forwarding) if forwarding.urls else (),
        resource_arn=forwarding.resource_arn,
    )
    try:
        if arguments.sampling_rules:
            _read_rules(collector, arguments.sampling_rules)
        if arguments.alarms:
            _read_alarms(collector, arguments.alarms)
        if arguments.run:
            _begin_run(collector, arguments.run)
    except BaseException:
        collector.stop()
        collector.close()
        raise
    return collector


def _daemon(arguments: argparse.Namespace, forwarding: Forwarding) -> Daemon:
    from ..collector.daemon import Daemon

    udp, tcp = _endpoints(arguments)
    return Daemon(
        udp,
        tcp=tcp,
        allow_hosts=arguments.allow_host,
        # The daemon has no such flag: who names another address with its flags means it.
        allow_remote=arguments.allow_remote or bool(arguments.bind or arguments.bind_tcp),
        forward=_forwarding.targets(forwarding),
        resource_arn=forwarding.resource_arn,
        max_waiting_bytes=forwarding.buffer_mb * 1_000_000,
    )


def _why_not(error: Taken) -> str:
    host, port = error.endpoint
    if error.errno != errno.EADDRINUSE:
        what_to_do = {
            errno.EADDRNOTAVAIL: f" Is {host} an address of this machine?"
            " Write 127.0.0.1, or 0.0.0.0 for all that it has.",
            errno.EACCES: " Ports below 1024 are for root: take another one.",
        }.get(error.errno or 0, "")
        return f"Can't listen on {_text(error.endpoint)}: {error.strerror}.{what_to_do}"
    who = (
        occupant(error.endpoint) or "another program, such as another collector or an X-Ray daemon"
    )
    return f"Port {port} on {host} is taken by {who}. Stop it, or take another port with --listen."


def _endpoints(arguments: argparse.Namespace) -> tuple[Endpoint, Endpoint | None]:
    """Where to listen on UDP, and on TCP if elsewhere."""
    text, source = arguments.listen, "--listen"
    if text is None:
        text, source = os.environ.get(ENVIRONMENT) or DEFAULT_ADDRESS, ENVIRONMENT
    if _port_is_free(text):
        udp = tcp = _endpoint(text, source)
    else:
        address = parse(text, source)
        udp, tcp = address.udp, address.tcp
    if arguments.bind:
        udp = _endpoint(arguments.bind, "--bind")
    if arguments.bind_tcp:
        tcp = _endpoint(arguments.bind_tcp, "--bind-tcp")
    return udp, None if tcp == udp else tcp


def _endpoint(text: str, source: str) -> Endpoint:
    if not _port_is_free(text):
        return parse(text, source).udp
    return parse(f"{text}1", source).udp[0], 0  # "host:01", which parse takes


def _port_is_free(text: str) -> bool:
    """Whether port 0 is asked for: any that is free."""
    return text.rpartition(":")[2] == "0"


def _read_rules(collector: Collector, path: str) -> None:
    from ..collector.api.errors import ApiError
    from ..collector.sampling import rules_of_file
    from ..sampling.rules import load

    try:
        with open(path, encoding="utf-8") as file:
            content = file.read()
        rules = json.loads(content)
        if isinstance(rules, dict) and "version" in rules:
            load(rules)  # as an SDK would, for its errors
        collector.service.sampling.replace(rules_of_file(content))
    except OSError as error:
        raise ConfigurationError(
            f"Can't read --sampling-rules {path}: {error.strerror}."
        ) from error
    except InvalidSamplingRules as error:
        raise ConfigurationError(f"--sampling-rules {path}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"--sampling-rules {path}: {error}.") from error
    except ApiError as error:
        raise ConfigurationError(f"--sampling-rules {path}: {error.message}") from error


def _read_alarms(collector: Collector, path: str) -> None:
    from ..collector.alarms import AlarmsError, load

    try:
        collector.watch(load(path))
    except AlarmsError as error:
        raise ConfigurationError(f"--alarms: {error}") from error


def _begin_run(collector: Collector, name: str) -> None:
    from ..collector.api.v1.administration import RUN_NAMES, is_run_name

    if not is_run_name(name):
        raise ConfigurationError(f"--run is {name!r}; {RUN_NAMES}")
    collector.store.begin_run(name)


def _text(endpoint: Endpoint) -> str:
    host, port = endpoint
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
