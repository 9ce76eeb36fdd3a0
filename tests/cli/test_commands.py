"""The command line, as a user runs it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import eventually, free_port
from xtrace.cli import COMMANDS, main
from xtrace.collector import running
from xtrace.collector.ingest import Ingest
from xtrace.collector.store import StoreError, open_store, open_to_read
from xtrace.recorder import Recorder

ROOT = Path(__file__).parents[2]
TRACE = "1-5759e988-bd862e3fe1be46a994272793"


def start(*words, **environment):
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "xtrace", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )


@pytest.fixture
def database(tmp_path):
    """A database with one trace of two documents."""
    path = str(tmp_path / "traces.db")
    segment = {
        "trace_id": TRACE,
        "id": "1" * 16,
        "name": "shop",
        "start_time": 10.0,
        "end_time": 12.0,
    }
    part = {**segment, "id": "2" * 16, "type": "subsegment", "parent_id": "1" * 16, "name": "pay"}
    put(path, part, {**segment, "fault": True})
    return path


def put(path, *documents):
    """Store documents as a collector does."""
    store = open_store(path)
    ingest = Ingest(store)
    assert ingest.take_each([json.dumps(each).encode() for each in documents]) == [None] * len(
        documents
    )
    ingest.stop()
    store.close()


def test_the_collector_stores_what_arrives_until_it_is_stopped(tmp_path):
    path = str(tmp_path / "deep" / "traces.db")
    collector = start("collector", "--listen", "127.0.0.1:0", "--db", path)
    address = collector.stdout.readline().partition("udp ")[2].partition(",")[0]
    recorder = Recorder(service="shop", sampling=False, daemon_address=address)
    for _ in range(10):
        with recorder.in_segment():
            pass
    store = open_to_read(path)
    eventually(lambda: store.size().documents == 10)
    store.close()
    collector.send_signal(signal.SIGTERM)
    said, complaints = collector.communicate(timeout=10)
    assert "Stopped: received 10, stored 10, malformed 0, dropped 0" in said
    assert (collector.returncode, complaints) == (0, "")


def test_a_taken_port_is_said_and_what_to_do(tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        done = start("collector", "--listen", f"127.0.0.1:{port}", "--db", str(tmp_path / "x.db"))
        complaints = done.communicate(timeout=10)[1]
    assert done.returncode == 2
    assert f"Port {port} on 127.0.0.1 is taken" in complaints
    assert "--listen" in complaints
    assert "Traceback" not in complaints


def test_show_draws_a_trace(database, capsys):
    assert main(["show", TRACE, "--db", database]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(TRACE)
    assert [line.split()[0] for line in lines[2:4]] == ["shop", "pay"]
    assert lines[2].rstrip().endswith("✖")


def test_show_lists_traces_and_draws_the_last(database, capsys):
    assert main(["show", "--db", database]) == 0
    assert TRACE[-8:] in capsys.readouterr().out
    assert main(["show", "--last", "1", "--db", database]) == 0
    assert "shop" in capsys.readouterr().out


def test_show_says_what_x_ray_would_reject(database, capsys):
    assert main(["show", TRACE, "--check", "--db", database]) == 1
    said = [line for line in capsys.readouterr().out.splitlines() if "X-Ray" in line]
    assert [line.split(": ")[:2] for line in said] == [
        [f"X-Ray rejects {id * 16} {member}", "out of range"]
        for id in "21"
        for member in ("start_time", "end_time")
    ]
    good = {"trace_id": TRACE[:-1] + "7", "id": "4" * 16, "name": "good"}
    put(database, {**good, "start_time": 1_700_000_000.0, "end_time": 1_700_000_001.0})
    assert main(["show", good["trace_id"], "--check", "--db", database]) == 0
    assert "X-Ray takes it as it is." in capsys.readouterr().out
    # What a document brings can't steer the terminal, and there is an end to it.
    keys = {f"\x1b[2J{n}": n for n in range(120)}
    many = [{**good, "trace_id": TRACE, "id": f"{n:016x}", "annotations": keys} for n in range(11)]
    put(database, *[{**each, "start_time": 1_700_000_000.0} for each in many])
    assert main(["show", "--last", "9", "--check", "--db", database]) == 1
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "and so on." in said
    assert main(["show", "--check", "--db", database]) == 2
    assert "--check needs a TRACE_ID" in capsys.readouterr().err


def test_an_unknown_trace_is_said(database, capsys):
    assert main(["show", "1-0-0", "--db", database]) == 2
    assert "No trace '1-0-0' is stored" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["show", "tail"])
def test_without_a_database_the_way_to_one_is_said(command, tmp_path, capsys):
    assert main([command, "--db", str(tmp_path / "none.db")]) == 2
    assert "xtrace collector" in capsys.readouterr().err


def test_an_empty_database_says_how_to_fill_it(tmp_path, capsys):
    path = str(tmp_path / "empty.db")
    open_store(path).close()
    assert main(["show", "--db", path]) == 0
    assert "No traces yet" in capsys.readouterr().out


def test_the_database_may_come_from_the_environment(database):
    shown = start("show", TRACE, XTRACE_DB=database)
    assert "shop" in shown.communicate(timeout=10)[0]


def test_tail_draws_what_arrives(database):
    tail = start("tail", "--db", database)
    assert "Waiting" in tail.stderr.readline()
    new = {
        "trace_id": TRACE[:-1] + "4",
        "id": "3" * 16,
        "name": "new",
        "start_time": 1.0,
        "end_time": 2.0,
    }
    put(database, new)
    line = tail.stdout.readline()
    tail.send_signal(signal.SIGINT)
    complaints = tail.communicate(timeout=10)[1]
    assert line.startswith(new["trace_id"])
    assert "Traceback" not in complaints


def test_doctor_shows_settings_and_finds_a_missing_daemon(capsys, monkeypatch):
    port = free_port()
    monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", f"127.0.0.1:{port}")
    monkeypatch.setenv("AWS_XRAY_CONTEXT_MISSING", "PANIC")
    assert main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert "* context_missing" in said
    assert "problem: context_missing is 'PANIC' (from AWS_XRAY_CONTEXT_MISSING)" in said
    assert f"problem: No daemon on udp 127.0.0.1:{port}" in said


def test_doctor_is_content_where_a_daemon_listens(capsys, monkeypatch):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", f"127.0.0.1:{daemon.getsockname()[1]}")
        assert main(["doctor", "--meanings"]) == 0
    said = capsys.readouterr().out
    assert "Nothing is wrong." in said
    assert "(something listens there, or the host drops what is sent)" in said
    assert all(len(line) <= 100 for line in said.splitlines())


def test_doctor_sends_a_trace_and_sees_it_arrive(capsys, monkeypatch):
    with running() as collector:
        monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", collector.address)
        assert main(["doctor", "--send"]) == 0
        assert (collector.stored, collector.malformed) == (1, 0)
    said = capsys.readouterr().out
    assert "(xtrace collector " in said
    assert "It has arrived: xtrace show 1-" in said


def test_doctor_says_that_a_trace_was_not_taken(capsys, monkeypatch, tmp_path, lenient_faults):
    full = tmp_path / "traces.jsonl"
    full.mkdir()  # nothing can be appended to a folder
    monkeypatch.setenv("XTRACE_EMITTER", f"file:{full}")
    assert main(["doctor", "--send"]) == 1
    assert f"problem: file:{full}: a trace was dropped: 1 not written." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("AWS_XRAY_SDK_ENABLED", "false", "Tracing is switched off by AWS_XRAY_SDK_ENABLED."),
        ("AWS_XRAY_DAEMON_ADRESS", "a:1", "Did you mean AWS_XRAY_DAEMON_ADDRESS?"),
        ("XTRACE_NONSENSE", "1", "There is no setting XTRACE_NONSENSE."),
        ("XTRACE_SAMPLING_RULES", "/nowhere.json", "Can't read sampling rules '/nowhere.json'"),
        ("XTRACE_EMITTER", "nowhere:", "No emitter for 'nowhere:'"),
        ("XTRACE_EMITTER", "file:/nowhere/x.jsonl", "there is no folder '/nowhere'"),
        ("XTRACE_EMITTER", "otlp+http://127.0.0.1:1", "Nobody answers at 127.0.0.1:1"),
    ],
)
def test_doctor_finds_what_keeps_traces_away(name, value, said, capsys, monkeypatch):
    monkeypatch.setenv(name, value)
    assert main(["doctor"]) == 1
    assert said in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--help"], *([c, "--help"] for c in COMMANDS)])
def test_help_is_never_a_traceback(words, capsys):
    with pytest.raises(SystemExit) as done:
        main(words)
    assert done.value.code == 0
    assert "usage: xtrace" in capsys.readouterr().out


def test_without_a_command_all_of_them_are_listed(capsys):
    assert main([]) == 2
    said = capsys.readouterr().err
    assert all(f"    {command} " in said or f"    {command}\n" in said for command in COMMANDS)


@pytest.mark.parametrize(
    ("word", "said"),
    [("collecter", "Did you mean `xtrace collector`?"), ("zzz", "Known: collector, ")],
)
def test_a_command_that_is_not_there_is_named(word, said, capsys):
    assert main([word, "--db", "x"]) == 2
    assert f"There is no command {word!r}. {said}" in capsys.readouterr().err


def test_what_a_command_does_not_take_is_answered_with_its_usage(capsys):
    with pytest.raises(SystemExit) as done:
        main(["show", "1", "--colour"])
    assert done.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("usage: xtrace show")
    assert "unknown: --colour" in said


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["collector", "--port", "2555"], "unknown: --port 2555; write --listen HOST:PORT"),
        (["find", "--host=there"], "unknown: --host=there; write --address HOST:PORT"),
    ],
)
def test_an_address_by_another_name_says_its_own(words, meant, capsys):
    with pytest.raises(SystemExit):
        main(words)
    assert meant in " ".join(capsys.readouterr().err.split())


def test_a_terminal_without_utf_8_is_drawn_on_in_ascii(database):
    done = subprocess.run(
        [sys.executable, "-m", "xtrace", "show", "--last", "1", "--db", database],
        capture_output=True,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "LC_ALL": "C",
            "PYTHONUTF8": "0",
            "PYTHONCOERCECLOCALE": "0",
        },
        check=True,
    )
    assert done.stderr == b""
    rows = done.stdout.decode("ascii")
    assert "####" in rows
    assert "x fault" in rows


@pytest.mark.parametrize("url", ["postgres://host/traces", "sqlite:///traces.db", "http://x"])
def test_a_database_of_a_kind_that_there_is_none_of_is_said(url, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match="is no store. Name a file"):
        open_store(url)
    assert main(["find", "--db", url]) == 2
    assert "is no store. Name a file" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def in_shell(words):
    """What a command line of the shell's came to; {xtrace} stands for ours."""
    return subprocess.run(
        words.format(xtrace=f"{sys.executable} -m xtrace"),
        shell=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
@pytest.mark.parametrize("words", ["show", "show --last 1 --json"])
def test_a_full_disk_is_said(words, database):
    done = in_shell(f"{{xtrace}} {words} --db {database} > /dev/full")
    assert done.returncode == 2
    assert done.stderr == ("xtrace show: Can't write what was asked for: No space left on device\n")


def test_without_an_output_nothing_is_printed(database):
    done = in_shell(f"{{xtrace}} show --db {database} >&-")
    assert (done.returncode, done.stderr) == (0, "")


def test_ctrl_c_ends_a_command_without_a_word(database, monkeypatch, capsys):
    def pressed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("xtrace.cli.show.run", pressed)
    assert main(["show", "--db", database]) == 130
    assert capsys.readouterr().err == ""


def test_a_reader_that_goes_away_is_no_error(database):
    done = in_shell(f"{{xtrace}} show --last 1 --db {database} | true")
    assert (done.returncode, done.stderr) == (0, "")
