"""SQL, once for all drivers: a statement is a subsegment of its database.

`trace_method` replaces a cursor's method, on the class itself, by one that runs the same within
the subsegment; so types, identity and signatures stay. What a driver's file says is which methods
these are and how a connection tells its database.

A statement is one subsegment however many functions it passes: what is below it is silent. Fetching
isn't recorded, so a loop over many rows adds nothing.
"""

from __future__ import annotations

import functools
import inspect

from .. import cause, faults, ids, redaction
from ..default import recorder as _recorder
from ..document import MAX_FIELD_CHARS, MAX_SQL_CHARS
from ..interruption import let_through
from ..model import OPEN, Subsegment
from ..naming import peer_name
from ..noop import NO_SUBSEGMENT
from ..settings import SQL_RAW
from ..writing import SqlBlock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..recorder import Recorder
    from ._wrap import Patcher

DRIVER = "driver"
"""The layer of what speaks to the database itself."""

WHOLE = ""
"""The layer of a statement under which everything is silent, other statements of the driver too."""

METADATA = "sql"
"""The namespace of what is recorded in metadata: `rows` that a statement gave or changed, the `step`
of one that takes several, the state of a `pool`."""

CONNECT = "connect"
POOL_WAIT = "pool wait"
SHORTEST_WAIT_SECONDS = 0.001
"""Who gets a connection sooner hasn't waited for it."""

_MOST_ROWS = 1 << 62  # mysqlclient says 2**64 - 1 where it doesn't know


class Database:
    """A database as one connection sees it: what every statement's subsegment says of it.

    name: of the subsegments, "database@host". block: the constant part of their `sql` block (url
    without password, user, database_type, database_version, driver_version).
    dialect: of the statements, as redaction.sql knows them.
    layer: what runs them: DRIVER, or the name of a library that uses drivers.
    prepared, called: the block of statements with parameters, and of procedures.
    """

    __slots__ = ("block", "called", "dialect", "layer", "masked", "name", "prepared")

    def __init__(self, name: str, dialect: str, block: dict[str, Any], layer: str = DRIVER) -> None:
        self.name = name
        self.layer = layer
        self.dialect = dialect
        self.masked = redaction.masked(dialect)
        known = {key: str(value)[:MAX_FIELD_CHARS] for key, value in block.items() if value}
        self.block = SqlBlock(known)
        self.prepared = SqlBlock({**known, "preparation": "statement"})
        self.called = SqlBlock({**known, "preparation": "call"})


_SCHEMES = {
    "MariaDB": "mysql",
    "Microsoft SQL Server": "mssql",
    "MySQL": "mysql",
    "Oracle": "oracle",
    "PostgreSQL": "postgresql",
}
_DIALECTS = {
    "MariaDB": redaction.MYSQL,
    "MySQL": redaction.MYSQL,
    "PostgreSQL": redaction.POSTGRESQL,
}


def on_server(
    kind: str,
    name: object,
    host: object,
    port: object,
    user: object,
    version: object = "",
    driver: str = "",
    dialect: str | None = None,
    layer: str = DRIVER,
) -> Database:
    """A database on a server, by what a driver knows; what it doesn't know is None or "".

    kind: "PostgreSQL", "MySQL" or "MariaDB", or whatever it is called. driver: "psycopg-3.2.1".
    host: a path is a socket in the file system.
    """
    name, host, user = _text(name), _text(host), _text(user)
    if not host or host[0] in "/@":
        host = "localhost"
    place = f"[{host}]" if ":" in host else host
    scheme = _SCHEMES.get(kind, kind.lower())
    server = peer_name(_recorder.peer_names, host, f"{place}:{port}") or host
    return Database(
        f"{name}@{server}" if name else server,
        dialect or _DIALECTS.get(kind, "standard"),
        {
            "url": f"{scheme}://{place}{f':{port}' if port else ''}/{name}",
            "user": user,
            "database_type": kind,
            "database_version": version,
            "driver_version": driver,
        },
        layer,
    )


def on_postgresql_server(
    name: object,
    host: object,
    port: object,
    user: object,
    version: object,
    driver: str,
    standard_strings: object,
) -> Database:
    """As on_server(). version: a text, or a number as libpq has it.

    standard_strings: the server's setting standard_conforming_strings, "on" or "off".
    """
    if isinstance(version, int):
        version = f"{version // 10_000}.{version % 10_000}" if version else ""
    dialect = redaction.POSTGRESQL_ESCAPED if standard_strings == "off" else redaction.POSTGRESQL
    return on_server("PostgreSQL", name, host, port, user, version, driver, dialect)


def on_mysql_server(
    name: object,
    host: object,
    port: object,
    user: object,
    version: str,
    driver: str,
    backslashes_escape: bool = True,
) -> Database:
    """As on_server(). version: as the server says it, which tells MariaDB from MySQL.

    backslashes_escape: False if its sql_mode has NO_BACKSLASH_ESCAPES.
    """
    kind = "MariaDB" if "mariadb" in version.lower() else "MySQL"
    if kind == "MariaDB":
        version = version.removeprefix("5.5.5-")  # for replicas that don't expect a 10
    dialect = redaction.MYSQL if backslashes_escape else redaction.MYSQL_PLAIN
    return on_server(kind, name, host, port, user, version.partition("-")[0], driver, dialect)


def in_file(path: object, version: str, driver: str, layer: str = DRIVER) -> Database:
    """A database of SQLite's. path: what connect() was given."""
    import os

    text = os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else str(path)
    location = text.removeprefix("file:").partition("?")[0]
    return Database(
        os.path.basename(location) or ":memory:",
        redaction.SQLITE,
        {
            "url": f"sqlite:///{location}",
            "database_type": "SQLite",
            "database_version": version,
            "driver_version": driver,
        },
        layer,
    )


def driver_version(module: Any) -> str:
    """ "psycopg-3.2.1" """
    name = module.__name__.partition(".")[0]
    if name == "MySQLdb":
        return "mysqlclient-" + ".".join(str(part) for part in module.version_info[:3])
    # PyMySQL gives its own as VERSION_STRING; its __version__ is that of a driver it stands in for.
    version = getattr(module, "VERSION_STRING", None) or getattr(module, "__version__", None)
    return f"{name}-{version.split()[0]}" if isinstance(version, str) and version else name


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value)


# -- statements ----------------------------------------------------------------------------------


class Composed(str):
    """A statement into which a driver's helper has put values: it is masked whatever is set."""


class Statement(Subsegment):
    """A statement, in which the layers below the one that runs it are silent.

    library: what the paths of the library that runs it begin with: its frames say nothing about an
    error.
    """

    __slots__ = ("layer", "library", "sql_begun")

    layer: str
    library: tuple[str, ...]

    def _stopped_by(self, error: BaseException) -> None:
        # A driver in C has no frames, and others only their own: where the application runs the
        # statement is what matters.
        super()._stopped_by(error)
        found = self.cause
        if isinstance(found, dict):
            stack = found["exceptions"][0].setdefault("stack", [])
            room = self.segment._owner.max_trace_back - len(stack)
            stack += cause.callers(room, getattr(self, "library", ()))


def statement_call(
    recorder: Recorder, database: Database, statement: object, block: SqlBlock | None = None
) -> Subsegment:
    """The subsegment of a statement, for `with` around its execution.

    Inside a statement of another layer it is an entity on which nothing is kept: what a library
    hands to a driver is one statement, not two.
    block: database.prepared or database.called; database.block unless given.
    """
    try:
        parent = recorder._get_current()
        if parent is None or not parent.sampled:
            return NO_SUBSEGMENT
        layer = database.layer
        if parent._stop is None:
            if parent.__class__ is Statement and parent.layer != layer:
                return NO_SUBSEGMENT
        elif recorder._is_over(parent):
            return NO_SUBSEGMENT
        call = Statement(database.name, parent, parent.segment, "remote")
        call.layer = layer
        if block is None:
            block = database.block
        mode = recorder.stream_sql
        if not mode or statement is None:
            call.sql_begun = None
            call._more = {"sql": {**block}}
            return call
        if statement.__class__ is not str:
            # What isn't a plain text may have had parameters put into it: masked, whatever is set.
            text = database.masked[_readable(statement)]
        elif recorder.redact if mode is True else mode != SQL_RAW:
            text = database.masked[statement]
        else:
            text = statement
        if len(text) > MAX_SQL_CHARS:
            call._checked = False  # it is cut when it is sent
        call.sql_begun = block.begun
        sql: dict[str, Any] = block.copy()  # faster than to unpack it into another
        sql["sanitized_query"] = text
        call._more = {"sql": sql}
        return call
    except Exception as error:
        faults.report("sql", "A statement isn't recorded", error)
        return NO_SUBSEGMENT


def _readable(statement: object) -> str:
    """The text of a statement in another form; "" of what isn't surely text."""
    if isinstance(statement, (bytes, bytearray)):
        try:
            return statement.decode("utf-8")
        except UnicodeDecodeError:  # in other encodings, a quote may be half a character
            return ""
    return str(statement) if isinstance(statement, str) else ""


def put_rows(call: Subsegment, rows: object) -> None:
    """Record how many rows a statement gave or changed, if the driver knows."""
    if rows.__class__ is int and 0 <= rows < _MOST_ROWS:
        call._metadata = {METADATA: {"rows": rows}}


def put_step(call: Subsegment, step: str) -> None:
    """Record of a subsegment which part of running statements it is."""
    call._metadata = {METADATA: {"step": step}}


EXECUTE, PREPARED, CALL = "execute", "prepared", "callproc"
"""What a method runs: a statement, perhaps with parameters; one with parameters; a procedure."""

_PARAMETERS = ("args", "params", "parameters", "vars")


def is_given(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a call of execute() has parameters besides the statement."""
    if len(args) > 1:
        value = args[1]
    elif kwargs:
        value = next((kwargs[name] for name in _PARAMETERS if name in kwargs), None)
    else:
        return False
    # Anything may be a parameter, also what has no truth value.
    return bool(value) if value.__class__ in (tuple, list, dict) else value is not None


def _row_count(cursor: Any, result: Any) -> object:
    return cursor.rowcount


class Method:
    """How a cursor's method is traced.

    describe: the database of a cursor; called for each statement.
    kind: EXECUTE, PREPARED or CALL.
    first: the name of the method's first parameter, the statement; as its signature tells.
    statement: of a cursor and the method's first argument, where that isn't always a str: a str,
    Composed or bytes.
    given: whether arguments hold parameters, for EXECUTE.
    rows: of a cursor and what the method gave, how many rows that are, or None.
    whole: whether all below is silent.
    """

    __slots__ = ("describe", "first", "given", "kind", "rows", "statement", "whole")

    def __init__(
        self,
        describe: Callable[[Any], Database],
        kind: str = EXECUTE,
        *,
        first: str = "",
        statement: Callable[[Any, Any], object] | None = None,
        given: Callable[[tuple[Any, ...], dict[str, Any]], bool] = is_given,
        rows: Callable[[Any, Any], object] = _row_count,
        whole: bool = True,
    ) -> None:
        self.describe = describe
        self.kind = kind
        self.first = first
        self.statement = statement
        self.given = given
        self.rows = rows
        self.whole = whole

    def begin(self, cursor: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Subsegment:
        """The subsegment of a call, for `with`."""
        try:
            statement = args[0] if args else kwargs.get(self.first)
            if self.statement is not None:
                statement = self.statement(cursor, statement)
            database = self.describe(cursor)
            if self.kind is CALL:
                block = database.called
            elif self.kind is PREPARED or self.given(args, kwargs):
                block = database.prepared
            else:
                block = database.block
            call = statement_call(_recorder, database, statement, block)
            if self.whole and call.__class__ is Statement:
                call.layer = WHOLE
            return call
        except Exception as error:
            faults.report("sql", "A statement isn't recorded", error)
            return NO_SUBSEGMENT

    def end(self, call: Subsegment, cursor: Any, result: Any) -> None:
        """Record what came of it, if it didn't fail."""
        try:
            put_rows(call, self.rows(cursor, result))
        except Exception as error:
            faults.report("sql", "The rows of a statement aren't recorded", error)


def trace_method(
    patcher: Patcher,
    owner: Any,
    name: str,
    describe: Callable[[Any], Database],
    kind: str = EXECUTE,
    **options: Any,
) -> None:
    """Replace the method of a cursor's class, where it has it itself. See Method."""
    if name in vars(owner):
        run = vars(owner)[name]
        patcher.replace(owner, name, traced(run, Method(describe, kind, **options)))


def traced(run: Any, method: Method) -> Any:
    """The function, traced: sync or async, as the original is."""
    recorder = _recorder
    if not method.first:
        method.first = [*inspect.signature(run).parameters][1]

    if inspect.iscoroutinefunction(run):

        @functools.wraps(run)
        async def traced_async(self: Any, *args: Any, **kwargs: Any) -> Any:
            parent = recorder._get_current()
            if parent is None or not parent.sampled:
                return await run(self, *args, **kwargs)
            with method.begin(self, args, kwargs) as call:
                result = await run(self, *args, **kwargs)
                if call.sampled:
                    method.end(call, self, result)
                return result

        return traced_async

    if inspect.iscoroutinefunction(inspect.unwrap(run)):

        async def awaited(coroutine: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
            with method.begin(self, args, kwargs) as call:
                result = await coroutine
                if call.sampled:
                    method.end(call, self, result)
                return result

        @functools.wraps(run)
        def traced_awaitable(self: Any, *args: Any, **kwargs: Any) -> Any:
            parent = recorder._get_current()
            coroutine = run(self, *args, **kwargs)  # what it checks, it checks now
            if parent is None or not parent.sampled:
                return coroutine
            return awaited(coroutine, self, *args, **kwargs)

        return traced_awaitable

    @functools.wraps(run)
    def traced_sync(self: Any, *args: Any, **kwargs: Any) -> Any:
        parent = recorder._get_current()
        if parent is None or not parent.sampled:
            return run(self, *args, **kwargs)
        with method.begin(self, args, kwargs) as call:
            result = run(self, *args, **kwargs)
            if call.sampled:
                method.end(call, self, result)
            return result

    return traced_sync


def subclass(base: Any, attributes: dict[str, Any]) -> Any:
    """A subclass of a driver's class that can't be changed in place, and looks like it."""
    same = {
        "__doc__": base.__doc__,
        "__module__": base.__module__,
        "__qualname__": base.__qualname__,
    }
    return type(base.__name__, (base,), {**same, **attributes})


def kept_with(connection: Any, describe: Callable[[Any], Database], unknown: Database) -> Database:
    """The database of a connection, described once and kept in an attribute of it.

    unknown: of a connection that can't tell any more, most likely because it is closed.
    """
    try:
        known: Database = connection._xtrace_database
        return known
    except AttributeError:
        pass
    try:
        database = describe(connection)
        connection._xtrace_database = database
        return database
    except Exception as error:
        let_through(error)
        return unknown


def begin_long(database: Database, statement: object, parametrised: bool) -> Subsegment:
    """Begin a statement that takes as long as the application reads or writes.

    It is never current, so what the application does meanwhile isn't part of it. For end_long().
    """
    try:
        block = database.prepared if parametrised else database.block
        call = statement_call(_recorder, database, statement, block)
        call.begin()
        return call
    except Exception as error:
        faults.report("sql", "A statement isn't recorded", error)
        return NO_SUBSEGMENT


def end_long(call: Subsegment, error: BaseException | None = None, rows: object = None) -> None:
    """End what begin_long() has begun."""
    if call.sampled:
        put_rows(call, rows)
        call.__exit__(None if error is None else type(error), error, None)


# -- connecting ----------------------------------------------------------------------------------


def trace_connect(
    patcher: Patcher, owner: Any, name: str, describe: Callable[[Any], Database]
) -> None:
    """Replace the method with which a library's connection connects, and sets itself up.

    What it runs meanwhile is silent: no statement that anybody has written. Connecting itself is
    recorded where it fails, or where the application waits for it.
    describe: of the connection, asked when it has connected or has failed to.
    """
    connect = vars(owner)[name]
    recorder = _recorder

    @functools.wraps(connect)
    def traced(self: Any, *args: Any, **kwargs: Any) -> Any:
        call = _begin_connecting(recorder)
        if call is None:
            return connect(self, *args, **kwargs)
        try:
            result = connect(self, *args, **kwargs)
        except BaseException as error:
            _end_connecting(call, self, describe, error)
            raise
        _end_connecting(call, self, describe, None)
        return result

    patcher.replace(owner, name, traced)


def _begin_connecting(recorder: Recorder) -> Statement | None:
    parent = recorder._get_current()
    if parent is None or not parent.sampled:
        return None
    if parent._stop is not None and recorder._is_over(parent):
        return None
    call = Statement(CONNECT, parent, parent.segment, "remote")
    call.layer = WHOLE
    call.sql_begun = None
    call.__enter__()
    return call


def _end_connecting(
    call: Statement,
    connection: Any,
    describe: Callable[[Any], Database],
    error: BaseException | None,
) -> None:
    try:
        database = describe(connection)
        call.name = database.name
        call._more = {"sql": {**database.block}}
        put_step(call, CONNECT)
    except Exception as problem:
        faults.report("sql", "Where a connection leads isn't recorded", problem)
    segment = call.segment
    under = (each for each in [*segment._owner.open, *segment._ended] if each._parent is call)
    if error is None and next(under, None) is None and dropped(call):
        call._leave(segment._current)
    else:
        call.__exit__(None if error is None else type(error), error, None)


def dropped(wait: Subsegment) -> bool:
    """End a wait without a trace if it was none, and nothing has been sent of it."""
    opened = wait.segment._owner.open
    now = wait.segment._base + ids.monotonic_clock()
    if now - wait.start_time >= SHORTEST_WAIT_SECONDS or opened.get(wait) != OPEN:
        return False
    opened.pop(wait, 0)
    wait._stop = now
    return True


# -- pools ---------------------------------------------------------------------------------------


class PoolWait(Subsegment):
    """Waiting for a connection of a pool. It is never current, so that nothing is under it that
    might turn out not to be recorded.
    """

    __slots__ = ()

    def over(self, error: BaseException | None, pool: Any, state: Callable[[Any], object]) -> None:
        """End it; if it was none, drop it."""
        if error is None and dropped(self):
            return
        try:
            self._metadata = {METADATA: {"pool": state(pool)}}
            self._checked = False
        except Exception as problem:
            faults.report("sql", "The state of a pool isn't recorded", problem)
        self.__exit__(None if error is None else type(error), error, None)


def _begin_wait(recorder: Recorder) -> PoolWait | None:
    parent = recorder._get_current()
    if parent is None or not parent.sampled:
        return None
    if parent._stop is not None and recorder._is_over(parent):
        return None
    wait = PoolWait(POOL_WAIT, parent, parent.segment)
    wait.begin()
    return wait


def trace_pool(patcher: Patcher, owner: Any, name: str, state: Callable[[Any], object]) -> None:
    """Replace the method of a pool's class that gives a connection.

    state: of the pool, as far as it tells, as a dict that goes to the metadata.
    """
    acquire = vars(owner)[name]
    recorder = _recorder
    if inspect.iscoroutinefunction(acquire):

        @functools.wraps(acquire)
        async def traced_async(self: Any, *args: Any, **kwargs: Any) -> Any:
            wait = _begin_wait(recorder)
            if wait is None:
                return await acquire(self, *args, **kwargs)
            try:
                connection = await acquire(self, *args, **kwargs)
            except BaseException as error:
                wait.over(error, self, state)
                raise
            wait.over(None, self, state)
            return connection

        patcher.replace(owner, name, traced_async)
        return

    @functools.wraps(acquire)
    def traced(self: Any, *args: Any, **kwargs: Any) -> Any:
        wait = _begin_wait(recorder)
        if wait is None:
            return acquire(self, *args, **kwargs)
        try:
            connection = acquire(self, *args, **kwargs)
        except BaseException as error:
            wait.over(error, self, state)
            raise
        wait.over(None, self, state)
        return connection

    patcher.replace(owner, name, traced)
