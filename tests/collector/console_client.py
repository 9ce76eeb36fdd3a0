"""A client of the console's API, and traces that it can ask about."""

from __future__ import annotations

import http.client
import json
from urllib.parse import quote, urlencode

from tests.helpers import DEADLINE_SECONDS


class ConsoleClient:
    """Asks one collector."""

    def __init__(self, collector):
        self.collector = collector

    def ask(self, path, /, method="GET", body=None, headers=(), **parameters):
        """Status, headers and body of an answer; a parameter that is a list is repeated."""
        connection = http.client.HTTPConnection(
            *self.collector.http_endpoint, timeout=DEADLINE_SECONDS
        )
        pairs = [
            (name.rstrip("_"), each)
            for name, value in parameters.items()
            for each in (value if isinstance(value, list) else [value])
        ]
        query = f"?{urlencode(pairs, quote_via=quote)}" if pairs else ""
        try:
            connection.request(method, f"/api/v1{path}{query}", body, dict(headers))
            reply = connection.getresponse()
            return reply.status, reply.headers, reply.read()
        finally:
            connection.close()

    def get(self, path, /, **parameters):
        """The answer, which must be a good one."""
        status, _, body = self.ask(path, **parameters)
        assert status == 200, body
        return json.loads(body)

    def send(self, method, path, /, content=None, **parameters):
        """The answer to a request that changes something."""
        body = content if isinstance(content, bytes) or content is None else json.dumps(content)
        status, _, reply = self.ask(path, method, body, **parameters)
        assert status == 200, reply
        return json.loads(reply)

    def refused(self, path, /, status=400, method="GET", body=None, **parameters):
        """The error that a request is answered with."""
        got, _, reply = self.ask(path, method, body, **parameters)
        assert got == status, reply
        return json.loads(reply)

    def table(self, path, /, **parameters):
        """The rows of an answer as dicts."""
        told = self.get(path, **parameters)
        return [dict(zip(told["columns"], row, strict=True)) for row in told["rows"]]

    def put(self, *documents):
        """Store documents, and wait until they show."""
        self.collector.service.ingest.take(
            [
                each.encode() if isinstance(each, str) else json.dumps(each).encode()
                for each in documents
            ]
        )
        assert self.collector.flush(30)
