"""A stand-in for Elasticsearch and OpenSearch, for want of them: an HTTP server that knows as many of
their requests as the tests of the real clients need.
"""

from __future__ import annotations

import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Cluster(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Conversation)
        self.documents = {}
        self.headers = []
        self.busy = 0
        """How many requests are yet to be refused with 503."""

    @property
    def port(self):
        return self.server_address[1]

    def answer(self, method, path, body):
        """Status and answer."""
        if self.busy:
            self.busy -= 1
            return 503, _error("process_cluster_event_timeout_exception", "try again")
        if path == "/":
            return 200, {"version": {"number": "8.0.0"}, "tagline": "You Know, for Search"}
        if path == "/_bulk":
            lines = [json.loads(line) for line in body.splitlines()]
            failed = "fail" in body.decode()
            return 200, {"errors": failed, "items": [_item(failed) for _ in lines[::2]]}
        if path == "/_cluster/health":
            return 200, {"status": "green"}
        document = re.fullmatch(r"/(\w+)/_doc/([^/]+)", path)
        if document:
            key = document.groups()
            if method == "PUT":
                self.documents[key] = json.loads(body)
                return 201, {"result": "created"}
            if key not in self.documents:
                return 404, {"found": False}
            return 200, {"found": True, "_source": self.documents[key]}
        if path.endswith("/_search"):
            query = json.loads(body or b"{}")
            if "nonsense" in query.get("query", {}):
                reason = f"unknown query {query['query']['nonsense']}"
                return 400, _error("parsing_exception", reason)
            return 200, {"hits": {"hits": []}}
        return 404, _error("index_not_found_exception", f"no such index {path}")


def _error(kind, reason):
    error = {"type": kind, "reason": reason, "root_cause": [{"type": kind, "reason": reason}]}
    return {"error": error}


def _item(failed):
    if failed:
        return {"index": {"status": 400, "error": {"type": "mapper_parsing_exception"}}}
    return {"index": {"status": 201}}


class Conversation(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.headers.append(self.headers)
        status, answer = self.server.answer(self.command, self.path.partition("?")[0], body)
        data = b"" if self.command == "HEAD" else json.dumps(answer).encode()
        self.send_response(status)
        kind = self.headers.get("Accept", "")
        self.send_header("Content-Type", kind if "elasticsearch" in kind else "application/json")
        self.send_header("X-Elastic-Product", "Elasticsearch")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_PUT = do_POST = do_HEAD = do_DELETE = do_GET

    def log_message(self, *args):
        pass


@contextmanager
def serving():
    server = Cluster()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
