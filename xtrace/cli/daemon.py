"""`xtrace daemon`: what the X-Ray daemon does, with its flags and its file; nothing is stored."""

from __future__ import annotations

from .._version import __version__
from . import collector

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes: what `xtrace collector` does, and the daemon's -v."""
    collector.add_arguments(parser)
    parser.add_argument("-v", "--version", action="version", version=f"xtrace {__version__}")


def run(arguments: argparse.Namespace) -> int:
    """Run until SIGINT or SIGTERM."""
    arguments.no_store = True
    return collector.run(arguments)
