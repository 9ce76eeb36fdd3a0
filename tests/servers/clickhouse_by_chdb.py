"""ClickHouse's engine behind ClickHouse's HTTP interface: chdb, which is ClickHouse as a library, in a
small server. Stands in for clickhouse-server, which no package index has: python clickhouse_by_chdb.py FOLDER

Prints its port; ends when standard input does.
"""

from __future__ import annotations

import gzip
import os
import sys
import tempfile
import threading
import zlib
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

_lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    """Answers queries as clickhouse-server does over HTTP."""

    protocol_version = "HTTP/1.1"
    # Else the body waits for the headers to be acknowledged: 40 ms, for each of thousands of answers.
    disable_nagle_algorithm = True
    session: Any = None
    folder = ""
    database = ""

    def do_GET(self) -> None:
        """A query in the URL, or a look whether anybody is there."""
        self._answer(b"")

    def do_POST(self) -> None:
        """A query in the URL or the body, with what is to be inserted behind it."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().strip() or b"0", 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            body = b"".join(parts)
        encoding = self.headers.get("Content-Encoding", "")
        if encoding == "gzip":
            body = gzip.decompress(body)
        elif encoding == "deflate":
            body = zlib.decompress(body)
        kind = self.headers.get("Content-Type", "")
        if kind.startswith("multipart/form-data"):
            form = BytesParser().parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
            parts = {
                part.get_param("name", header="content-disposition"): part.get_payload(decode=True)
                for part in form.get_payload()
            }
            self._answer(parts.pop("query", b""), {n: v.decode() for n, v in parts.items()})
        else:
            self._answer(body)

    def _answer(self, body: bytes, more: dict[str, str] | None = None) -> None:
        url = urlsplit(self.path)
        said = {
            name: values[-1] for name, values in parse_qs(url.query, keep_blank_values=True).items()
        } | (more or {})
        if url.path == "/ping" or (not body and "query" not in said):
            self._reply(200, b"Ok.\n")
            return
        query = said.get("query", "").encode()
        if query:
            data = body
        elif body.lstrip()[:6].upper() == b"INSERT" and b"\n" in body:
            query, _, data = body.partition(b"\n")
        else:
            query, data = body, b""
        try:
            self._reply(200, self._run(query.decode().strip(), data, said))
        except Exception as error:
            text = str(error)
            self._reply(500, text.encode(), {"X-ClickHouse-Exception-Code": "1"})

    def _run(self, query: str, data: bytes, said: dict[str, str]) -> bytes:
        database = said.get("database") or "default"
        form = said.get("default_format") or "TabSeparated"
        head, _, last = query.rpartition(" FORMAT ")
        if head and last.strip().isalnum():
            query, form = head, last.strip()
        with _lock:
            if Handler.database != database:
                self.session.query(f"USE {database}")
                Handler.database = database
            for name, text in said.items():
                if name.startswith("param_"):
                    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
                    self.session.query(f"SET {name} = '{escaped}'")
            if data and query.upper().startswith("INSERT"):
                with tempfile.NamedTemporaryFile(dir=self.folder, delete=False) as file:
                    file.write(data)
                try:
                    self.session.query(f"{query} SELECT * FROM file('{file.name}', '{form}')")
                finally:
                    os.unlink(file.name)
                return b""
            return bytes(self.session.query(query, form).bytes())

    def _reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.send_header("X-ClickHouse-Timezone", "UTC")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        """Nothing."""


def main() -> None:
    """Serve until standard input ends."""
    from chdb.session import Session

    Handler.folder = sys.argv[1]
    Handler.session = Session(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()
    server.shutdown()
    os._exit(0)


if __name__ == "__main__":
    main()
