"""Documents that are to be delivered elsewhere too, on SQLite: which of them still are.

A row for each batch that was stored, with the numbers of its documents, is written in the batch's
transaction and deleted when all of them are delivered: a crash loses nothing, and may send a batch
twice.
"""

from __future__ import annotations

from array import array

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractContextManager
    from typing import Any

    Reading = Callable[[], AbstractContextManager[sqlite3.Connection]]
    Run = Callable[[str, Sequence[tuple[Any, ...]]], None]

TABLE = """
create table if not exists outbox (
    batch_no integer primary key autoincrement,
    target text not null,
    numbers blob not null                -- of documents, 8 bytes each
)"""

_BYTES = 8


def packed(numbers: Iterable[int]) -> bytes:
    """Numbers of documents as a row has them."""
    return array("q", numbers).tobytes()


class Outbox:
    """What of a store's documents is still to be delivered. All methods may be called on any thread.

    reading, run: how a connection to read with is had, and how statements are run that write.
    """

    def __init__(self, reading: Reading, run: Run) -> None:
        self._reading = reading
        self._run = run

    def batches(self, target: str, after: int, most: int) -> list[tuple[int, list[int]]]:
        """Number of each batch for a target, after this one, and the numbers of its documents.

        As many as make up `most` documents, one at least.
        """
        found = []
        with self._reading() as connection:
            rows = connection.execute(
                "select batch_no, numbers from outbox where target = ? and batch_no > ? "
                "order by batch_no",
                (target, after),
            )
            for batch_no, numbers in rows:
                documents = array("q", bytes(numbers)).tolist()
                found.append((batch_no, documents))
                most -= len(documents)
                if most <= 0:
                    break
        return found

    def documents(self, numbers: Iterable[int]) -> list[bytes | None]:
        """Documents by their numbers; None for one that isn't stored any more."""
        found = []
        with self._reading() as connection:
            for number in numbers:
                row = connection.execute(
                    "select data from documents where number = ?", (number,)
                ).fetchone()
                found.append(None if row is None else row[0])
        return found

    def delivered(self, batches: Sequence[int]) -> None:
        """Forget batches of which everything is delivered. Raises StoreError if that fails."""
        self._run("delete from outbox where batch_no = ?", [(number,) for number in batches])

    def waiting(self, target: str, after: int = 0) -> int:
        """How many documents are in batches after this one."""
        with self._reading() as connection:
            row = connection.execute(
                "select sum(length(numbers)) from outbox where target = ? and batch_no > ?",
                (target, after),
            ).fetchone()
        return (row[0] or 0) // _BYTES
