"""Where the commands that look at traces get them: a running collector, or the file of one.

Both answer the console's API (docs/api.md): a collector over HTTP, a file by the same functions here.
"""

from __future__ import annotations

import http.client
import json
import os
import time
from abc import ABC, abstractmethod
from contextlib import contextmanager
from urllib.parse import quote, urlencode

from ..collector.occupant import health
from ..collector.store import shown
from ..daemon import DEFAULT_ADDRESS, endpoint_text, parse
from ..errors import ConfigurationError
from . import _store

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from typing import IO, Any, TypeAlias

    from ..daemon import Endpoint

    # Parameters of a request; of a list each one, what is None not.
    Parameters: TypeAlias = dict[str, Any]
    # Name and data of a live event.
    Event: TypeAlias = tuple[str, dict[str, Any]]

ADDRESS = "AWS_XRAY_DAEMON_ADDRESS"
PREFIX = "/api/v1"

ANSWER_SECONDS = 120.0
SECONDS_BETWEEN_EVENTS = 0.1
SECONDS_TO_RECONNECT = 1.0
MOST_TRACES_BY_PART = 1000
LEAST_PART_CHARS = 4


class Refused(ConfigurationError):
    """A request that the API answers with an error. told: the answer."""

    def __init__(self, message: str, told: dict[str, Any]) -> None:
        super().__init__(message)
        self.told = told


class Api(ABC):
    """Answers requests. where: in words."""

    where: str

    @abstractmethod
    def get(self, path: str, parameters: Parameters = {}) -> dict[str, Any]:  # noqa: B006
        """A JSON answer. path: below /api/v1. Raises Refused."""

    @abstractmethod
    def download(self, path: str, parameters: Parameters, out: IO[bytes]) -> dict[str, str]:
        """Write a file; gives the answer's headers, their names in lower case. Raises Refused."""

    @abstractmethod
    def upload(self, path: str, parameters: Parameters, data: bytes) -> dict[str, Any]:
        """Send a file; gives the JSON answer. Raises Refused."""

    @abstractmethod
    def events(self, parameters: Parameters) -> Iterator[Event]:
        """Live events, without end."""

    def trace_id(self, text: str) -> str:
        """The id of a stored trace: written out, in a header, or as its beginning or end."""
        found = self.get("/find", {"text": text})
        if found["stored"]:
            return str(found["trace_id"])
        if len(text) >= LEAST_PART_CHARS:
            newest = self.get("/traces", {"range": "all", "limit": MOST_TRACES_BY_PART})["rows"]
            ids = [row[0] for row in newest if row[0].startswith(text) or row[0].endswith(text)]
            if len(ids) == 1:
                return str(ids[0])
            if ids:
                some = ", ".join(ids[:3])
                raise ConfigurationError(f"{len(ids)} traces are like {text!r}: {some}, ...")
        raise ConfigurationError(
            f"No trace {text!r} is stored. `xtrace show` lists those that are."
        )


def path_of(trace_id: str) -> str:
    """The path of a trace."""
    return f"/traces/{quoted(trace_id)}"


def quoted(text: str) -> str:
    """A name as it stands in a path."""
    return quote(text, safe="")


def rows(told: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a table as dicts."""
    return [dict(zip(told["columns"], row, strict=True)) for row in told["rows"]]


# -- a collector -----------------------------------------------------------------------------------


class HttpApi(Api):
    """A collector's."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self.where = f"the collector at {endpoint_text(endpoint)}"

    def is_there(self) -> bool:
        """Whether a collector of ours answers."""
        return health(self._endpoint) is not None

    def get(self, path: str, parameters: Parameters = {}) -> dict[str, Any]:  # noqa: B006
        """See Api."""
        with self._answer("GET", path, parameters) as reply:
            return self._json(reply)

    def download(self, path: str, parameters: Parameters, out: IO[bytes]) -> dict[str, str]:
        """See Api."""
        with self._answer("GET", path, parameters) as reply:
            while piece := reply.read(1 << 20):
                out.write(piece)
            return {name.lower(): value for name, value in reply.headers.items()}

    def upload(self, path: str, parameters: Parameters, data: bytes) -> dict[str, Any]:
        """See Api."""
        with self._answer("POST", path, parameters, data) as reply:
            return self._json(reply)

    def events(self, parameters: Parameters) -> Iterator[Event]:
        """See Api. Goes on where it was when the collector is started again."""
        last = parameters.get("after")
        while True:
            try:
                more: Parameters = {} if last is None else {"after": last}
                with self._answer("GET", "/events", {**parameters, **more}) as reply:
                    event: dict[str, str] = {}
                    for line in reply:
                        name, _, value = line.decode().rstrip("\r\n").partition(": ")
                        if name:
                            event[name] = value
                        elif "event" in event:
                            last = event.get("id", last)
                            yield event["event"], json.loads(event["data"])
                            event = {}
                        else:
                            event = {}
            except (Unreachable, http.client.HTTPException, OSError):
                if last is None:
                    raise
            time.sleep(SECONDS_TO_RECONNECT)

    @contextmanager
    def _answer(
        self, method: str, path: str, parameters: Parameters, data: bytes | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        pairs = [(name, _text(value)) for name, value in _pairs(parameters)]
        query = f"?{urlencode(pairs, quote_via=quote)}" if pairs else ""
        connection = http.client.HTTPConnection(*self._endpoint, timeout=ANSWER_SECONDS)
        try:
            try:
                connection.request(method, f"{PREFIX}{path}{query}", data)
                reply = connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                raise Unreachable(
                    f"No collector answers at {endpoint_text(self._endpoint)}: {error}. Start one "
                    "with `xtrace collector`, or name another address with --address, or a "
                    "database with --db."
                ) from error
            if reply.status != 200:
                self._refuse(reply)
            yield reply
        finally:
            connection.close()

    def _json(self, reply: http.client.HTTPResponse) -> dict[str, Any]:
        told = json.loads(reply.read())
        assert isinstance(told, dict)
        return told

    def _refuse(self, reply: http.client.HTTPResponse) -> None:
        try:
            told = json.loads(reply.read())
            message = str(told["message"])
        except (ValueError, KeyError, TypeError):
            raise Unreachable(
                f"What listens at {endpoint_text(self._endpoint)} answers {reply.status}: it is no "
                "collector of this version of xtrace."
            ) from None
        raise Refused(message, told)


class Unreachable(ConfigurationError):
    """No collector answers."""


def _pairs(parameters: Parameters) -> Iterator[tuple[str, Any]]:
    for name, value in parameters.items():
        for each in value if isinstance(value, list) else [value]:
            if each is not None:
                yield name, each


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


# -- a file ----------------------------------------------------------------------------------------


class StoreApi(Api):
    """That of a database, by whatever collector it was written; writable: no collector may use it."""

    def __init__(self, path: str, writable: bool = False) -> None:
        from ..collector.api.service import Service
        from ..collector.api.v1.console import Console
        from ..collector.ingest import Ingest
        from ..collector.store import StoreError, open_store

        self.where = shown(path)
        if writable:
            try:
                self._store = open_store(path)
            except StoreError as error:
                raise ConfigurationError(str(error)) from error
        else:
            self._store = _store.open_existing(path)
        self._ingest = Ingest(self._store)
        self._console = Console(Service(self._store, self._ingest))

    def close(self) -> None:
        """Give it up."""
        self._ingest.stop()
        self._store.close()

    def get(self, path: str, parameters: Parameters = {}) -> dict[str, Any]:  # noqa: B006
        """See Api."""
        told = self._answer("GET", path, parameters)
        content = json.loads(_encoded(told))  # as others get it: lists, not tuples
        assert isinstance(content, dict)
        return content

    def download(self, path: str, parameters: Parameters, out: IO[bytes]) -> dict[str, str]:
        """See Api."""
        file = self._answer("GET", path, parameters)
        for piece in file.pieces:
            out.write(piece)
        name = f'attachment; filename="{file.name}"'
        return {"content-disposition": name, **file.headers}

    def upload(self, path: str, parameters: Parameters, data: bytes) -> dict[str, Any]:
        """See Api."""
        told = self._answer("POST", path, parameters, data)
        assert isinstance(told, dict)
        return told

    def events(self, parameters: Parameters) -> Iterator[Event]:
        """See Api. What another process writes to the file."""
        from ..collector.api.v1.asked import Asked
        from ..collector.api.v1.endpoints import EVENTS
        from ..collector.api.v1.live import Stream

        asked = self._careful(lambda: Asked(self._console, EVENTS, _given(parameters)))
        stream = self._careful(
            lambda: Stream(self._console, asked.filter(), asked.run(), asked.get("after"))
        )
        while True:
            for event in stream.poll():
                yield event.name, event.data
            time.sleep(SECONDS_BETWEEN_EVENTS)

    def _answer(self, method: str, path: str, parameters: Parameters, body: Any = None) -> Any:
        from ..collector.api.v1.endpoints import answer

        given = _given(parameters)
        return self._careful(lambda: answer(self._console, method, path, given, body))

    def _careful(self, question: Any) -> Any:
        from ..collector.api.errors import ApiError
        from ..collector.store import StoreError

        try:
            return question()
        except ApiError as error:
            raise Refused(error.message, error.body()) from error
        except StoreError as error:
            raise ConfigurationError(str(error)) from error


def _given(parameters: Parameters) -> list[tuple[str, str]]:
    return [(name, _text(value)) for name, value in _pairs(parameters)]


def _encoded(value: Any) -> bytes:
    from ..collector.documents import encode

    return encode(value)


# -- which one -------------------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --address and --db."""
    parser.add_argument(
        "--address",
        metavar="HOST:PORT",
        help=f"of a running collector (default: {ADDRESS}, or {DEFAULT_ADDRESS}; if none answers "
        "there, its database)",
    )
    parser.add_argument(
        "--db",
        metavar="FILE",
        help="a collector's database instead: a file, or clickhouse://... "
        f"(default: {_store.ENVIRONMENT}, or {shown(_store.default_path())})",
    )


def opened(arguments: argparse.Namespace, writable: bool = False) -> Api:
    """What the arguments name. Raises ConfigurationError if there is nothing."""
    path = arguments.db or os.environ.get(_store.ENVIRONMENT)
    if path is not None and not arguments.address:
        return StoreApi(path, writable)
    given = arguments.address or os.environ.get(ADDRESS) or DEFAULT_ADDRESS
    collector = HttpApi(parse(given, "--address" if arguments.address else ADDRESS).tcp)
    if arguments.address or collector.is_there():
        return collector
    return StoreApi(_store.default_path(), writable)
