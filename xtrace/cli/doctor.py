"""`xtrace doctor`: the settings in force and where they come from, and whether a daemon answers."""

from __future__ import annotations

import os
import platform
import socket
from importlib.util import find_spec

from .._version import __version__
from ..daemon import DEFAULT_ADDRESS, endpoint_text, parse
from ..errors import ConfigurationError
from ..integrations import INTEGRATIONS
from ..settings import SETTINGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

PROBE = b'{"format":"json","version":1}\n'
"""A datagram without a document: daemons and collectors drop it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes: nothing."""


def run(arguments: argparse.Namespace) -> int:
    """Print what is found; the exit status is 1 if something is wrong."""
    encoder = "orjson" if find_spec("orjson") else "the standard library (xtrace[fast] is faster)"
    print(f"xtrace {__version__}, Python {platform.python_version()}, JSON by {encoder}")
    print()
    problems = _settings()
    print()
    print("Libraries that can be traced here:")
    print(" ", ", ".join(name for name in INTEGRATIONS if find_spec(name)) or "none installed")
    print()
    problems += _daemon()
    for problem in problems:
        print(f"problem: {problem}")
    if not problems:
        print("Nothing is wrong.")
    return 1 if problems else 0


def _settings() -> list[str]:
    problems = []
    print("Settings (an environment variable, then the default):")
    for setting in SETTINGS.values():
        source = setting.environment or ""
        try:
            value = setting.value(setting.default)
        except ConfigurationError as error:
            problems.append(str(error))
            value = os.environ[source]
        mark = "*" if setting.is_in_environment() else " "
        print(f"{mark} {setting.name:20} {value!s:16} {source:28} {setting.meaning}")
    print("* set by the environment")
    return problems


def _daemon() -> list[str]:
    try:
        address = parse(os.environ.get("AWS_XRAY_DAEMON_ADDRESS") or DEFAULT_ADDRESS)
        family, kind, _, _, target = socket.getaddrinfo(*address.udp, type=socket.SOCK_DGRAM)[0]
    except ConfigurationError:
        return []  # among the settings already
    except OSError as error:
        return [f"The host of the daemon isn't found: {error.strerror}."]
    text = endpoint_text(address.udp)
    with socket.socket(family, kind) as sock:
        sock.settimeout(0.3)
        try:
            sock.connect(target)
            sock.send(PROBE)
            sock.recv(1)
        except TimeoutError:
            print(f"Daemon: something listens on udp {text}, or the host drops what we send.")
        except OSError as error:
            return [
                f"No daemon on udp {text} ({error.strerror}). Start one with `xtrace collector`, "
                "or set AWS_XRAY_DAEMON_ADDRESS."
            ]
    return []
