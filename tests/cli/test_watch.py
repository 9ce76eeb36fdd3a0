"""`xtrace watch`, against a collector and, for what a collector never answers, against a stand-in."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtrace import collector
from xtrace.cli import main, watch
from xtrace.errors import ConfigurationError
from xtrace.recorder import Recorder

ROOT = Path(__file__).parents[2]


def summary(number, seconds=0.1, **more):
    return {"Id": f"1-5759e988-{number:024}", "ResponseTime": seconds, "IsPartial": False, **more}


FAULTY = {"HasFault": True}


@contextmanager
def standing_in(*answers, status=200):
    """A collector's HTTP API that gives these answers in turn, the last one again and again."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = answers[min(len(asked), len(answers) - 1)]
            asked.append((self.path, request))
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def page(*summaries, **more):
    return {"TraceSummaries": list(summaries), **more}


@pytest.fixture(autouse=True)
def no_settling(monkeypatch):
    monkeypatch.setattr(watch, "SETTLE_SECONDS", 0.0)


def run(address, *words, seconds="0.1s"):
    return main(["watch", "--address", address, "--for", seconds, "--every", "0.02s", *words])


# -- conditions --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "metric", "operator", "value", "share"),
    [
        ("fault>1%", "fault", ">", 1, True),
        ("fault > 1 %", "fault", ">", 1, True),
        ("Error>=0", "error", ">=", 0, False),
        ("throttle<=2.5%", "throttle", "<=", 2.5, True),
        ("p99>0.5", "p99", ">", 0.5, False),
        ("p50>.5s", "p50", ">", 0.5, False),
        ("max>500ms", "max", ">", 0.5, False),
        ("average<2", "average", "<", 2, False),
        ("traces<10", "traces", "<", 10, False),
    ],
)
def test_conditions(text, metric, operator, value, share):
    assert watch.condition(text) == (text, metric, operator, value, share)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Write METRIC"),
        ("fault", "Write METRIC"),
        ("fault=1%", "Write METRIC"),
        ("fault>1%%", "Write METRIC"),
        ("fault>-1%", "Write METRIC"),
        ("fault>1e3", "Write METRIC"),
        ("p98>1", "there is no 'p98'"),
        ("fault>1s", "fault has no s"),
        ("p99>1%", "p99 has no %"),
        ("traces>1%", "traces has no %"),
        ("fault>101%", "more than 100%"),
    ],
)
def test_conditions_that_can_not_be_read(text, said, capsys):
    with pytest.raises(ConfigurationError, match="p99>0.5") as caught:
        watch.condition(text)
    assert said in str(caught.value)
    assert run("127.0.0.1:1", "--fail-on", text) == 2
    assert said in capsys.readouterr().err


@given(st.text("faultp9>=<%.01 ms", max_size=12))
def test_any_text_is_a_condition_or_is_refused_with_advice(text):
    try:
        said = str(watch.condition(text).value)
    except ConfigurationError as error:
        said = str(error)
    assert "Write METRIC" in said or float(said) >= 0


@pytest.mark.parametrize(
    ("text", "seconds"), [("60", 60), ("60s", 60), ("1.5m", 90), ("1h", 3600), ("500ms", 0.5)]
)
def test_durations(text, seconds):
    assert watch.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "x", "0", "-1s", "1d", "inf"])
def test_durations_that_are_none(text, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["watch", f"--for={text}"])
    assert caught.value.code == 2
    assert "write 60s" in capsys.readouterr().err


# -- what is seen ------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=60), st.sampled_from([50, 90, 95, 99]))
def test_percentiles_are_the_nearest_rank(times, percent):
    seen = watch.Seen()
    for number, took in enumerate(times):
        seen.add(summary(number, took / 1000))
    found = round(seen.value(f"p{percent}", False) * 1000)
    assert found in times
    assert 100 * sum(each <= found for each in times) >= percent * len(times)
    assert 100 * sum(each < found for each in times) < percent * len(times)


def test_a_trace_counts_once_as_its_newest_summary_says():
    seen = watch.Seen()
    seen.add({**summary(1, 9.0), "IsPartial": True})  # its root has ended, others haven't
    assert (seen.value("traces", False), seen.value("p50", False)) == (1, None)
    seen.add(summary(1, 0.0, HasFault=True))
    assert (seen.value("fault", True), seen.value("fault", False)) == (100, 1)
    assert (seen.value("p50", False), seen.value("max", False)) == (0.0, 0.0)


def test_nothing_seen_meets_no_condition_but_those_on_the_count():
    seen = watch.Seen()
    assert not watch.condition("fault>=0%").met(seen)
    assert not watch.condition("p99<1").met(seen)
    assert watch.condition("traces<1").met(seen)


# -- the command -------------------------------------------------------------------------------


def test_it_says_what_it_sees_and_ends_well(capsys):
    traces = [summary(1, 0.1), summary(2, 0.3, **FAULTY), summary(3, 1.5, HasError=True)]
    with standing_in(page(), page(*traces)) as (address, asked):
        assert run(address, "--fail-on", "fault>40%", "--fail-on", "p99>2", "--filter", "ok") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= 2
    assert lines[-1] == (
        "In all  3 traces, fault 33.3%, error 33.3%, throttle 0%, p50 300 ms, p99 1.5 s"
    )
    path, request = asked[0]
    assert path == "/TraceSummaries"
    assert (request["FilterExpression"], request["TimeRangeType"]) == ("ok", "Event")
    assert request["StartTime"] <= time.time() < request["EndTime"] + 5


def test_it_fails_as_soon_as_a_condition_is_met(capsys):
    with standing_in(page(), page(summary(1, 0.7, **FAULTY))) as (address, _):
        begun = time.monotonic()
        conditions = ("fault>1%", "p99>500ms", "fault>0", "p50>5")
        words = [word for each in conditions for word in ("--fail-on", each)]
        assert run(address, *words, seconds="1h") == 1
        assert time.monotonic() - begun < 30
    said = capsys.readouterr().out.splitlines()[1:]
    assert said == [
        "Failed: fault>1% (fault is 100%)",
        "Failed: p99>500ms (p99 is 700 ms)",
        "Failed: fault>0 (fault is 1)",
    ]


def test_what_is_too_little_is_judged_at_the_end(capsys):
    with standing_in(page(), page(summary(1))) as (address, asked):
        assert run(address, "--fail-on", "traces<2") == 1
        assert len(asked) > 2
    assert "Failed: traces<2 (traces is 1)" in capsys.readouterr().out


def test_shares_may_wait_for_more_traces():
    with standing_in(page(summary(1, **FAULTY))) as (address, asked):
        words = ("--fail-on", "fault>1%", "--min-traces", "5")
        assert run(address, *words) == 1
        assert len(asked) > 2  # at the end, not at once
        assert run(address, *words, "--fail-on", "fault>0", seconds="1h") == 1


def test_pages_are_followed(capsys):
    answers = [page(), page(summary(1), NextToken="a"), page(summary(2), NextToken="a"), page()]
    with standing_in(*answers) as (address, asked):
        assert run(address) == 0
    assert "2 traces" in capsys.readouterr().out
    assert [request.get("NextToken") for _, request in asked[:4]] == [None, None, "a", None]


def test_no_collector(capsys):
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert run(address) == 2
    said = capsys.readouterr().err
    assert address in said and "xtrace collector" in said and "refused" in said


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        (b"<html>", 200, "answers 200 without JSON"),
        ([], 200, "answers 200 without JSON"),
        ({}, 200, "doesn't answer as one"),
        ({"message": "no"}, 403, "answers 403: no"),
        ({}, 500, "answers 500: no reason"),
    ],
)
def test_something_else_answers(answer, status, said, capsys):
    with standing_in(answer, status=status) as (address, _):
        assert run(address) == 2
    assert said in capsys.readouterr().err


def test_a_filter_that_is_refused(capsys):
    with standing_in({"Message": "expected a keyword at 1"}, status=400) as (address, _):
        assert run(address, "--filter", "?") == 2
    assert "--filter is refused: expected a keyword at 1" in capsys.readouterr().err


def test_a_wrong_address(capsys, monkeypatch):
    assert run("nonsense") == 2
    assert "--address is 'nonsense'" in capsys.readouterr().err
    monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", "nonsense")
    assert main(["watch"]) == 2
    assert "AWS_XRAY_DAEMON_ADDRESS is 'nonsense'" in capsys.readouterr().err


def test_the_address_comes_from_the_environment(capsys, monkeypatch):
    with standing_in(page(summary(1))) as (address, _):
        monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", f"udp:127.0.0.1:1 tcp:{address}")
        assert main(["watch", "--for", "0.05s", "--every", "0.02s"]) == 0


@contextmanager
def traffic():
    """A collector that receives healthy traces of "shop" and failing ones of "pay"."""
    enough = threading.Event()
    with collector.running() as running:
        shop, pay = (
            Recorder(service=name, sampling=False, daemon_address=running.address)
            for name in ("shop", "pay")
        )

        def send():
            while not enough.wait(0.02):
                with shop.in_segment():
                    pass
                with pay.in_segment() as segment:
                    segment.put_http_meta("status", 503)
                    segment.add_fault_flag()

        thread = threading.Thread(target=send)
        thread.start()
        try:
            yield running.address
        finally:
            enough.set()
            thread.join()


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["--fail-on", "fault>10%"], 1),
        (["--fail-on", "p99<10"], 1),
        (["--fail-on", "p99>10", "--fail-on", "throttle>0", "--fail-on", "traces<1"], 0),
        (["--fail-on", "fault>0", "--filter", 'service("shop")'], 0),
        (["--fail-on", "traces>0", "--filter", 'service("pay") { fault }'], 1),
        (["--filter", "servce("], 2),
    ],
)
def test_with_a_collector(words, status, capsys, monkeypatch):
    monkeypatch.setattr(watch, "SETTLE_SECONDS", 1.0)
    with traffic() as address:
        found = main(["watch", "--address", address, "--for", "1.5s", "--every", "0.3s", *words])
    said = capsys.readouterr()
    assert found == status, said
    if status == 2:
        assert "--filter is refused: " in said.err
    elif status == 0:
        assert " traces, fault " in said.out.splitlines()[-1]
        assert "0 traces" not in said.out.splitlines()[-1].split()


def test_ctrl_c_ends_it_with_a_verdict():
    with standing_in(page(summary(1))) as (address, _):
        watching = subprocess.Popen(
            [
                *(sys.executable, "-u", "-m", "xtrace", "watch", "--address", address),
                *("--every", "0.05s", "--fail-on", "traces<2"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert "1 trace," in watching.stdout.readline()
        watching.send_signal(signal.SIGINT)
        said, complaints = watching.communicate(timeout=20)
    assert "Failed: traces<2" in said
    assert (watching.returncode, complaints) == (1, "")
