"""`xtrace export`: traces into a file: to attach to a ticket, to keep, to open elsewhere."""

from __future__ import annotations

import os
import re
import sys

from ..errors import ConfigurationError
from . import _api
from .find import add_question, question

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

FORMATS = ("json", "ndjson", "csv", "html")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        "trace_ids",
        nargs="*",
        metavar="TRACE_ID",
        help="these traces (default: all, or what --filter finds)",
    )
    parser.add_argument("--filter", default="", metavar="FILTER", help="those that match")
    add_question(parser)
    parser.add_argument(
        "--limit", type=int, default=1000, metavar="N", help="the most traces (default: 1000)"
    )
    parser.add_argument(
        "-o",
        "--out",
        metavar="FILE",
        help="where to (default: a name after the time or trace; - for standard output)",
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="json: a trace file, which xtrace import reads; ndjson: a document a line; csv: a line a trace, or a "
        "row of one trace; html: a report of one trace (default: by the end of FILE, else json)",
    )
    parser.add_argument(
        "--redact",
        metavar="WHAT",
        help="leave out, separated by commas: metadata, sql, client_ip, user",
    )
    parser.add_argument(
        "--annotations", metavar="KEYS", help="columns of a csv, separated by commas"
    )
    _api.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the file; its name goes to standard output."""
    api = _api.opened(arguments)
    ids = [api.trace_id(each) for each in arguments.trace_ids]
    form, zipped = _form(arguments)
    asked: dict[str, Any] = {"format": form, "gzip": zipped, "redact": arguments.redact}
    path = "/export"
    if form == "html" and len(ids) != 1:
        raise ConfigurationError(
            "A report is of one trace; name it: xtrace export TRACE_ID --format html"
        )
    if ids:
        asked["id"] = ids
    else:
        asked |= {**question(arguments), "limit": arguments.limit}
    if form == "csv":
        if len(ids) == 1:
            path, asked = f"{_api.path_of(ids[0])}/export", {**asked, "id": None}
        else:
            asked["annotations"] = arguments.annotations
    if arguments.out == "-":
        api.download(path, asked, sys.stdout.buffer)
        return 0
    name = arguments.out or f".xtrace-export-{os.getpid()}"
    try:
        with open(name, "wb") as file:
            headers = api.download(path, asked, file)
    except BaseException as error:
        if not arguments.out and os.path.exists(name):
            os.remove(name)
        if isinstance(error, OSError):
            raise ConfigurationError(f"Can't write {name!r}: {error.strerror}.") from error
        raise
    if not arguments.out:
        given = re.search(r'filename="([\w.-]+)"', headers.get("content-disposition", ""))
        target = given[1] if given else "traces.xtrace.json"
        os.replace(name, target)
        name = target
    print(name)
    left_out = int(headers.get("x-xtrace-left-out", "0"))
    if left_out:
        more = f"{left_out} more traces are left out; --limit N takes more."
        print(more, file=sys.stderr)
    return 0


def _form(arguments: argparse.Namespace) -> tuple[str, bool]:
    """The format, and whether the file is compressed."""
    name = arguments.out or ""
    zipped = name.endswith(".gz")
    end = name.removesuffix(".gz").rpartition(".")[2]
    return arguments.format or (end if end in FORMATS else FORMATS[0]), zipped
