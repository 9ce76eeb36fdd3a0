"""`xtrace import`: traces from files, of this program, of the X-Ray API, of OpenTelemetry."""

from __future__ import annotations

import sys

from ..errors import ConfigurationError
from . import _api, _print

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="a trace file, a report, output of batch-get-traces, documents one a line, or OTLP JSON; gzipped or "
        "not; - for standard input",
    )
    parser.add_argument("--run", metavar="NAME", help="put the traces under this run")
    parser.add_argument("--json", action="store_true", help="print what the API answers")
    _api.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Read the files; 1 if a document in them can't be stored."""
    api = _api.opened(arguments, writable=True)
    status = 0
    try:
        for name in arguments.files:
            try:
                told = api.upload("/import", {"run": arguments.run}, _content(name))
            except _api.Refused as error:
                raise ConfigurationError(f"{name}: {error}") from error
            if told["malformed"]:
                status = 1
            if arguments.json:
                _print.as_json({"file": name, **told})
                continue
            traces, stored = told["traces"], told["stored"]
            said = f"{name}: {traces} trace{'s' * (traces != 1)}"
            said += f", {stored} document{'s' * (stored != 1)} stored"
            if known := told["known"]:
                said += f", {known} {'was' if known == 1 else 'were'} there already"
            if told["malformed"]:
                said += f", {told['malformed']} can't be stored"
            print(said)
            for problem in told["problems"]:
                where = f" {problem['id']}:" if problem["id"] else ""
                print(f" {where} {_print.clean(problem['message'])}", file=sys.stderr)
            if traces == 1:
                print(f"See it with: xtrace show {_print.clean(told['trace_ids'][0])}")
    finally:
        if isinstance(api, _api.StoreApi):
            api.close()
    return status


def _content(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        with open(name, "rb") as file:
            return file.read()
    except OSError as error:
        raise ConfigurationError(f"Can't read {name!r}: {error.strerror}.") from error
