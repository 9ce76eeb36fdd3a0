"""Where the commands find the collector's database."""

from __future__ import annotations

import os

from ..collector.store import StoreError, check_path, is_url, open_to_read, shown
from ..errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from ..collector.store import Store

ENVIRONMENT = "XTRACE_DB"


def default_path() -> str:
    """The database unless --db or XTRACE_DB names another."""
    state = os.environ.get("XDG_STATE_HOME") or os.path.join(
        os.path.expanduser("~"), ".local", "state"
    )
    return os.environ.get(ENVIRONMENT) or os.path.join(state, "xtrace", "traces.db")


def add_argument(parser: argparse.ArgumentParser) -> None:
    """Add --db."""
    parser.add_argument(
        "--db",
        metavar="FILE",
        default=default_path(),
        help="the database: a file, or clickhouse://user:password@host:8123/database "
        f"(default: {ENVIRONMENT}, else {shown(default_path())})",
    )


def open_existing(path: str) -> Store:
    """The store to read from. Raises ConfigurationError if there is none, or it can't be used."""
    try:
        check_path(path)
        if not is_url(path) and not os.path.exists(path):
            raise ConfigurationError(
                f"There is no database {path!r} yet. Start the collector with `xtrace collector`, "
                "or name its database with --db."
            )
        return open_to_read(path)
    except StoreError as error:
        raise ConfigurationError(str(error)) from error
