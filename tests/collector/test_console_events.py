"""Live events: what a listener is told, when, and that it ends."""

from __future__ import annotations

import http.client
import json
import threading
import time
from contextlib import contextmanager
from urllib.parse import quote, urlencode

import pytest

from tests.collector.console_client import ConsoleClient
from tests.collector.shop import shop_trace, trace_id
from tests.helpers import DEADLINE_SECONDS, eventually
from xtrace.collector import running
from xtrace.collector.api.v1 import live, web
from xtrace.collector.api.v1.live import Stream


@pytest.fixture
def client():
    with running() as collector:
        yield ConsoleClient(collector)


class Listener:
    """Reads a stream of events on a thread."""

    def __init__(self, reply):
        self.events = []
        self.ended = threading.Event()
        self._reply = reply
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        event = {}
        try:
            for line in self._reply:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name:
                    event[name] = value
                elif event:
                    if "event" in event:
                        self.events.append(
                            (event["event"], json.loads(event["data"]), event.get("id"))
                        )
                    event = {}
        except (OSError, ValueError, AttributeError):
            pass
        self.ended.set()

    def of(self, *names):
        return [event for event in self.events if event[0] in names]

    def ids(self, *names):
        return [row[0] for _, data, _ in self.of(*names) for row in data.get("rows", ())]

    def number(self):
        return int(self.of("trace", "update")[-1][2])


@contextmanager
def listening(client, headers=(), **parameters):
    connection = http.client.HTTPConnection(
        *client.collector.http_endpoint, timeout=DEADLINE_SECONDS
    )
    connection.request(
        "GET", f"/api/v1/events?{urlencode(parameters, quote_via=quote)}", headers=dict(headers)
    )
    reply = connection.getresponse()
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/event-stream")
    listener = Listener(reply)
    eventually(lambda: listener.of("stats"))
    try:
        yield listener
    finally:
        connection.sock.shutdown(2) if connection.sock else None
        connection.close()


def test_traces_are_told_as_they_arrive_and_change(client):
    shop, prices = shop_trace(1)
    with listening(client) as listener:
        client.put(shop)
        eventually(lambda: listener.ids("trace") == [trace_id(1)])
        client.put(prices)
        eventually(lambda: listener.ids("update") == [trace_id(1)])
        client.put(*shop_trace(2))
        eventually(lambda: listener.ids("trace")[-1] == trace_id(2))
        row = listener.of("trace")[0][1]["rows"][0]
        columns = client.get("/traces")["columns"]
        assert dict(zip(columns, row, strict=True))["url"] == "http://shop/buy/1"
        assert listener.number() == client.collector.store.last_change()


def test_a_filter_lets_through_what_matches_and_says_what_does_no_more(client):
    shop, _ = (json.loads(each) for each in shop_trace(1))
    running_still = {**shop, "in_progress": True}
    del running_still["end_time"]
    with listening(client, filter="partial") as listener:
        client.put(*shop_trace(2))
        client.put(running_still)
        eventually(lambda: listener.ids("trace") == [trace_id(1)])
        client.put(shop)
        eventually(lambda: listener.of("gone"))
        assert listener.of("gone")[0][1] == {"ids": [trace_id(1)]}
        assert listener.ids("update") == []


def test_only_those_of_a_run(client):
    client.send("POST", "/runs", {"name": "a"})
    with listening(client, run="a") as listener:
        client.put(*shop_trace(1))
        client.send("POST", "/runs", {"name": "b"})
        client.put(*shop_trace(2))
        client.send("POST", "/runs", {"name": "a"})
        client.put(*shop_trace(3))
        eventually(lambda: len(listener.ids("trace")) == 2)
        assert listener.ids("trace") == [trace_id(1), trace_id(3)]


def test_what_was_missed_is_told_after_a_reconnection(client):
    with listening(client) as listener:
        client.put(*shop_trace(1))
        eventually(lambda: listener.ids("trace"))
        number = listener.number()
    client.put(*shop_trace(2))
    client.put(*shop_trace(3))
    for headers, parameters in (({"Last-Event-ID": str(number)}, {}), ({}, {"after": number})):
        with listening(client, headers, **parameters) as listener:
            eventually(lambda: len(listener.ids("trace")) == 2)
            assert listener.ids("trace") == [trace_id(2), trace_id(3)]
    with listening(client, {"Last-Event-ID": "99999999"}) as listener:  # of another store
        client.put(*shop_trace(4))
        eventually(lambda: listener.ids("trace") == [trace_id(4)])


def test_counts_are_told_when_they_change_and_no_traces_if_that_is_asked(client):
    with listening(client, only="stats") as listener:
        before = len(listener.of("stats"))
        client.put(*shop_trace(1))
        eventually(lambda: len(listener.of("stats")) > before)
        eventually(lambda: listener.of("stats")[-1][1]["traces"] == 1)
        assert listener.of("stats")[-1][1]["received"] == 2
        assert listener.of("trace", "update") == []


def test_that_all_is_cleared_is_told(client):
    with listening(client) as listener:
        client.put(*shop_trace(1))
        eventually(lambda: listener.ids("trace"))
        client.send("DELETE", "/traces")
        eventually(lambda: listener.of("clear"))
        client.put(*shop_trace(1))
        eventually(lambda: listener.ids("trace") == [trace_id(1)] * 2)


def test_a_heartbeat_keeps_a_quiet_connection(client, monkeypatch):
    monkeypatch.setattr(live, "HEARTBEAT_SECONDS", 0.3)
    with listening(client) as listener:
        eventually(lambda: len(listener.of("heartbeat")) > 1)


def test_no_more_rows_are_told_at_once_than_can_be_looked_at(client):
    stream = Stream(client.console if hasattr(client, "console") else client.collector.console)
    for number in range(0, 250, 50):
        client.put(*(shop_trace(n)[0] for n in range(number, number + 50)))
    (event,) = [each for each in stream.poll() if each.name == "trace"]
    assert (len(event.data["rows"]), event.data["more"]) == (100, 150)
    assert event.data["rows"][-1][0] == trace_id(249)
    assert [each for each in stream.poll() if each.name == "trace"] == []


def test_a_listener_that_was_away_for_long_gets_the_newest(client, monkeypatch):
    monkeypatch.setattr(live, "CHANGES_AT_ONCE", 10)
    stream = Stream(client.collector.console)
    client.put(*(shop_trace(n)[0] for n in range(30)))
    (event,) = [each for each in stream.poll() if each.name == "trace"]
    assert len(event.data["rows"]) + event.data["more"] == 30
    assert len(event.data["rows"]) == 10


def test_a_stream_ends_with_the_collector():
    with running() as collector:
        client = ConsoleClient(collector)
        with listening(client) as listener:
            begun = time.monotonic()
            collector.stop()
            assert listener.ended.wait(DEADLINE_SECONDS)
            assert time.monotonic() - begun < 2.0


def test_listeners_that_go_away_are_forgotten_and_there_are_only_so_many(client, monkeypatch):
    monkeypatch.setattr(web, "MAX_STREAMS", 2)
    console = client.collector._web
    with listening(client), listening(client):
        assert client.refused("/events", 503)["__type"] == "ServiceUnavailableException"
    eventually(lambda: console._streams == 0)
    with listening(client):
        pass


@pytest.mark.parametrize("parameters", [{"filter": "falt"}, {"run": "x"}, {"only": "x"}, {"x": 1}])
def test_a_stream_that_cant_be_is_refused(client, parameters):
    assert client.refused("/events", **parameters)["parameter"] in parameters
