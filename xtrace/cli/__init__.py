"""The command `xtrace`: one file here for each subcommand.

A subcommand is a module with `add_arguments(parser)` and `run(arguments) -> int`, the exit status;
`run` alone takes the words themselves, since they are another program's. It is imported when it is
called for.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

from .._version import __version__
from ..errors import XTraceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    class Command(Protocol):
        """What a module of this package looks like from here."""

        def add_arguments(self, parser: argparse.ArgumentParser) -> None:
            """Say what the command takes."""
            ...

        def run(self, arguments: argparse.Namespace) -> int:
            """Do it; gives the exit status."""
            ...


COMMANDS = {
    "collector": "receive traces and store them",
    "compare-backends": "show whether two backends have received the same traces",
    "daemon": "receive traces and send them on to X-Ray, in place of the X-Ray daemon",
    "diff": "show two traces side by side",
    "doctor": "show the settings in force and what is wrong",
    "export": "write traces into a file",
    "find": "list the traces that a filter matches, or what they have in common",
    "import": "read traces from files",
    "migrate": "rewrite a program for aws_xray_sdk to one for xtrace",
    "run": "run a program traced, without a change to it",
    "sampling": "explain which sampling rule decides about a request",
    "show": "list the stored traces, or draw one",
    "tail": "draw traces as they arrive",
    "watch": "fail when the traces that arrive meet a condition",
}


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit status."""
    words = sys.argv[1:] if words is None else list(words)
    parser = argparse.ArgumentParser(prog="xtrace", description="Tracing on a bare laptop.")
    parser.add_argument("--version", action="version", version=f"xtrace {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    called = next((word for word in words if not word.startswith("-")), None)
    if called == "run":
        from .run import run_words

        return run_words(words[words.index(called) + 1 :])
    try:
        for name, summary in COMMANDS.items():
            subparser = subparsers.add_parser(
                name, help=summary, description=f"{summary}.".capitalize()
            )
            if name == called:
                _command(name).add_arguments(subparser)
        arguments = parser.parse_args(words)
        return _command(arguments.command).run(arguments)
    except XTraceError as error:
        print(f"xtrace {called}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of our output has gone: `xtrace show | head`
        sys.stderr.close()
        return 0


def _command(name: str) -> Command:
    module: Command = import_module(f".{name.replace('-', '_')}", __name__)
    return module
