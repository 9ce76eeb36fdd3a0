"""Stores other than SQL databases, once for all clients: a command is a subsegment of its store.

One logical command is one subsegment, however many requests it takes: what a client does meanwhile
for itself (looking up a cluster's nodes, trying again) is part of it, and so are the HTTP clients
that it uses. A command is recorded in the `sql` block, which is X-Ray's one place for what a store
was asked, by its name and by how many arguments it has: never with their values, unless the
recorder doesn't redact.

An integration gives traced() a function that begins a command; it makes use of place() and
command(). Nothing here raises.
"""

from __future__ import annotations

from functools import wraps

from .. import faults
from ..default import recorder
from ..document import MAX_SQL_CHARS
from ..naming import peer_name
from ..writing import SqlBlock
from ._outgoing import EVERY_LAYER, Call, finished

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    from ..model import Entity
    from ._wrap import Patcher

    # From the client and the arguments of the call to its subsegment.
    Begin: TypeAlias = Callable[[Any, tuple[Any, ...], dict[str, Any]], Call | None]

STORE = (EVERY_LAYER + 1) << 1
"""The layer of these clients: the one beside that of AWS's."""

INNER = EVERY_LAYER | STORE
"""What is silent inside of a command."""

_MOST_PLACEHOLDERS = 8


class Store:
    """A store as one client sees it: what every command's subsegment says of it.

    name: of the subsegments, "redis@host"; see name_of().
    block: the constant part of their `sql` block (url without password, database_type,
    driver_version).
    """

    __slots__ = ("block", "name")

    def __init__(self, name: str, block: dict[str, str]) -> None:
        self.name = name
        self.block = SqlBlock(block)


def name_of(what: str, host: str, port: int | None = None, usual_port: int | None = None) -> str:
    """ "redis@host", or "redis@host:6380" where the port isn't the usual one: a machine may have two.

    What the setting peer_names calls the host stands in its place, without a port.
    """
    known = peer_name(recorder.peer_names, host, f"{host}:{port or usual_port}")
    if known is not None:
        return f"{what}@{known}"
    if port is None or port == usual_port:
        return f"{what}@{host}"
    return f"{what}@{host}:{port}"


def placeholders(values: int) -> str:
    """ " ? ?" for two values; for many, how many there are."""
    if values > _MOST_PLACEHOLDERS:
        return f"{' ?' * _MOST_PLACEHOLDERS} … ({values})"
    return " ?" * values


def place() -> Entity | None:
    """What a command that begins now belongs to; None where nothing is recorded."""
    parent = recorder._get_current()
    if parent is None or not parent.sampled:
        return None
    if parent._stop is None:
        if parent.__class__ is Call and parent.inner & STORE:
            return None
    elif recorder._is_over(parent):
        return None
    return parent


def command(parent: Entity, store: Store, text: str) -> Call:
    """Begin the subsegment of a command, and make it current.

    text: what the store is asked, without values: "SET ? ?".
    """
    call = Call(store.name, parent, parent.segment, "remote")
    call.layer = STORE
    call.inner = INNER
    call.owner = 0
    call.hops = None
    if recorder.stream_sql:
        block = store.block
        call.sql_begun = block.begun
        sql: dict[str, Any] = block.copy()  # faster than to unpack it into another
        sql["sanitized_query"] = text
        call._more = {"sql": sql}
        if len(text) > MAX_SQL_CHARS:
            call._checked = False  # it is cut when it is sent
    else:
        call.sql_begun = None
        call._more = {"sql": {**store.block}}
    call.__enter__()
    return call


def traced(
    patcher: Patcher,
    owner: Any,
    name: str,
    begin: Begin,
    answered: Callable[[Any, Call, Any], None] | None = None,
    refused: tuple[type[BaseException], ...] = (),
    is_async: bool = False,
) -> None:
    """Replace a method of a client by one that records what it does.

    begin: may raise. answered: records something of the result, given the client, the call and that;
    it may raise, too.
    refused: exceptions that are errors of whoever made the call, not faults.
    """
    original = getattr(owner, name)
    library = patcher.name

    def started(self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call | None:
        try:
            return begin(self, args, kwargs)
        except Exception as error:
            faults.report(f"integration:{library}", "A command isn't recorded", error)
            return None

    def ended(client: Any, call: Call, result: Any) -> None:
        if answered is not None:
            try:
                answered(client, call, result)
            except Exception as error:
                faults.report(f"integration:{library}", "An answer isn't recorded", error)
        finished(call)

    def failed(call: Call, error: BaseException) -> None:
        if isinstance(error, refused):
            call.add_error_flag()
            call.add_exception(error, fault=False)
            finished(call)
        else:
            finished(call, error)

    @wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        call = started(self, args, kwargs)
        if call is None:
            return original(self, *args, **kwargs)
        try:
            result = original(self, *args, **kwargs)
        except BaseException as error:
            failed(call, error)
            raise
        ended(self, call, result)
        return result

    @wraps(original)
    async def coroutine_method(self: Any, *args: Any, **kwargs: Any) -> Any:
        call = started(self, args, kwargs)
        if call is None:
            return await original(self, *args, **kwargs)
        try:
            result = await original(self, *args, **kwargs)
        except BaseException as error:
            failed(call, error)
            raise
        ended(self, call, result)
        return result

    patcher.replace(owner, name, coroutine_method if is_async else method)
