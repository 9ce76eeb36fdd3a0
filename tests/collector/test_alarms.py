"""Alarms: configuration with its errors, states over time, and what they lead to."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.collector.console_client import ConsoleClient
from tests.helpers import eventually
from xtrace.collector import running
from xtrace.collector.alarms import (
    ALARM,
    INSUFFICIENT_DATA,
    MAX_NODES,
    NO_ALARMS,
    OK,
    Alarms,
    AlarmsError,
    NodeStatistics,
    edited,
    load,
    statistics_of,
)
from xtrace.collector.alarms.actions import MAX_WAITING
from xtrace.collector.graph import Edge, Observation, change
from xtrace.collector.trace import NodeKey
from xtrace.recorder import Recorder

SHOP = NodeKey("shop", None, None)
TABLE = NodeKey("cart", "AWS::DynamoDB::Table", None)
START = 6000.0


class Nodes:
    """What the store would say: statistics by window, set by the test."""

    def __init__(self):
        self.seen = {}
        self.windows = []

    def read(self, start, end):
        self.windows.append((start, end))
        return self.seen.get((start, end), [])

    def put(self, start, *statistics, period=60):
        self.seen[start, start + period] = list(statistics)


def requests(count=10, node=SHOP, **more):
    return NodeStatistics(node, count, **more)


@pytest.fixture
def nodes():
    return Nodes()


def alarms(nodes, *, entries=(), actions=(), **default):
    configuration = {"default": default, "nodes": list(entries), "actions": list(actions)}
    return Alarms(load(configuration), nodes.read)


def only(alarms):
    (alarm,) = alarms.as_dict()["alarms"]
    return alarm


# -- states ------------------------------------------------------------------------------------


def test_an_alarm_goes_through_its_states(nodes):
    watched = alarms(nodes, fault_percent=5)
    nodes.put(START, requests(faults=0))
    nodes.put(START + 60, requests(faults=1))
    nodes.put(START + 120, requests(faults=0))
    told = [watched.evaluate(START + 65 + 60 * minute) for minute in range(4)]
    assert [[(c.previous, c.state) for c in changes] for changes in told] == [
        [(INSUFFICIENT_DATA, OK)],
        [(OK, ALARM)],
        [(ALARM, OK)],
        [(OK, INSUFFICIENT_DATA)],
    ]
    change = told[1][0]
    assert (change.time, change.node, change.metric) == (START + 125, SHOP, "fault_percent")
    assert change.reason == "1 above 5 % in the last 1 × 60 s (10 %)"
    history = watched.as_dict()["history"]
    assert [each["state"] for each in history] == [INSUFFICIENT_DATA, OK, ALARM, OK]
    assert history[2]["text"] == f"ALARM: shop fault_percent: {change.reason}"


def test_m_of_n_periods(nodes):
    watched = alarms(nodes, fault_percent=50, periods=3, breaching=2)
    faults = [10, 0, 10, 0, 0, 10, 10]
    for minute, count in enumerate(faults):
        nodes.put(START + 60 * minute, requests(faults=count))
    states = []
    for minute in range(len(faults)):
        watched.evaluate(START + 65 + 60 * minute)
        states.append(only(watched)["state"])
    assert states == [OK, OK, ALARM, OK, OK, OK, ALARM]


@given(st.lists(st.sampled_from([None, 0, 10]), min_size=1, max_size=12), st.data())
def test_the_state_is_what_the_last_periods_say(faults, data):
    periods = data.draw(st.integers(1, 5))
    breaching = data.draw(st.integers(1, periods))
    nodes = Nodes()
    watched = alarms(nodes, fault_percent=50, periods=periods, breaching=breaching)
    for minute, count in enumerate(faults):
        if count is not None:
            nodes.put(START + 60 * minute, requests(faults=count))
    for minute in range(len(faults)):
        watched.evaluate(START + 66 + 60 * minute)
        last = faults[max(0, minute + 1 - periods) : minute + 1]
        known = [count for count in last if count is not None]
        if not any(count is not None for count in faults[: minute + 1]):
            assert watched.as_dict()["alarms"] == []
            continue
        expected = OK if known else INSUFFICIENT_DATA
        expected = ALARM if known.count(10) >= breaching else expected
        assert only(watched)["state"] == expected


def test_a_period_is_looked_at_once_it_has_settled_and_only_once(nodes):
    watched = alarms(nodes, fault_percent=5)
    watched.evaluate(START + 64)
    watched.evaluate(START + 64.9)
    assert nodes.windows == [(START - 60, START)]
    watched.evaluate(START + 65)
    assert nodes.windows[1:] == [(START, START + 60)]
    watched.evaluate(START + 66)
    watched.evaluate(START)  # the clock was put back
    assert len(nodes.windows) == 2


def test_each_entry_has_its_own_periods(nodes):
    entry = {"name": "cart", "error_percent": 1, "fault_percent": None, "period_seconds": 120}
    watched = alarms(nodes, entries=[entry], fault_percent=5)
    both = [requests(faults=10, errors=0), requests(node=TABLE, errors=10)]
    nodes.put(START, *both)
    nodes.put(START, *both, period=120)
    assert [c.node for c in watched.evaluate(START + 65)] == [SHOP]
    assert [c.node for c in watched.evaluate(START + 125)] == [SHOP, TABLE]


def test_entries_of_one_period_length_look_back_differently_far(nodes):
    watched = alarms(nodes, entries=[{"name": "cart", "periods": 3}], fault_percent=5)
    nodes.put(START, requests(faults=10), requests(node=TABLE, faults=10))
    nodes.put(START + 60, requests(), requests(node=TABLE))
    watched.evaluate(START + 125)
    states = {each["node"]["name"]: each for each in watched.as_dict()["alarms"]}
    assert [len(states[name]["values"]) for name in ("shop", "cart")] == [1, 3]


def test_all_periods_must_be_above_unless_told(nodes):
    entries = [{"name": "a", "periods": 4}, {"name": "b", "breaching": 1}]
    default = {"fault_percent": 5, "periods": 3, "breaching": 2}
    found = load({"default": default, "nodes": entries}).entries
    assert [(each.periods, each.breaching) for each in found] == [(4, 4), (3, 1), (3, 2)]


def test_few_requests_are_no_value(nodes):
    watched = alarms(nodes, fault_percent=5, minimum_requests=10)
    nodes.put(START, requests(9, faults=9))
    assert watched.evaluate(START + 65) == []
    assert only(watched)["state"] == INSUFFICIENT_DATA
    assert only(watched)["value"] is None


@pytest.mark.parametrize(
    ("metric", "statistics", "value"),
    [
        ("fault_percent", {"faults": 1}, 10.0),
        ("error_percent", {"errors": 2}, 20.0),
        ("throttle_percent", {"errors": 2, "throttles": 1}, 10.0),
        ("response_time", {"seconds": 5.0}, 0.5),
    ],
)
def test_what_is_measured(nodes, metric, statistics, value):
    watched = alarms(nodes, **{metric: value})
    nodes.put(START, requests(**statistics))
    watched.evaluate(START + 65)
    assert (only(watched)["value"], only(watched)["state"]) == (value, OK)  # not above
    assert only(watched)["metric"] == metric


@pytest.mark.parametrize(
    ("statistic", "value"), [("average", 2.0), ("p50", 0.1), ("p90", 0.2), ("p99", 9.0)]
)
def test_percentiles_come_from_the_histogram(nodes, statistic, value):
    watched = alarms(nodes, response_time=1, statistic=statistic)
    histogram = [(9.0, 2), (0.1, 89), (0.2, 9)]
    nodes.put(START, requests(100, seconds=200.0, histogram=histogram))
    watched.evaluate(START + 65)
    assert only(watched)["value"] == value


@given(
    st.lists(st.integers(1, 10**6), min_size=1, max_size=50),
    st.sampled_from(["p50", "p90", "p99"]),
)
def test_a_percentile_is_the_nearest_rank(values, statistic):
    node = requests(len(values), seconds=1.0, histogram=[(value, 1) for value in values])
    found = node.value("response_time", statistic)
    share = int(statistic[1:])
    assert found in values
    assert 100 * sum(each <= found for each in values) >= share * len(values)
    assert 100 * sum(each < found for each in values) < share * len(values)


def test_the_first_entry_that_matches_counts_and_takes_the_rest_from_the_default(nodes):
    entries = [
        {"name": "ca*", "type": "AWS::*", "fault_percent": 50},
        {"name": "*", "type": "remote", "fault_percent": None},
        {"name": "shop", "fault_percent": 20},
    ]
    watched = alarms(nodes, entries=entries, fault_percent=5, periods=2, breaching=1)
    other = NodeKey("mail", None, None)
    remote = NodeKey("shop", "remote", None)
    nodes.put(START, *(requests(node=node) for node in (SHOP, TABLE, other, remote)))
    watched.evaluate(START + 65)
    found = {each["node"]["name"]: each for each in watched.as_dict()["alarms"]}
    assert {name: each["threshold"] for name, each in found.items()} == {
        "cart": 50,
        "shop": 20,
        "mail": 5,
    }
    assert {each["periods"] for each in found.values()} == {2}


def test_names_made_from_values_do_not_fill_the_memory(nodes):
    watched = alarms(nodes, fault_percent=5)
    nodes.put(START, *(requests(node=NodeKey(f"n{n}", None, None)) for n in range(MAX_NODES + 3)))
    watched.evaluate(START + 65)
    state = watched.as_dict()
    assert (len(state["alarms"]), state["unwatched"]) == (MAX_NODES, 3)


def test_an_alarm_without_data_is_forgotten_after_a_day(nodes):
    watched = alarms(nodes, fault_percent=5)
    nodes.put(START, requests())
    watched.evaluate(START + 65)
    watched.evaluate(START + 125)
    assert only(watched)["state"] == INSUFFICIENT_DATA
    watched.evaluate(START + 86_000)
    assert only(watched)
    watched.evaluate(START + 87_000)
    assert watched.as_dict()["alarms"] == []
    nodes.put(START + 87_000, requests())
    watched.evaluate(START + 87_065)
    assert only(watched)["state"] == OK


def test_a_store_that_fails_is_asked_again(nodes, caplog):
    broken = [True, True, False]

    def read(start, end):
        if broken.pop(0):
            raise OSError("no disk")
        return [requests()]

    watched = Alarms(load({"default": {"fault_percent": 5}}), read)
    assert watched.evaluate(START + 65) == watched.evaluate(START + 66) == []
    assert (watched.as_dict()["failures"], watched.as_dict()["last_error"]) == (
        2,
        "OSError: no disk",
    )
    assert len(caplog.records) == 1
    assert watched.evaluate(START + 67)
    assert watched.as_dict()["last_error"] is None


def test_it_evaluates_by_the_clock(nodes, monkeypatch):
    monkeypatch.setattr("xtrace.collector.alarms.SECONDS_BETWEEN_LOOKS", 0.01)
    monkeypatch.setattr("xtrace.ids.wall_clock", lambda: START + 65)
    nodes.put(START, requests(faults=10))
    watched = alarms(nodes, fault_percent=5)
    watched.start()
    watched.start()
    eventually(lambda: watched.as_dict()["alarms"])
    watched.stop()
    assert only(watched)["state"] == ALARM
    assert not [t for t in threading.enumerate() if t.name.startswith("xtrace-alarm")]


def test_states_are_json_with_what_burns_first(nodes):
    watched = alarms(nodes, fault_percent=5, response_time=0.1)
    nodes.put(START, requests(faults=10, seconds=0.1))
    watched.evaluate(START + 65)
    state = json.loads(json.dumps(watched.as_dict()))
    assert [(each["metric"], each["state"]) for each in state["alarms"]] == [
        ("fault_percent", ALARM),
        ("response_time", OK),
    ]
    first = state["alarms"][0]
    assert first["values"] == [{"start": START, "value": 100.0}]
    assert (first["since"], first["statistic"]) == (START + 65, None)
    assert state["alarms"][1]["statistic"] == "average"


def test_statistics_come_from_the_rollups_of_a_store():
    def seen(subject, status, milliseconds):
        took = milliseconds * 1000
        return Observation(subject, status, 60, 61, took, took, True, True)

    client = NodeKey("shop", "client", None)
    observed = [
        *(seen(TABLE, status, 250) for status in (0, 1, 2, 3, 3)),
        seen(TABLE, 4, 0),  # still open
        seen(SHOP, 4, 0),
        seen(client, 0, 1),
        seen(Edge(client, SHOP, False), 3, 1),
    ]
    rollups = list(change((), observed).values())
    assert statistics_of(rollups) == [NodeStatistics(TABLE, 5, 2, 2, 1, 1.25, [(0.25, 5)])]


def test_a_collector_watches_its_own_graph():
    with running() as collector:
        watched = collector.watch(load({"default": {"fault_percent": 50}}))
        recorder = Recorder(service="shop", sampling=False, daemon_address=collector.address)
        with recorder.in_segment() as segment:
            segment.add_fault_flag()
        eventually(lambda: collector.stored == 1)
        collector.flush()
        (change,) = watched.evaluate(segment.start_time // 60 * 60 + 65)
        assert (change.node.name, change.state) == ("shop", ALARM)
        connection = HTTPConnection(*collector.http_endpoint)
        connection.request("GET", "/api/v1/alarms")
        shown = json.loads(connection.getresponse().read())
        connection.close()
    assert shown == {**json.loads(json.dumps(watched.as_dict())), "editable": True}
    assert shown["alarms"][0]["state"] == ALARM


def test_a_collector_without_alarms_shows_none():
    with running() as collector:
        assert collector.alarm_states() == NO_ALARMS


# -- other thresholds while it runs ----------------------------------------------------------------


def test_an_alarm_that_is_the_same_keeps_its_state_when_thresholds_are_edited(nodes):
    watched = alarms(nodes, fault_percent=10, response_time=9)
    burn(watched, nodes)
    raised = {each["metric"]: each["state"] for each in watched.as_dict()["alarms"]}
    assert raised == {"fault_percent": ALARM, "response_time": OK}
    thresholds = {"default": {"fault_percent": 10}, "nodes": [{"name": "x", "response_time": 2}]}
    watched.replace(edited(thresholds, ()))
    (alarm,) = watched.as_dict()["alarms"]
    assert (alarm["metric"], alarm["state"]) == ("fault_percent", ALARM)
    assert watched.as_dict()["thresholds"] == thresholds
    watched.replace(edited({"default": {"fault_percent": 99}}, ()))
    assert only(watched)["state"] == INSUFFICIENT_DATA
    watched.replace(edited({}, ()))
    assert watched.as_dict()["alarms"] == []


def test_thresholds_are_edited_over_the_api_and_kept(tmp_path):
    path = str(tmp_path / "traces.db")
    thresholds = {"default": {}, "nodes": [{"name": "shop", "fault_percent": 5, "periods": 2}]}
    with running(path=path) as collector:
        client = ConsoleClient(collector)
        assert client.get("/alarms")["thresholds"] == NO_ALARMS["thresholds"]
        assert client.send("PUT", "/alarms", thresholds)["thresholds"] == thresholds
        assert collector.alarms._thread is not None
        for body, said in (
            ({"default": {"fault_percent": 500}}, "a percentage from 0 to 100"),
            ({"nodes": [{"fault_percent": 5}]}, "nodes[0].name is None"),
            ({"actions": [{"command": ["true"]}]}, "has a field 'actions'"),
            ([], "The request must be"),
        ):
            told = client.refused("/alarms", method="PUT", body=json.dumps(body))
            assert said in told["message"]
        assert client.get("/alarms")["thresholds"] == thresholds
    with running(path=path) as collector:
        assert ConsoleClient(collector).get("/alarms")["thresholds"] == thresholds
        collector.watch(load({"default": {"error_percent": 1}}))
        assert ConsoleClient(collector).get("/alarms")["thresholds"]["nodes"] == []


def test_the_command_names_what_is_wrong_with_the_file(tmp_path):
    path = tmp_path / "alarms.json"
    path.write_text('{"default": {"fault_percent": "a lot"}}')
    words = ["--listen", "127.0.0.1:0", "--db", ":memory:", "--alarms", str(path)]
    done = subprocess.run(
        [sys.executable, "-m", "xtrace", "collector", *words], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert f"--alarms: {path}: default.fault_percent is 'a lot'" in done.stderr


# -- what they lead to -------------------------------------------------------------------------


@contextmanager
def webhook(status=200, wait=None):
    """A server on the loopback that keeps what it is sent."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, self.headers["Content-Type"], json.loads(body)))
            if wait is not None:
                wait.wait(10)
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/hook?token=secret", got
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")


def burn(watched, nodes):
    nodes.put(START, requests(faults=10))
    return watched.evaluate(START + 65)


def action(watched):
    (only,) = watched.as_dict()["actions"]
    return only


def test_changes_are_logged(nodes, caplog):
    caplog.set_level(logging.INFO, "xtrace.collector.alarms")
    watched = alarms(nodes, fault_percent=5)
    burn(watched, nodes)
    watched.evaluate(START + 125)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert caplog.messages[0] == (
        "ALARM: shop fault_percent: 1 above 5 % in the last 1 × 60 s (100 %)"
    )


def test_a_webhook_is_sent_each_change(nodes):
    with webhook() as (url, got):
        watched = alarms(nodes, actions=[{"webhook": url}], fault_percent=5)
        (change,) = burn(watched, nodes)
        eventually(lambda: action(watched)["done"] == 1)
        watched.evaluate(START + 125)
        watched.stop()
    path, content_type, first = got[0]
    assert (path, content_type) == ("/hook?token=secret", "application/json")
    assert first == change.as_dict()
    assert [message["state"] for _, _, message in got] == [ALARM, INSUFFICIENT_DATA]
    assert "secret" not in json.dumps(watched.as_dict())


def test_an_action_may_want_some_states_alone(nodes):
    with webhook() as (url, got):
        watched = alarms(nodes, actions=[{"webhook": url, "on": ["ALARM"]}], fault_percent=5)
        burn(watched, nodes)
        watched.evaluate(START + 125)
        watched.stop()
    assert [message["state"] for _, _, message in got] == [ALARM]


@pytest.mark.parametrize("status", [404, 500, 302])
def test_a_webhook_that_refuses_is_counted(nodes, status):
    with webhook(status) as (url, got):
        watched = alarms(nodes, actions=[{"webhook": url}], fault_percent=5)
        burn(watched, nodes)
        watched.stop()
    assert len(got) == 1
    assert (action(watched)["failed"], action(watched)["done"]) == (1, 0)
    assert str(status) in action(watched)["last_error"]


def test_a_webhook_that_is_not_there_is_counted(nodes):
    with webhook() as (url, _):
        pass
    watched = alarms(nodes, actions=[{"webhook": url}], fault_percent=5)
    burn(watched, nodes)
    watched.stop()
    assert action(watched)["failed"] == 1


def test_a_slow_webhook_keeps_nobody_waiting(nodes):
    release = threading.Event()
    with webhook(wait=release) as (url, got):
        slow = {"webhook": url, "timeout_seconds": 0.05}
        watched = alarms(nodes, actions=[slow], fault_percent=5)
        burn(watched, nodes)
        eventually(lambda: action(watched)["failed"] == 1)
        assert "timed out" in action(watched)["last_error"]
        release.set()
        watched.stop()
    assert len(got) == 1


def test_what_waits_for_an_action_is_bounded(nodes):
    release = threading.Event()
    with webhook(wait=release) as (url, got):
        watched = alarms(nodes, actions=[{"webhook": url, "timeout_seconds": 20}], fault_percent=5)
        burn(watched, nodes)
        eventually(lambda: got)
        many = [requests(node=NodeKey(f"n{n}", None, None)) for n in range(MAX_WAITING + 5)]
        nodes.put(START + 60, requests(faults=10), *many)
        watched.evaluate(START + 125)
        assert action(watched)["dropped"] == 5
        release.set()
        eventually(lambda: action(watched)["done"] == 1 + MAX_WAITING)
        watched.stop()


def test_a_command_reads_the_change_on_stdin(nodes, tmp_path):
    told = tmp_path / "told; echo.json"
    code = "import sys; open(sys.argv[1], 'w').write(sys.stdin.read())"
    command = {"command": [sys.executable, "-c", code, str(told)]}
    watched = alarms(nodes, actions=[command], fault_percent=5)
    (change,) = burn(watched, nodes)
    watched.stop()
    assert json.loads(told.read_text()) == change.as_dict()
    assert action(watched)["done"] == 1


@pytest.mark.parametrize(
    ("code", "error"), [("raise SystemExit(3)", "status 3"), ("input();input()", "timed out")]
)
def test_a_command_that_fails_or_hangs_is_counted(nodes, code, error):
    if error == "timed out":
        code = "import time; time.sleep(60)"
    command = {"command": [sys.executable, "-c", code], "timeout_seconds": 1.0}
    watched = alarms(nodes, actions=[command], fault_percent=5)
    burn(watched, nodes)
    watched.stop(10)
    assert action(watched)["failed"] == 1
    assert error in action(watched)["last_error"]


# -- configuration -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("configuration", "said"),
    [
        (5, "the whole is 5"),
        ({}, "has no threshold"),
        ({"defaults": {}}, "Did you mean default?"),
        ({"default": 5}, "default is 5"),
        ({"default": {"name": "x"}}, "default has a field 'name'"),
        ({"default": {"fault_percentage": 5}}, "Did you mean fault_percent?"),
        ({"default": {"fault_percent": "5"}}, "default.fault_percent is '5'. Write a number"),
        ({"default": {"fault_percent": 101}}, "default.fault_percent is 101"),
        ({"default": {"fault_percent": True}}, "default.fault_percent is True"),
        ({"default": {"response_time": -1}}, "default.response_time is -1"),
        ({"default": {"response_time": float("nan")}}, "default.response_time is nan"),
        ({"default": {"statistic": "p95"}}, "average, p50, p90, p99"),
        ({"default": {"period_seconds": 90}}, "default.period_seconds is 90"),
        ({"default": {"period_seconds": True}}, "default.period_seconds is True"),
        ({"default": {"periods": 0}}, "default.periods is 0"),
        ({"default": {"periods": 2, "breaching": 3}}, "default.breaching is 3"),
        ({"default": {"minimum_requests": 0}}, "default.minimum_requests is 0"),
        ({"nodes": {}}, "nodes is {}. Write a list"),
        ({"nodes": [5]}, "nodes[0] is 5"),
        ({"nodes": [{"name": "a"}, {"error_percent": 1}]}, "nodes[1].name is None"),
        ({"nodes": [{"name": "a", "type": 5}]}, "nodes[0].type is 5"),
        ({"nodes": [{"name": "a", "periods": 3, "breaching": 4}]}, "nodes[0].breaching"),
        ({"actions": [{}]}, "actions[0] needs either webhook or command"),
        ({"actions": [{"webhook": "ftp://x"}]}, "actions[0].webhook is 'ftp://x'"),
        ({"actions": [{"webhook": "http://x y"}]}, "actions[0].webhook"),
        ({"actions": [{"webhook": "http://[x"}]}, "actions[0].webhook"),
        ({"actions": [{"webhook": 5}]}, "actions[0].webhook is 5"),
        ({"actions": [{"command": "rm -rf"}]}, "actions[0].command is 'rm -rf'. Write a list"),
        ({"actions": [{"command": []}]}, "actions[0].command is []"),
        ({"actions": [{"command": ["no such program"]}]}, "'no such program'. Write a program"),
        ({"actions": [{"webhook": "http://x", "timeout_seconds": 0}]}, "timeout_seconds is 0"),
        ({"actions": [{"webhook": "http://x", "on": ["FIRE"]}]}, "actions[0].on is 'FIRE'"),
    ],
)
def test_errors_name_the_field(configuration, said):
    with pytest.raises(AlarmsError) as caught:
        load(configuration)
    assert said in str(caught.value)
    assert str(caught.value).startswith("alarms")


def test_files(tmp_path):
    path = tmp_path / "alarms.json"
    path.write_text('{"default": {"fault_percent": 5}}')
    assert load(path).entries[-1].fault_percent == 5
    path.write_text('{"default": {"fault_percent": "x"}}')
    with pytest.raises(AlarmsError, match=r"alarms.json: default.fault_percent"):
        load(str(path))
    path.write_text("{")
    with pytest.raises(AlarmsError, match="isn't JSON"):
        load(path)
    with pytest.raises(AlarmsError, match="Can't read .*No such file"):
        load(tmp_path / "none.json")


def test_toml(tmp_path):
    path = tmp_path / "alarms.toml"
    path.write_text('[default]\nfault_percent = 5\n[[nodes]]\nname = "a"\nerror_percent = 1\n')
    if sys.version_info < (3, 11):
        with pytest.raises(AlarmsError, match="TOML needs Python 3.11"):
            load(path)
        return
    configuration = load(path)
    assert [(e.name, e.fault_percent, e.error_percent) for e in configuration.entries] == [
        ("a", 5, 1),
        ("*", 5, None),
    ]
    path.write_text("[")
    with pytest.raises(AlarmsError, match="isn't TOML"):
        load(path)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["default", "nodes", "actions", "name", "periods", "webhook", "on", "x"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=8,
    )
)
def test_any_configuration_is_used_or_refused(configuration):
    if isinstance(configuration, str):
        return
    with pytest.raises(AlarmsError):  # none of these has a threshold
        load(configuration)
