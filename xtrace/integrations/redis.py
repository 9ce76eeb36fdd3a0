"""Trace redis-py, sync and async, its pipelines and clusters: a command or a pipeline is a subsegment.

Clients send all commands through execute_command; pipelines keep them until execute(). What is sent
on a connection itself (AUTH, SELECT; of PubSub and Monitor everything) isn't traced.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import islice
from operator import itemgetter

import redis
from redis import exceptions

from .. import cause, faults
from ..default import recorder
from ..document import MAX_SQL_CHARS
from ..redaction import quotations
from ._stores import Store, command, name_of, place, placeholders, traced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from ._outgoing import Call
    from ._wrap import Patcher

_PORT = 6379

# Commands whose second word is a command, too: the rest of what stands there is values.
_CONTAINERS = {
    *("ACL", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "DEBUG", "FUNCTION", "LATENCY", "MEMORY"),
    *("MODULE", "OBJECT", "PUBSUB", "SCRIPT", "SENTINEL", "SLOWLOG", "XGROUP", "XINFO"),
}
# What may have credentials as arguments, which are never recorded.
_CREDENTIALS = {"ACL", "AUTH", "CONFIG", "HELLO", "MIGRATE", "SENTINEL"}

_command = re.compile(r"[A-Za-z_][A-Za-z_.-]{0,63}").fullmatch

_arguments = re.compile(r"""\(["'](.*)["'],\)""", re.DOTALL).fullmatch

_MOST_KINDS = 20
"""Different commands of a pipeline that are shown."""
_MOST_VALUE_CHARS = 200
_KEPT_TEXTS = 1024

# What raised a command's error isn't broken: a watched key has changed, a script isn't loaded yet.
_REFUSED = (exceptions.WatchError, exceptions.NoScriptError)


def patch(patcher: Patcher) -> None:
    """Replace execute_command of clients and execute of pipelines."""
    import redis.asyncio.client as aio
    import redis.asyncio.cluster as aio_cluster
    from redis import client, cluster

    for module, is_async in ((client, False), (aio, True)):
        traced(patcher, module.Redis, "execute_command", _one, None, _REFUSED, is_async)
        for name, begin, answered in (
            ("execute", _many, _count_errors),
            ("immediate_execute_command", _one, None),
        ):
            traced(patcher, module.Pipeline, name, begin, answered, _REFUSED, is_async)
    for clusters, is_async in ((cluster, False), (aio_cluster, True)):
        of_cluster, of_pipeline = clusters.RedisCluster, clusters.ClusterPipeline
        traced(patcher, of_cluster, "execute_command", _one_of_cluster, None, _REFUSED, is_async)
        traced(patcher, of_pipeline, "execute", _many_of_cluster, _count_errors, _REFUSED, is_async)
    patcher.wrap(cluster.NodesManager, "__init__", _name_manager)
    patcher.wrap(aio_cluster.RedisCluster, "__init__", _name_client)
    for kind, message in (
        (exceptions.RedisError, _message),
        (exceptions.ResponseError, _message_of_server),
        (exceptions.RedisClusterException, _message_of_server),
    ):
        patcher.on_undo(cause.redact_messages(kind, message))


# -- commands ----------------------------------------------------------------------------------


def _one(client: Any, args: Sequence[Any], options: Any) -> Call | None:
    parent = place()
    if parent is None:
        return None
    store = _store_of_pool(client.connection_pool)
    return command(parent, store, _text(args) if recorder.redact else _raw(args))


def _one_of_cluster(client: Any, args: Sequence[Any], options: Any) -> Call | None:
    parent = place()
    if parent is None:
        return None
    text = _text(args) if recorder.redact else _raw(args)
    return command(parent, _store_of_cluster(client), text)


def _many(pipeline: Any, args: Any, options: Any) -> Call | None:
    parent = place()
    if parent is None:
        return None
    commands = pipeline.command_stack
    is_transaction = pipeline.transaction
    if is_transaction.__class__ is not bool:  # of the async one that is a method
        is_transaction = pipeline.is_transaction
    is_transaction = is_transaction or pipeline.explicit_transaction
    if not (commands or (pipeline.watching and is_transaction)):
        return None
    store = _store_of_pool(pipeline.connection_pool)
    return _pipeline(parent, store, [args for args, _ in commands], is_transaction)


def _many_of_cluster(pipeline: Any, args: Any, options: Any) -> Call | None:
    parent = place()
    if parent is None or not len(pipeline):
        return None
    strategy = getattr(pipeline, "_execution_strategy", None)
    owner = pipeline if strategy is None else strategy
    commands: Any = ()
    for name in ("command_stack", "_command_stack", "_command_queue"):  # the last since redis-py 6
        commands = getattr(owner, name, commands)
    client = pipeline
    for name in ("_client", "cluster_client"):  # of the async one; the former in redis-py 5
        client = getattr(pipeline, name, client)
    is_transaction = strategy.__class__.__name__ == "TransactionStrategy"
    store = _store_of_cluster(client)
    return _pipeline(parent, store, [each.args for each in commands], is_transaction)


def _pipeline(parent: Any, store: Store, commands: list[Any], is_transaction: bool) -> Call:
    if recorder.redact:
        counts = _counted(commands)
        kinds = [f"{t} ×{n}" if n > 1 else t for t, n in islice(counts.items(), _MOST_KINDS)]
        if len(counts) > _MOST_KINDS:
            kinds.append(f"… ({len(counts) - _MOST_KINDS} more)")
    else:
        kinds = list(_raws(commands))
    if is_transaction:
        kinds = ["MULTI", *kinds, "EXEC"]
    call = command(parent, store, "; ".join(kinds))
    call.put_metadata("commands", len(commands), "redis")
    return call


def _counted(commands: list[Any]) -> dict[str, int]:
    """How often a pipeline has each command, in the order in which they come first."""
    try:
        shapes = Counter(zip(map(itemgetter(0), commands), map(len, commands), strict=True))
    except TypeError:  # a bytearray
        return Counter(map(_text, commands))
    counts: dict[str, int] = {}
    for (name, count), times in shapes.items():
        text = _text((name, *[None] * (count - 1)))
        counts[text] = counts.get(text, 0) + times
    return counts


def _count_errors(pipeline: Any, call: Call, results: Any) -> None:
    """Where a pipeline doesn't raise the errors of its commands, they are among its results."""
    # Few kinds of results, many results: looking at the kinds first takes a tenth of the time.
    if any(issubclass(kind, Exception) for kind in set(map(type, results))):
        errors = sum(isinstance(each, Exception) for each in results)
        call.put_metadata("errors", errors, "redis")


# -- their text --------------------------------------------------------------------------------

_texts: dict[tuple[Any, int], str] = {}


def _text(args: Sequence[Any]) -> str:
    """A command without its values: "SET ? ?"."""
    key = (args[0], len(args))
    try:
        found = _texts.get(key)
    except TypeError:  # a bytearray
        return _masked(*key)
    if found is None:
        found = _masked(*key)
        if len(_texts) >= _KEPT_TEXTS:
            _texts.clear()
        _texts[key] = found
    return found


def _masked(name: Any, count: int) -> str:
    # redis-py splits the first argument at blanks: a whole command may stand there.
    words = _decoded(name).split()
    kept = _named(words)
    values = count - 1 + len(words) - len(kept)
    return (" ".join(kept) or "?") + placeholders(values)


def _named(words: list[str]) -> list[str]:
    """The first of some words that are a command's name."""
    if not words or not _command(words[0]):
        return []
    name = words[0].upper()
    if name in _CONTAINERS and len(words) > 1 and _command(words[1]):
        return [name, words[1].upper()]
    return [name]


def _raw(args: Sequence[Any]) -> str:
    """A command with its values, for development; never with credentials."""
    words = _decoded(args[0]).split()
    name = _named(words)
    if not name or name[0] in _CREDENTIALS:
        return _masked(args[0], len(args))
    return " ".join([*name, *words[len(name) :], *map(_decoded, args[1:])])


def _raws(commands: Iterable[Sequence[Any]]) -> Iterable[str]:
    chars = 0
    for args in commands:
        text = _raw(args)
        chars += len(text)
        yield text
        if chars > MAX_SQL_CHARS:
            break


def _decoded(value: Any) -> str:
    if isinstance(value, (bytes, bytearray)):
        text = value.decode("utf-8", "backslashreplace")
    else:
        text = str(value)
    return text if len(text) <= _MOST_VALUE_CHARS else text[:_MOST_VALUE_CHARS] + "…"


def _message(error: Exception) -> str:
    """Of an error in a pipeline, without the command: that has its values."""
    before, between, after = str(error).rpartition(" of pipeline caused error: ")
    if not between:
        return after
    # Async pipelines quote the error's arguments, a tuple.
    quoted = _arguments(after)
    after = quoted[1] if quoted else after
    number = re.match(r"Command # \d+", before)
    return f"{number[0] if number else 'A command'}{between}{after}"


def _message_of_server(error: Exception) -> str:
    """The same, without what the server quotes of a command."""
    return quotations(_message(error))


# -- where they go -----------------------------------------------------------------------------


def _store_of_pool(pool: Any) -> Store:
    try:
        found: Store = pool._xtrace
    except AttributeError:
        found = pool._xtrace = _store(pool)
    return found


def _store(pool: Any) -> Store:
    options = pool.connection_kwargs
    service = getattr(pool, "service_name", None)
    database = options.get("db") or 0
    if service is not None:
        return _described(str(service), None, f"sentinel://{service}/{database}")
    path = options.get("path")
    if path is not None:
        return _described(str(path), None, f"unix://{path}?db={database}")
    scheme = "rediss" if "SSL" in pool.connection_class.__name__ else "redis"
    host, port = str(options.get("host", "localhost")), options.get("port", _PORT)
    return _described(host, port, f"{_address(scheme, host, port)}/{database}")


def _described(host: str, port: int | None, url: str) -> Store:
    return Store(
        name_of("redis", host, port, _PORT),
        {"url": url, "database_type": "Redis", "driver_version": f"redis-py {redis.__version__}"},
    )


def _address(scheme: str, host: str, port: object) -> str:
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


# A cluster has many addresses: it is named by the one that the application knows, which clients
# forget when they know the others. What keeps the name is what a client and its pipelines share.


def _name_manager(original: Any, manager: Any, args: Any, kwargs: Any) -> Any:
    nodes = args[0] if args else kwargs.get("startup_nodes")
    _name_cluster(manager, nodes)
    return original(*args, **kwargs)


def _name_client(original: Any, client: Any, args: Any, kwargs: Any) -> Any:
    original(*args, **kwargs)
    _name_cluster(client, client.nodes_manager.startup_nodes.values())


def _name_cluster(keeper: Any, nodes: Any) -> None:
    try:
        if nodes:
            keeper._xtrace = _store_of_node(next(iter(nodes)))
    except Exception as error:
        faults.report("integration:redis", "A cluster is named by another address", error)


def _store_of_cluster(client: Any) -> Store:
    manager = client.nodes_manager
    keeper = manager if hasattr(manager, "__dict__") else client  # the async one has slots
    try:
        found: Store = keeper._xtrace
    except AttributeError:  # it was made before it was patched
        node = manager.default_node or next(iter(manager.startup_nodes.values()))
        found = keeper._xtrace = _store_of_node(node)
    return found


def _store_of_node(node: Any) -> Store:
    host, port = str(node.host), int(node.port)
    return _described(host, port, f"{_address('redis', host, port)}/0")
