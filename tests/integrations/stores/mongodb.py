"""A stand-in for MongoDB, for want of one: it speaks the wire protocol (OP_MSG, and OP_QUERY for a
client's first question) with the real clients, and knows as many commands as their tests need.
"""

from __future__ import annotations

import socketserver
import struct
import threading
from contextlib import contextmanager

import bson

HEADER = struct.Struct("<iiii")
OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013

HELLO = {
    "ismaster": True,
    "isWritablePrimary": True,
    "maxBsonObjectSize": 16_777_216,
    "maxMessageSizeBytes": 48_000_000,
    "maxWriteBatchSize": 100_000,
    "logicalSessionTimeoutMinutes": 30,
    "minWireVersion": 0,
    "maxWireVersion": 21,
    "readOnly": False,
    "connectionId": 1,
    "ok": 1.0,
}

FIRST_BATCH = 2


class MongoDB(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Conversation)
        self.collections = {}
        self.cursors = {}
        self.lock = threading.Lock()

    @property
    def port(self):
        return self.server_address[1]

    def answer(self, command):
        """The answer to a command, by its name."""
        name = next(iter(command))
        method = getattr(self, f"_{name.lower()}", None)
        if method is None:
            return _error(59, "CommandNotFound", f"no such command: '{name}'")
        with self.lock:
            return {"ok": 1.0, **method(command)}

    def _hello(self, command):
        return HELLO

    _ismaster = _hello

    def _ping(self, command):
        return {}

    _endsessions = _killcursors = _ping

    def _insert(self, command):
        documents = self.collections.setdefault(command["insert"], [])
        for number, document in enumerate(command["documents"]):
            if any(each["_id"] == document["_id"] for each in documents):
                key = document["_id"]
                message = (
                    f"E11000 duplicate key error collection: shop.{command['insert']} index: _id_ "
                    f'dup key: {{ _id: "{key}" }}'
                )
                error = {"index": number, "code": 11000, "errmsg": message}
                return {"n": number, "writeErrors": [{**error, "keyValue": {"_id": key}}]}
            documents.append(document)
        return {"n": len(command["documents"])}

    def _find(self, command):
        wanted = command.get("filter", {})
        if "$where" in wanted:
            message = f"$where is not allowed: {wanted['$where']}"
            return _error(2, "BadValue", message)
        found = [
            each
            for each in self.collections.get(command["find"], [])
            if all(each.get(name) == value for name, value in wanted.items())
        ]
        return self._cursor(command["find"], found, command.get("batchSize", FIRST_BATCH))

    def _aggregate(self, command):
        found = self.collections.get(command["aggregate"], [])
        return self._cursor(command["aggregate"], [{"n": len(found), "_id": 1}], FIRST_BATCH)

    def _cursor(self, collection, found, size):
        number = 0
        if len(found) > size:
            number = len(self.cursors) + 1
            self.cursors[number] = found[size:]
        batch = {"id": bson.Int64(number), "ns": f"shop.{collection}", "firstBatch": found[:size]}
        return {"cursor": batch}

    def _getmore(self, command):
        rest = self.cursors.pop(command["getMore"])
        return {
            "cursor": {
                "id": bson.Int64(0),
                "ns": f"shop.{command['collection']}",
                "nextBatch": rest,
            }
        }

    def _update(self, command):
        count = 0
        for update in command["updates"]:
            for document in self.collections.get(command["update"], []):
                document.update(update["u"].get("$set", {}))
                count += 1
        return {"n": count, "nModified": count}

    def _delete(self, command):
        gone = self.collections.pop(command["delete"], [])
        return {"n": len(gone)}


def _error(code, name, message):
    return {"ok": 0.0, "code": code, "codeName": name, "errmsg": message}


class Conversation(socketserver.StreamRequestHandler):
    """One connection: a request, an answer, and so on."""

    def handle(self):
        while header := self.rfile.read(HEADER.size):
            length, request, _, operation = HEADER.unpack(header)
            body = self.rfile.read(length - HEADER.size)
            if operation == OP_QUERY:
                name_end = body.index(b"\0", 4)
                command = bson.decode(body[name_end + 9 :])
                document = bson.encode(self.server.answer(command))
                reply = struct.pack("<iqii", 8, 0, 0, 1) + document
                self._send(request, OP_REPLY, reply)
            else:
                document = bson.encode(self.server.answer(_command(body)))
                self._send(request, OP_MSG, struct.pack("<iB", 0, 0) + document)

    def _send(self, request, operation, reply):
        self.wfile.write(HEADER.pack(HEADER.size + len(reply), 0, request, operation) + reply)


def _command(body):
    """The command of an OP_MSG: a document, and sequences of documents that belong in it."""
    command, position = {}, 4
    while position < len(body):
        kind, position = body[position], position + 1
        (size,) = struct.unpack_from("<i", body, position)
        section = body[position : position + size]
        position += size
        if kind == 0:
            command = {**bson.decode(section), **command}
        else:
            name_end = section.index(b"\0", 4)
            command[section[4:name_end].decode()] = bson.decode_all(section[name_end + 1 :])
    # The name of the command comes first.
    return {name: command[name] for name in sorted(command, key=lambda n: n in _SEQUENCES)}


_SEQUENCES = ("documents", "updates", "deletes")


@contextmanager
def serving():
    server = MongoDB()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
