"""From bytes to documents that can be stored: what comes over UDP and HTTP is read and checked here.

Every document is counted once: received = stored + malformed + dropped + waiting.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from threading import Condition, Thread
from typing import NamedTuple

import orjson

from . import otlp
from .checks import Checks
from .documents import encode
from .store import Document, StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from .store import Store

log = logging.getLogger("xtrace.collector")

MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
"""Far more than X-Ray takes, which is 64 KB: what it would reject is kept, and shown as such."""

MAX_ID_LENGTH = 250
MAX_TIME = 253_402_300_800.0  # the year 10000

MAX_WAITING_BYTES = 128 * 1024 * 1024
"""Of bodies that wait to be read; what doesn't fit is dropped and counted."""

SAMPLE = 20
SAMPLE_BYTES = 1024
"""What is kept of malformed documents: the last so many, so much of each."""

INVALID_TRACE_ID = "InvalidTraceId"
"""The one code that X-Ray documents."""
MALFORMED = "MalformedDocument"
NO_HEADER = "It doesn't begin with the line of the X-Ray daemon's protocol."
NO_ROOM = "ThrottledException"

SECONDS_FOR_ROOM = 0.05
SECONDS_TO_STORE = 30.0
"""How long the store is waited for to have room; what arrives meanwhile waits here."""

SECONDS_TO_COMMIT = 5.0
"""How long a sender over HTTP waits at most: what it is told was taken survives a crash of ours."""


class Problem(NamedTuple):
    """Why a document was not taken. id: as the document says, None if it doesn't in a usable way.

    message: a sentence. beginning: the first bytes of the document. time: when that was.
    """

    id: str | None
    code: str
    message: str
    beginning: bytes
    time: float


class IngestCounts(NamedTuple):
    """What became of the documents received: received = stored + malformed + dropped + waiting."""

    received: int
    stored: int
    malformed: int
    dropped: int
    waiting: int


class Ingest:
    """Reads bodies and hands their documents to a store. All methods may be called on any thread.

    checks: what X-Ray would have rejected of them. also: is given what the store has taken.
    """

    def __init__(
        self,
        store: Store,
        max_waiting_bytes: int = MAX_WAITING_BYTES,
        also: Callable[[Sequence[bytes]], None] | None = None,
    ) -> None:
        self._store = store
        self._also = also
        self.checks = Checks()
        self._max_waiting_bytes = max_waiting_bytes
        self._changed = Condition()
        self._waiting: deque[Sequence[bytes]] = deque()
        self._waiting_bytes = 0
        self._reading = 0
        self._stopping = False
        self._handed = 0
        self._malformed = 0
        self._dropped = 0
        self._sample: deque[Problem] = deque(maxlen=SAMPLE)
        self._thread = Thread(target=self._run, name="xtrace-ingest", daemon=True)
        self._thread.start()

    # -- from UDP

    def take(self, bodies: Sequence[bytes]) -> None:
        """Read and store these bodies soon."""
        size = sum(map(len, bodies))
        with self._changed:
            if not self._stopping and self._waiting_bytes + size <= self._max_waiting_bytes:
                self._waiting.append(bodies)
                self._waiting_bytes += size
                self._changed.notify_all()
                return
            self._dropped += len(bodies)

    def refuse(self, data: bytes, reason: str = NO_HEADER) -> None:
        """Count as malformed what holds no document: a datagram of another protocol, a span."""
        self._count_malformed(_problem(data, reason))

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until what was taken before is in the store; False if it took longer."""
        with self._changed:
            return bool(self._changed.wait_for(lambda: self._waiting_bytes == 0, timeout))

    def stop(self) -> None:
        """Read what was taken, hand it to the store, and end."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopping)
                if not self._waiting:
                    return
                bodies = self._waiting.popleft()
                self._reading = len(bodies)
            try:
                self._read_and_store(bodies)
            except Exception:  # a fault of ours: go on with the next
                log.exception("Lost a batch of documents")
            with self._changed:
                self._dropped += self._reading
                self._reading = 0
                self._waiting_bytes -= sum(map(len, bodies))
                self._changed.notify_all()

    def _read_and_store(self, bodies: Sequence[bytes]) -> None:
        found: list[Document] = []
        problems: list[Problem] = []
        for body in bodies:
            try:
                content = orjson.loads(body)
            except orjson.JSONDecodeError:
                content = None
            if (
                content.__class__ is dict
                and _reason(content) is None
                and len(body) <= MAX_DOCUMENT_BYTES
            ):
                found.append(Document(content["trace_id"], body, content))
                continue
            for document in documents(body):
                if isinstance(document, Problem):
                    problems.append(document)
                else:
                    found.append(document)
        with self._changed:
            self._reading = 0
            self._handed += len(found)
            self._malformed += len(problems)
            self._sample.extend(problems)
        self._hand_over(found, SECONDS_TO_STORE)
        self.checks.check(found)

    def _hand_over(self, found: Sequence[Document], timeout: float) -> bool:
        """Give documents, which are counted as handed over, to the store."""
        try:
            taken = not found or self._store.write(found, timeout) == len(found)
            if self._also is not None and found and taken:
                self._also([document.data for document in found])
            return taken
        except StoreError:
            log.exception("Lost %d documents", len(found))
            with self._changed:
                self._handed -= len(found)
                self._dropped += len(found)
            return False

    # -- from HTTP

    def take_each(self, bodies: Sequence[bytes]) -> list[Problem | None]:
        """Read and store these bodies now; gives for each why it was not taken, None if it was and
        outlives this process.
        """
        answers: list[Problem | None] = []
        found: list[Document] = []
        for body in bodies:
            problem = None
            for document in documents(body):
                if isinstance(document, Problem):
                    self._count_malformed(document)
                    problem = problem or document
                else:
                    found.append(document)
            answers.append(problem)
        with self._changed:
            self._handed += len(found)
        if not self._hand_over(found, SECONDS_FOR_ROOM):
            refusal = "There is no room for it now."
        elif found and not self._store.is_safe(SECONDS_TO_COMMIT):
            refusal = "It waits for the store, which doesn't get on now."
        else:
            self.checks.check(found)
            return answers
        return [
            answer or _problem(body, refusal, code=NO_ROOM)
            for answer, body in zip(answers, bodies, strict=True)
        ]

    def take_documents(self, found: Sequence[Document]) -> bool:
        """Store documents that were read already, all or none; waits for room."""
        with self._changed:
            self._handed += len(found)
        if not self._hand_over(list(found), SECONDS_TO_STORE):
            return False
        self.checks.check(found)
        return True

    # -- what became of it

    def _count_malformed(self, problem: Problem) -> None:
        with self._changed:
            self._malformed += 1
            self._sample.append(problem)

    def counts(self) -> IngestCounts:
        """What became of the documents so far. Those of a body that waits count as one."""
        with self._changed:
            kept = self._store.counts()
            malformed, dropped = self._malformed, self._dropped + kept.dropped
            waiting = self._reading + sum(map(len, self._waiting))
            received = self._handed + self._malformed + self._dropped + waiting
        waiting = received - kept.stored - malformed - dropped
        return IngestCounts(received, kept.stored, malformed, dropped, waiting)

    def malformed(self) -> list[Problem]:
        """The last malformed documents, the newest last."""
        with self._changed:
            return list(self._sample)


def documents(body: bytes) -> Iterator[Document | Problem]:
    """The documents of a body: of a JSON object, each of an array, or an OTLP request's.

    The bytes of an object are kept as they are; those of an array's members are written anew.
    """
    if otlp.is_datagram(body):
        try:
            converted = otlp.from_datagram(body)
        except otlp.OtlpError as error:
            yield _problem(body, str(error))
            return
        for rejected in converted.rejected:
            yield _problem(body, rejected.reason, None)
        for data in converted.documents:
            yield from documents(data)
        return
    if len(body) > MAX_DOCUMENT_BYTES:
        yield _problem(body, f"It has {len(body)} bytes, more than {MAX_DOCUMENT_BYTES}.")
        return
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        yield _problem(body, f"It is no JSON: {error}.")
        return
    if isinstance(content, list):
        if not content:
            yield _problem(body, "It is an empty array.")
        for each in content:
            yield _document(encode(each), each)
    else:
        yield _document(body, content)


def _document(data: bytes, content: Any) -> Document | Problem:
    reason = _reason(content)
    if reason is None:
        return Document(content["trace_id"], data, content)
    code = INVALID_TRACE_ID if reason.startswith("trace_id") else MALFORMED
    id = content.get("id") if isinstance(content, dict) else None
    return _problem(data, reason, id if isinstance(id, str) else None, code)


def _reason(content: Any) -> str | None:
    """Why this can't be stored, None if it can."""
    if content.__class__ is not dict:
        return "It is no JSON object."
    for name in ("trace_id", "id", "name"):
        value = content.get(name)
        if value.__class__ is not str:
            return f"{name} is no text." if name in content else f"{name} is missing."
        if not value and name != "name":
            return f"{name} is empty."
    if len(content["trace_id"]) > MAX_ID_LENGTH:
        return f"trace_id has more than {MAX_ID_LENGTH} characters."
    if len(content["id"]) > MAX_ID_LENGTH:
        return f"id has more than {MAX_ID_LENGTH} characters."
    start = content.get("start_time")
    if start.__class__ is not float and start.__class__ is not int:
        return "start_time is no number." if "start_time" in content else "start_time is missing."
    if not 0 <= start < MAX_TIME:
        return "start_time is no time in seconds since 1970."
    return None


def _problem(body: bytes, message: str, id: str | None = None, code: str = MALFORMED) -> Problem:
    return Problem(id, code, message, bytes(body[:SAMPLE_BYTES]), time.time())
