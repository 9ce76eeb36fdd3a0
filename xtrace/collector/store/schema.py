"""The tables of the store on SQLite, and how a file with them is opened.

Filters are compiled to conditions on these tables (filters/sql.py), with `t` for traces.
"""

from __future__ import annotations

import os
import sqlite3
import sys

from . import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

MEMORY = ":memory:"
APPLICATION_ID = 0x78747263  # "xtrc": tells our files from other SQLite databases
SCHEMA_VERSION = 4
PAGE_BYTES = 8192
"""Five documents of 1.5 KB fill a page nearly; at 4096 a quarter would be wasted."""

DOCUMENT_BITS = 24
"""documents.number is trace_no << DOCUMENT_BITS plus the document's place in its trace: the
documents of a trace lie side by side, are read and deleted as a range, and need no index."""

DERIVED_TABLES = ("parts", "calls", "annotations", "values_of", "links", "failures", "compiled")
"""Rows that are made of a trace's documents; the first column of each is trace_no."""

BUSY_SECONDS = 2.0
"""How long a statement waits for another process's transaction."""

SCHEMA = """
create table documents (
    number integer primary key,          -- see DOCUMENT_BITS
    data blob not null                   -- as received
);

-- One row a trace. Until a trace is compiled, and while it can't be, time is null.
create table traces (
    trace_no integer primary key,        -- in the order of first arrival
    trace_id text not null unique,
    received real not null,              -- when its first document arrived
    time real,                           -- the time in its id, or start_time if that is far from it
    start_time real,
    end_time real,
    duration real,
    response_time real,                  -- of the root, as has_ok, has_error, has_fault, http_...
    has_ok integer,                      -- booleans are 0 or 1
    has_error integer,
    has_fault integer,
    has_throttle integer,                -- of any part
    is_partial integer,
    has_inferred integer,
    http_url text,
    http_method text,
    http_status integer,
    http_user_agent text,
    http_client_ip text,
    root_node integer,
    run_no integer,                      -- null: of none
    change_no integer                    -- grows with each compilation, of all traces together
);
create index traces_by_time on traces (time);
create index traces_by_start on traces (start_time, end_time);
create index traces_by_change on traces (change_no);
create index traces_by_run on traces (run_no, start_time) where run_no is not null;

create table runs (
    run_no integer primary key,
    name text not null unique,
    begun real not null,
    pinned integer not null              -- its traces aren't trimmed
);

create table nodes (
    node_no integer primary key,
    name text not null,
    type text,
    account_id text,
    last_trace_no integer not null default 0  -- the highest of the traces that it occurs in
);
create index nodes_by_name on nodes (name);

create table parts (
    trace_no integer not null,
    part_no integer not null,            -- by start, from 0
    node_no integer not null,
    root integer not null,
    inferred integer not null,
    ok integer not null,
    error integer not null,
    fault integer not null,
    throttle integer not null,
    response_time real,
    duration real,
    end_time real,
    http_status integer,
    primary key (trace_no, part_no)
) without rowid;

create table calls (
    trace_no integer not null,
    call_no integer not null,
    source_no integer not null,
    target_no integer not null,
    link integer not null,
    ok integer not null,
    error integer not null,
    fault integer not null,
    throttle integer not null,
    response_time real,
    primary key (trace_no, call_no)
) without rowid;

create table annotations (
    trace_no integer not null,
    annotation_no integer not null,
    key text not null,
    kind text not null,                  -- s text, n number, b boolean
    text text,                           -- of s
    number real,                         -- of n, and 0 or 1 of b
    primary key (trace_no, annotation_no)
) without rowid;
create index annotations_by_text on annotations (key, text) where kind = 's';
create index annotations_by_number on annotations (key, number) where kind <> 's';

create table values_of (
    trace_no integer not null,
    field text not null,                 -- user, availabilityzone, instance.id, resource.arn, error
    text text not null,
    primary key (trace_no, field, text)
) without rowid;
create index values_by_text on values_of (field, text);

-- The links of traces to others, and what they led from when the trace was last compiled.
create table links (
    trace_no integer not null,
    link_no integer not null,
    to_trace text not null,              -- id of the other trace, which may not be there
    id text not null,                    -- of a segment or subsegment in it
    found blob,                          -- node and end, JSON; null if there was none
    primary key (trace_no, link_no)
) without rowid;
create index links_by_target on links (to_trace, id, found);

-- See failures.Failure.
create table failures (
    trace_no integer not null,
    failure_no integer not null,
    node_no integer not null,
    group_id text not null,
    type text not null,
    message text not null,
    frame blob,                          -- path, line and label, JSON
    time real not null,
    entity text not null,
    primary key (trace_no, failure_no)
) without rowid;
create index failures_by_group on failures (group_id, trace_no);

-- What find() and the graph give of a trace, apart from the columns that filters look at.
create table compiled (
    trace_no integer primary key,
    summary blob not null,               -- JSON
    observations blob not null           -- graph.pack(): what the trace has added to rollups
);

-- Traces with documents that their compilation lacks.
create table stale (trace_no integer primary key);

-- Nodes (source_no null) and edges of the service graph.
create table subjects (
    subject_no integer primary key,
    source_no integer,
    target_no integer not null,
    link integer not null
);
create index subjects_by_nodes on subjects (target_no, source_no);

-- Observations added up, per minute and, once ten minutes are over, per ten minutes too.
create table rollups (
    span integer not null,               -- 60 or 600 seconds
    start integer not null,              -- seconds since the epoch, a multiple of span
    subject_no integer not null,
    data blob not null,                  -- graph.Rollup, packed
    primary key (span, start, subject_no)
) without rowid;
create table sealed (start integer primary key);  -- tens of minutes that have rollups of their own

create table settings (name text primary key, value blob not null) without rowid;
create table sampling (
    time real not null,
    rule text not null,
    requests integer not null,
    borrowed integer not null,
    sampled integer not null,
    primary key (time, rule)
) without rowid;

-- Numbers that must survive the rows they come from.
create table counters (name text primary key, value not null) without rowid;
"""


def documents_of(connection: sqlite3.Connection, trace_no: int) -> list[bytes]:
    """The documents of a trace, in the order of their arrival."""
    first = trace_no << DOCUMENT_BITS
    rows = connection.execute(
        "select data from documents where number >= ? and number < ? order by number",
        (first, first + (1 << DOCUMENT_BITS)),
    )
    return [data for (data,) in rows]


def connect(path: str, read_only: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode, that any thread may use, one at a time."""
    connection = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    connection.execute("pragma cache_size = -16384")
    connection.execute("pragma temp_store = memory")
    if read_only:
        connection.execute("pragma query_only = 1")
    return connection


def prepare(connection: sqlite3.Connection, path: str, read_only: bool = False) -> None:
    """Make a new file ours, unless it is only to be read, and see that an old one is.

    Raises StoreError.
    """
    ours, version = (
        connection.execute(f"pragma {name}").fetchone()[0]
        for name in ("application_id", "user_version")
    )
    tables = connection.execute("select count(*) from sqlite_master").fetchone()[0]
    new = tables == version == 0
    if new and read_only:
        raise StoreError(f"{path!r} is empty: no collector has stored anything there yet.")
    if not new and ours != APPLICATION_ID and version != 1:
        raise StoreError(f"{path!r} is a database of another program. Name another with --db.")
    if not new and version != SCHEMA_VERSION:
        raise StoreError(
            f"{path!r} was written by another version of xtrace (its schema has version {version}, "
            f"this one needs {SCHEMA_VERSION}). Name another file with --db, or move this one away."
        )
    if read_only:
        return
    if new:
        connection.execute(f"pragma page_size = {PAGE_BYTES}")
    if path != MEMORY:
        connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = normal")
    connection.execute("pragma wal_autocheckpoint = 4000")
    connection.execute("pragma journal_size_limit = 67108864")
    if new:
        connection.executescript(
            f"begin; pragma application_id = {APPLICATION_ID}; "
            f"pragma user_version = {SCHEMA_VERSION}; {SCHEMA} commit"
        )


def unusable(path: str, error: Exception) -> StoreError:
    """What to say when a file can't be opened or read."""
    there = ", or move this one away" if os.path.exists(path) else ""
    return StoreError(
        f"Can't use {path!r} as a database: {error}. Nothing was changed. "
        f"Name another file with --db{there}."
    )


def lock(path: str) -> BinaryIO:
    """Hold a file's lock for as long as the result is open, at most until the process ends.

    Raises StoreError if someone else holds it.
    """
    file = open(path + ".lock", "a+b")  # noqa: SIM115 (its owner closes it)
    try:
        _lock(file)
    except OSError as error:
        file.seek(0)
        holder = file.read(20).decode("ascii", "replace").strip() or "unknown"
        file.close()
        raise StoreError(
            f"Another collector (process {holder}) stores in {path!r}. Stop it, or name another "
            "file with --db."
        ) from error
    file.seek(0)
    file.truncate()
    file.write(b"%d\n" % os.getpid())
    file.flush()
    return file


if sys.platform == "win32":
    import msvcrt

    def _lock(file: BinaryIO) -> None:
        file.seek(4096)  # past the process id, which others may read
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: BinaryIO) -> None:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
