"""Documents to a file, and traces to the terminal."""

from __future__ import annotations

import os
import sys
from threading import RLock

from ..errors import InvalidAddress
from ..faults import report
from . import MAX_DATAGRAM_BYTES, Emitter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from ..packing import Packed


class FileEmitter(Emitter):
    """Appends each document as a line of JSON. Several processes may write the same file.

    url: "file:traces.jsonl" or "file:///var/log/traces.jsonl".
    """

    overhead = 1

    def __init__(self, url: str, max_bytes: int = MAX_DATAGRAM_BYTES) -> None:
        super().__init__(url, max_bytes)
        self.path = url.partition(":")[2].removeprefix("//")
        if not self.path:
            raise InvalidAddress(f"emitter is {url!r}. Name a file, as in file:traces.jsonl.")
        self._lock = RLock()
        self._descriptor = -1
        self._is_cut_off = False  # the last line was written in part

    def send_documents(self, packed: list[Packed]) -> None:
        """Append them; what can't be written is dropped and counted."""
        for data, entities in packed:
            line = b"\n%b\n" % data if self._is_cut_off else data + b"\n"
            try:
                # One write each, in append mode: lines of several processes don't mix.
                written = os.write(self._open(), line)
                self._is_cut_off = 0 < written < len(line)
                if written != len(line):
                    raise OSError("written in part")
            except OSError as error:
                self.close()
                self.ledger.drop("not written", entities, recorded=entities)
                report("file", f"Can't write traces to {self.path}; dropped and counted", error)
            else:
                self.ledger.send(entities, len(line), recorded=entities)

    def _open(self) -> int:
        if self._descriptor < 0:
            with self._lock:
                if self._descriptor < 0:
                    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
                    self._descriptor = os.open(self.path, flags, 0o644)
        return self._descriptor

    def close(self) -> None:
        """Close the file; the next document opens it again."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            try:
                os.close(descriptor)
            except OSError:
                pass

    def after_fork(self) -> None:
        """The file stays open: appending from several processes is fine."""
        super().after_fork()
        self._lock = RLock()


class ConsoleEmitter(Emitter):
    """Draws each segment with its subsegments as a waterfall, for a person at a terminal.

    url: "console:" for standard error, "console:stdout" for standard output.
    """

    def __init__(self, url: str = "console:", max_bytes: int = MAX_DATAGRAM_BYTES) -> None:
        super().__init__(url, max_bytes)
        where = url.partition(":")[2].strip("/")
        if where not in ("", "stderr", "stdout"):
            raise InvalidAddress(f"emitter is {url!r}. Write console: or console:stdout.")
        self._stream_name = where or "stderr"

    def send_documents(self, packed: list[Packed]) -> None:
        """Draw each document."""
        import json
        import shutil

        from ..waterfall import draw

        stream: TextIO = getattr(sys, self._stream_name)
        for data, entities in packed:
            try:
                columns = shutil.get_terminal_size().columns if stream.isatty() else None
                text = draw([json.loads(data)], colour=stream.isatty(), columns=columns)
                try:
                    stream.write(text + "\n")
                except UnicodeEncodeError:  # a terminal or file without our blocks and arrows
                    stream.write(text.encode("ascii", "replace").decode() + "\n")
                stream.flush()
            except Exception as error:  # closed, or isn't there at all
                self.ledger.drop("not written", entities, recorded=entities)
                report("console", "Can't draw a trace on the terminal", error)
            else:
                self.ledger.send(entities, len(text), recorded=entities)
