"""`xtrace doctor`: the settings in force and where they come from, where traces go, and whether
anybody is there to take them.
"""

from __future__ import annotations

import http.client
import os
import platform
import shutil
import socket
import sys
import textwrap
import time
from importlib.util import find_spec

from .._version import __version__
from ..collector.occupant import ASK_SECONDS, health
from ..daemon import DaemonAddress, endpoint_text
from ..errors import ConfigurationError
from ..integrations import INTEGRATIONS
from ..recorder import Recorder
from ..settings import SETTINGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from ..daemon import Endpoint
    from ..emitters import Emitter

PROBE = b'{"format":"json","version":1}\n'
"""A datagram without a document: daemons drop it."""

OTHERS = ("XTRACE_DB", "XTRACE_RUN")
"""Variables of ours that are no settings of the recorder."""

CLOSE = 0.8
"""How much like ours a variable's name is if it is one misspelt, from 0 to 1."""

SEND_SECONDS = 5.0
"""How long a trace that is sent may take to arrive."""

INDENT = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        "--send", action="store_true", help="send a trace as a program would, and see it arrive"
    )
    parser.add_argument("--meanings", action="store_true", help="say what each setting means")


def run(arguments: argparse.Namespace) -> int:
    """Print what is found; the exit status is 1 if something is wrong."""
    encoder = "orjson" if find_spec("orjson") else "the standard library (xtrace[fast] is faster)"
    print(f"xtrace {__version__}, Python {platform.python_version()}, JSON by {encoder}")
    print(f"in {sys.prefix}")
    print()
    problems = [*_settings(arguments.meanings), *_unknown_variables()]
    print()
    print("Libraries that can be traced here:")
    # The standard library has some, so there always are.
    found = [name for name, module in INTEGRATIONS.items() if find_spec(module.partition(".")[0])]
    print(_wrapped(", ".join(found), 2))
    print()
    recorder = Recorder()
    try:
        recorder.configure(emitter=None)  # raises what of the environment can't be used
    except ConfigurationError as error:
        problems += [str(error)] if str(error) not in problems else []
        problems += _daemon_alone()
    else:
        if recorder.enabled:
            print(f"Sampling: {recorder.stats().sampling}; sampling=False records every request")
            print("Traces go to:")
            problems += [p for emitter in recorder.emitters if (p := _looked_at(emitter))]
            if arguments.send:
                problems += _sent(recorder)
    print()
    for problem in problems:
        print(f"problem: {problem}")
    if not problems:
        print("Nothing is wrong." if arguments.send else f"Nothing is wrong. {_MORE}")
    return 1 if problems else 0


_MORE = "See a trace arrive with `xtrace doctor --send`."


def _settings(meanings: bool) -> list[str]:
    problems = []
    print("Settings, if the program gives none to configure(); * marks those of the environment:")
    for setting in SETTINGS.values():
        source = setting.environment or ""
        try:
            value = setting.value(setting.default)
        except ConfigurationError as error:
            problems.append(str(error))
            value = os.environ[source]
        else:
            if setting.name == "enabled" and value is False:
                problems.append(
                    f"Tracing is switched off by {source}. Unset it to record anything."
                )
        mark = "*" if setting.is_in_environment() else " "
        print(f"{mark} {setting.name:20} {value!s:16} {source}".rstrip())
        if meanings:
            print(_wrapped(setting.meaning, INDENT))
    return problems


def _unknown_variables() -> list[str]:
    """Variables that look like ours and do nothing."""
    from difflib import get_close_matches

    ours = [*filter(None, (setting.environment for setting in SETTINGS.values())), *OTHERS]
    problems = []
    for name in sorted(set(os.environ).difference(ours)):
        if name.startswith("XTRACE_TEST_"):
            continue
        close = get_close_matches(name, ours, n=1, cutoff=CLOSE)
        if close or name.startswith("XTRACE_"):
            hint = f"Did you mean {close[0]}?" if close else "See docs/settings.md."
            problems.append(f"There is no setting {name}. {hint}")
    return problems


def _looked_at(emitter: Emitter) -> str | None:
    """Print where an emitter sends, and who is there; gives what is wrong with it."""
    scheme, _, rest = emitter.url.partition(":")
    problem = said = None
    if scheme in ("udp", "otlp+udp"):
        address: DaemonAddress = SETTINGS["daemon_address"].value(None)
        udp = _endpoint_of(rest) or address.udp
        said, problem = _daemon(udp, address.tcp if udp == address.udp else udp)
    elif scheme in ("otlp+http", "otlp+https"):
        said, problem = _backend(getattr(emitter, "endpoint", ""))
    elif scheme == "file":
        folder = os.path.dirname(os.path.abspath(rest.removeprefix("//")))
        if not os.access(folder, os.W_OK):
            problem = (
                f"Traces can't be written to {rest!r}: there is no folder {folder!r} to write to."
            )
    print(f"  {emitter.url}" + (f" ({said})" if said else ""))
    return problem


def _daemon_alone() -> list[str]:
    """What is wrong with the daemon, if that is where traces go whatever else is wrong."""
    try:
        if not SETTINGS["emitter"].is_in_environment():
            address: DaemonAddress = SETTINGS["daemon_address"].value(None)
            return [p for p in (_daemon(address.udp, address.tcp)[1],) if p]
    except ConfigurationError:
        pass  # among the problems already
    return []


def _endpoint_of(rest: str) -> Endpoint | None:
    from ..daemon import endpoint

    try:
        return endpoint(rest.rstrip("/"), rest, "emitter")
    except ConfigurationError:
        return None


def _daemon(udp: Endpoint, tcp: Endpoint) -> tuple[str | None, str | None]:
    """Who listens on an address of the daemon's, and what is wrong with it."""
    told = health(tcp)
    if told is not None:
        return f"{told.get('program')} {told.get('version')}, process {told.get('pid')}", None
    text = endpoint_text(udp)
    try:
        family, kind, _, _, target = socket.getaddrinfo(*udp, type=socket.SOCK_DGRAM)[0]
    except OSError as error:
        return None, f"The host of the daemon, {udp[0]}, isn't found: {error.strerror}."
    with socket.socket(family, kind) as sock:
        sock.settimeout(0.3)
        try:
            sock.connect(target)
            sock.send(PROBE)
            sock.recv(1)
        except TimeoutError:
            return "something listens there, or the host drops what is sent", None
        except OSError as error:
            return None, (
                f"No daemon on udp {text} ({error.strerror}). Start one with `xtrace collector`, "
                "or set AWS_XRAY_DAEMON_ADDRESS."
            )
    return "something answers there", None


def _backend(url: str) -> tuple[str | None, str | None]:
    """Whether anybody takes connections at a URL."""
    from urllib.parse import urlsplit

    place = urlsplit(url)
    host, port = place.hostname or "", place.port or {"https": 443}.get(place.scheme, 80)
    try:
        socket.create_connection((host, port), timeout=ASK_SECONDS).close()
    except OSError as error:
        why = error.strerror or str(error)
        return url, f"Nobody answers at {host}:{port} ({why}). Is that where the backend listens?"
    return f"{url}, where somebody answers", None


def _sent(recorder: Recorder) -> list[str]:
    """Send a trace, and look what became of it."""
    with recorder.in_segment("xtrace doctor", sampling=True) as segment:
        segment.put_annotation("doctor", True)
    recorder.flush(SEND_SECONDS)
    problems = []
    for each in recorder.stats().emitters:
        for reason, count in each.dropped.items():
            problems.append(f"{each.emitter}: a trace was dropped: {count} {reason}.")
        if each.pending:
            problems.append(f"{each.emitter}: a trace is still waiting after {SEND_SECONDS:.0f} s.")
    print(f"Sent trace {segment.trace_id}: {recorder.stats()}")
    address: DaemonAddress = SETTINGS["daemon_address"].value(None)
    is_for_daemon = any(each.url.startswith(("udp:", "otlp+udp:")) for each in recorder.emitters)
    told = health(address.tcp) if is_for_daemon else None
    if problems or told is None or told.get("store") is None:
        return problems
    if not _arrived(address.tcp, segment.trace_id):
        return [f"The collector has got no trace {segment.trace_id} in {SEND_SECONDS:.0f} s."]
    print(f"It has arrived: xtrace show {segment.trace_id}")
    return []


def _arrived(endpoint: Endpoint, trace_id: str) -> bool:
    deadline = time.monotonic() + SEND_SECONDS
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection(*endpoint, timeout=SEND_SECONDS)
        try:
            connection.request("GET", f"/api/v1/traces/{trace_id}")
            if connection.getresponse().status == http.client.OK:
                return True
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(0.1)
    return False


def _wrapped(text: str, indent: int) -> str:
    """A text on lines of the terminal's width."""
    width = max(40, shutil.get_terminal_size().columns)
    space = " " * indent
    return textwrap.fill(text, width, initial_indent=space, subsequent_indent=space)
