"""The command `xtrace`: one file here for each subcommand.

A subcommand is a module with `add_arguments(parser)` and `run(arguments) -> int`, the exit status;
`run` alone takes the words themselves, since they are another program's. It is imported when it is
called for.
"""

from __future__ import annotations

import argparse
import codecs
import errno
import io
import os
import sys
from importlib import import_module

from .._version import __version__
from ..errors import XTraceError
from ..extras import how_to_install

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


DESCRIPTION = """\
Record traces, keep them, and look at them. To begin with, in three terminals:

  xtrace collector        receives traces, and shows them at http://127.0.0.1:2000/
  xtrace run app.py       runs a program traced, without a change to it
  xtrace tail             draws each trace as it arrives

`xtrace COMMAND --help` says what a command takes, `xtrace doctor` why no trace arrives."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Why a file that output goes to takes no more."""

PLAIN = {"█": "#", "▒": "=", "▶": ">", "✖": "x", "▲": "!", "≫": "*", "·": ".", "…": "~", "─": "-"}
PLAIN |= {"→": ">", "−": "-", "µ": "u", "×": "x", "│": "|", "┃": "|", "└": "`", "├": "|"}
"""What stands for our signs where the terminal's encoding has none of them, as ASCII hasn't."""


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit status."""
    words = sys.argv[1:] if words is None else list(words)
    _never_fail_to_print()
    parser = argparse.ArgumentParser(
        prog="xtrace",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"xtrace {__version__}")
    subparsers = parser.add_subparsers(
        title="commands", dest="command", metavar="COMMAND", required=True
    )
    called = next((word for word in words if not word.startswith("-")), None)
    if called == "run":
        from .run import run_words

        return run_words(words[words.index(called) + 1 :])
    if called is not None and called not in COMMANDS:
        return _unknown(called)
    try:
        for name, summary in COMMANDS.items():
            subparser = subparsers.add_parser(
                name, help=summary, description=f"{summary}.".capitalize()
            )
            if name == called:
                _command(name).add_arguments(subparser)
        if not words:
            parser.print_help(sys.stderr)
            return 2
        arguments, unknown = parser.parse_known_args(words)
        if unknown:  # argparse would show the usage of `xtrace`, not of the command
            subparser = subparsers.choices[arguments.command]
            subparser.error(f"unknown: {' '.join(unknown)}{_meant(subparser, unknown)}")
        status = _command(arguments.command).run(arguments)
        sys.stdout.flush()  # here, where an error of it can be told
        return status
    except KeyboardInterrupt:
        return 130
    except XTraceError as error:
        print(f"xtrace {called}: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        told = how_to_install(error)
        if told is None:
            raise
        print(f"xtrace {called}: {told}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of our output has gone: `xtrace show | head`
        sys.stderr.close()
        return 0
    except OSError as error:
        if error.errno not in FULL:
            raise
        print(f"xtrace {called}: Can't write what was asked for: {error.strerror}", file=sys.stderr)
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  # what is left would be tried again
        return 2


def _meant(parser: argparse.ArgumentParser, unknown: Sequence[str]) -> str:
    """What to write in place of a word by which other programs ask for a host or a port."""
    if any(word.partition("=")[0] in ("--host", "--port", "--url") for word in unknown):
        usage = parser.format_usage()
        for option in ("--listen", "--address"):
            if option in usage:
                return f"; write {option} HOST:PORT"
    return ""


def _command(name: str) -> Command:
    module: Command = import_module(f".{name.replace('-', '_')}", __name__)
    return module


def _unknown(called: str) -> int:
    from difflib import get_close_matches

    close = get_close_matches(called, COMMANDS, n=1)
    hint = f"Did you mean `xtrace {close[0]}`?" if close else f"Known: {', '.join(COMMANDS)}."
    print(f"xtrace: There is no command {called!r}. {hint}", file=sys.stderr)
    return 2


def _never_fail_to_print() -> None:
    """Have characters that the terminal's encoding lacks replaced; without UTF-8 they are an error."""
    codecs.register_error("xtrace", _plain)
    if sys.stdout is None:  # closed by who started us: `xtrace find >&-`
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="xtrace")


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(PLAIN.get(character, "?") for character in lacking), error.end
