"""The commands that look at traces, at a running collector and at its database, on narrow and wide terminals."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.collector.console_client import ConsoleClient
from tests.collector.shop import shop_trace, span_id, trace_id
from tests.helpers import DEADLINE_SECONDS, free_port, now
from xtrace.cli import main
from xtrace.collector import running
from xtrace.collector.store import open_to_read

ROOT = Path(__file__).parents[2]
HOSTILE = "\x1b[2J\x1b]0;owned\x07[red]bold[/]\r\n\u202e"


def documents():
    """A shop of twelve traces; the last has many calls that are alike, and one that goes on."""
    made = [text for number in range(11) for text in shop_trace(number, fault=number % 5 == 0)]
    shop, prices = (json.loads(each) for each in shop_trace(11))
    shop["subsegments"] += [
        {
            "id": f"{n:016x}",
            "name": "redis",
            "start_time": now() + 0.2 + n / 100,
            "end_time": now() + 0.2 + n / 100 + 0.001,
        }
        for n in range(12)
    ]
    shop["subsegments"].append(
        {"id": "f" * 16, "name": "job", "start_time": now() + 0.45, "in_progress": True}
    )
    prices["fault"] = True
    prices["cause"] = {
        "exceptions": [
            {
                "id": "e",
                "type": "ValueError",
                "message": "no price",
                "cause": "f",
                "stack": [{"path": "/srv/prices/app.py", "line": 12, "label": "price"}],
            },
            {"id": "f", "type": "KeyError", "message": "17 " * 60},
        ]
    }
    prices["subsegments"] = [
        {
            "id": f"{n:08x}cafecafe",
            "name": "cache",
            "start_time": now() + 0.2,
            "end_time": now() + 0.21,
            "cause": {"exceptions": [{"id": f"c{n}", "type": "Timeout", "message": f"{n % 5}"}]},
        }
        for n in range(8)
    ]
    return [*made, json.dumps(shop), json.dumps(prices)]


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("terminal") / "traces.db")
    with running(path=path) as collector:
        client = ConsoleClient(collector)
        client.put(*documents())
        yield collector


@pytest.fixture(params=["collector", "file"])
def source(request, collector):
    """How a command is told where the traces are."""
    host, port = collector.http_endpoint
    return {"collector": ["--address", f"{host}:{port}"], "file": ["--db", collector.path]}[
        request.param
    ]


@pytest.fixture(params=[80, 120])
def width(request, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(request.param))
    return request.param


def said(capsys, *words, status=0):
    """What a command prints."""
    assert main(list(words)) == status, capsys.readouterr()
    return capsys.readouterr().out


def lines_of(out, width):
    lines = [line.rstrip() for line in out.splitlines() if line.strip()]
    assert max(map(cell_len, lines)) <= width
    return lines


# -- show ----------------------------------------------------------------------------------------


def test_a_trace_is_drawn_as_wide_as_the_terminal(source, width, capsys):
    lines = lines_of(said(capsys, "show", trace_id(3), *source), width)
    assert lines[0] == trace_id(3)
    assert "· 200  500 ms" in lines[1]
    assert lines[2] == "GET http://shop/buy/3"
    assert [line.split()[0] for line in lines[3:]] == ["shop", "prices", "prices", "DynamoDB"]
    assert all(cell_len(line) > width - 6 for line in lines[3:])
    assert "█" in lines[3]
    assert "▒" in lines[4]
    assert lines[6].endswith("50.0 ms")
    assert "GetItem: carts" in lines[6]


def test_rows_that_are_alike_are_one_and_what_goes_on_has_an_open_end(source, width, capsys):
    lines = lines_of(said(capsys, "show", trace_id(11), *source), width)
    assert any("redis × 12" in line for line in lines)
    assert any(line.strip().startswith("job") and "▶     open" in line for line in lines)
    assert any("✖" in line for line in lines)
    assert lines[-1] == "! job is in progress."
    whole = lines_of(said(capsys, "show", trace_id(11), "--whole", *source), width)
    assert sum("redis" in line for line in whole) == 12
    assert any("carts (inferred)" in line and "░" in line for line in whole)


def test_exceptions_stand_below_what_failed(source, width, capsys):
    lines = lines_of(said(capsys, "show", trace_id(11), *source), width)
    place = next(n for n, line in enumerate(lines) if "ValueError" in line)
    assert lines[place - 1].endswith("✖")
    assert lines[place].strip() == "ValueError: no price"
    assert lines[place + 1].strip() == "at price prices/app.py:12"
    assert lines[place + 2].strip().startswith("caused by KeyError: 17 17")
    assert lines[place + 3].strip().startswith("17 17")
    (cache,) = (n for n, line in enumerate(lines) if "cache × 8" in line)
    assert [line.strip() for line in lines[cache + 1 : cache + 5]] == [
        *("Timeout: 0 × 2", "Timeout: 1 × 2", "Timeout: 2 × 2"),
        "… 2 more exceptions; --whole",
    ]
    whole = said(capsys, "show", trace_id(11), "--whole", *source)
    assert whole.count("Timeout: ") == 8


def test_what_the_response_waited_for_is_marked(source, capsys):
    lines = said(capsys, "show", trace_id(3), "--critical", *source).splitlines()
    assert sum(line.rstrip().endswith("*") for line in lines) == 4


def test_traces_are_listed(source, width, capsys):
    lines = lines_of(said(capsys, "show", "--limit", "5", *source), width)
    assert lines[0].split() == ["started", "trace", "status", "time", "service", "request"]
    assert len(lines) == 7
    assert "GET /buy/11" in lines[2]
    assert "ValueError" in lines[2]
    assert (trace_id(11) in lines[2]) == (width == 120)
    assert trace_id(11)[-8:] in lines[2]


@pytest.mark.parametrize(
    "form", ["{}", "Root={};Sampled=1", "0000000b", "1-{:.8s}-00000000000000000000000b"]
)
def test_a_trace_is_found_by_what_was_pasted(source, capsys, form):
    text = form.format(trace_id(11)) if ".8s" not in form else trace_id(11)
    assert trace_id(11) in said(capsys, "show", text, *source)


def test_a_part_that_many_ids_have_is_refused(source, capsys):
    assert main(["show", trace_id(1)[:10], *source]) == 2
    assert "12 traces are like" in capsys.readouterr().err


def test_what_stands_behind_a_row(source, capsys):
    told = json.loads(said(capsys, "show", trace_id(3), "--entity", span_id(3, 3), *source))
    assert told["document"]["aws"]["table_name"] == "carts"
    assert main(["show", "--entity", "x", *source]) == 2
    assert "--entity needs a TRACE_ID" in capsys.readouterr().err


# -- find ----------------------------------------------------------------------------------------


def test_traces_are_found(source, width, capsys):
    lines = lines_of(said(capsys, "find", "fault", *source), width)
    assert [line.split("/buy/")[1].split()[0] for line in lines[2:]] == ["10", "5", "0"]
    assert "✖ 500" in lines[2]
    slow = said(capsys, "find", "--sort", "url", "--reverse", "--limit", "1", "--ids", *source)
    assert slow.split() == [trace_id(0)]
    assert "--limit N shows more" in said(capsys, "find", "--limit", "2", *source)
    everything = said(capsys, "find", "--ids", "--limit", "100", *source)
    assert len(everything.split()) == 12
    assert said(capsys, "find", "--range", "PT1S", *source).strip() == "No traces yet."
    assert said(capsys, "find", "fault AND annotation.number = 3", *source).strip() == "No traces."


def test_traces_are_grouped(source, width, capsys):
    lines = lines_of(said(capsys, "find", "--by", "service", *source), width)
    assert lines[0].split() == [
        *("service", "traces", "share", "average", "ok", "error", "throttle", "fault")
    ]
    assert lines[2].split() == ["carts", "12", "100.0", "%", "500", "ms", "9", "3"]
    lines = lines_of(
        said(capsys, "find", "--by", "annotation.number", "--limit", "3", *source), width
    )
    assert lines[-1] == "12 traces; 9 more values"
    assert said(capsys, "find", "--by", "annotation.colour", *source).strip() == (
        "None of 12 traces has a value for colour."
    )
    assert main(["find", "--by", "colour", *source]) == 2
    assert "by must be one of" in capsys.readouterr().err


def test_where_a_filter_goes_wrong_is_shown(source, capsys):
    assert main(["find", "ok AND falt", *source]) == 2
    error = capsys.readouterr().err
    assert "did you mean fault?" in error
    assert error.splitlines()[1:] == ["  ok AND falt", "         ^"]


def test_a_hint_says_what_may_have_been_meant(source, capsys):
    out = said(capsys, "find", "fault AND annotation.number = 11", *source)
    assert "service() { fault } AND annotation.number = 11" in " ".join(out.split())


# -- diff ----------------------------------------------------------------------------------------


def test_two_traces_side_by_side(source, width, capsys):
    lines = lines_of(said(capsys, "diff", trace_id(3), trace_id(11), *source), width)
    assert lines[0].startswith(f"A {trace_id(3)}")
    assert lines[1].startswith(f"B {trace_id(11)}")
    assert any("+ redis × 12" in line for line in lines)
    assert lines[-1] == "0 rows only in A, 21 only in B"
    (row,) = (line for line in lines if "GetItem" in line)
    assert row.split()[-5:] == ["50.0", "ms", "50.0", "ms", "0"]


# -- as JSON -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "member"),
    [
        (["show"], "rows"),
        (["show", 3], "critical_path"),
        (["find", "fault"], "hint"),
        (["find", "--by", "url"], "facets"),
        (["diff", 3, 4], "only_a"),
    ],
)
def test_json_is_what_the_api_answers(collector, capsys, words, member):
    host, port = collector.http_endpoint
    words = [trace_id(each) if isinstance(each, int) else each for each in words]
    answers = [
        json.loads(said(capsys, *words, "--json", *source))
        for source in (["--address", f"{host}:{port}"], ["--db", collector.path])
    ]
    for answer in answers:
        assert member in answer
        answer.pop("window", None)
    assert answers[0] == answers[1]


# -- export and import ---------------------------------------------------------------------------


def test_traces_go_out_and_in(source, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out = said(capsys, "export", "--filter", "fault", "-o", "faults.xtrace.json", *source)
    assert out == "faults.xtrace.json\n"
    assert len(json.loads(Path("faults.xtrace.json").read_text())["traces"]) == 3
    db = ["--db", str(tmp_path / "new.db")]
    out = said(capsys, "import", "faults.xtrace.json", "--run", "faults", *db)
    assert out == "faults.xtrace.json: 3 traces, 6 documents stored\n"
    assert "6 were there already" in said(capsys, "import", "faults.xtrace.json", *db)
    assert len(said(capsys, "find", "--run", "faults", "--ids", *db).split()) == 3
    store = open_to_read(db[1])
    assert store.raw(trace_id(5)) == [text.encode() for text in shop_trace(5, fault=True)]
    store.close()


def test_files_are_named_and_of_the_form_of_their_names(source, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (name,) = said(capsys, "export", trace_id(3), *source).split()
    assert name == f"trace-{trace_id(3)}.xtrace.json"
    assert json.loads(Path(name).read_text())["traces"][0]["Id"] == trace_id(3)
    said(capsys, "export", trace_id(3), "-o", "t.html", *source)
    assert Path("t.html").read_text().startswith("<!doctype html>")
    said(capsys, "export", "-o", "all.csv", "--annotations", "number", *source)
    assert Path("all.csv").read_text().splitlines()[0].endswith("annotation.number")
    said(capsys, "export", trace_id(3), "-o", "t.csv", *source)
    assert Path("t.csv").read_text().startswith("id,parent,depth")
    said(capsys, "export", "-o", "all.xtrace.json.gz", *source)
    assert Path("all.xtrace.json.gz").read_bytes()[:2] == b"\x1f\x8b"
    db = ["--db", str(tmp_path / "new.db")]
    assert "12 traces" in said(capsys, "import", "all.xtrace.json.gz", *db)
    assert "xtrace show" in said(capsys, "import", "t.html", "--db", str(tmp_path / "b.db"))
    assert main(["export", "--limit", "2", "-o", "-", "--format", "ndjson", *source]) == 0
    assert main(["export", "--limit", "2", "-o", "two.json", *source]) == 0
    assert "10 more traces are left out" in capsys.readouterr().err
    assert main(["export", "--format", "html", *source]) == 2
    assert "A report is of one trace" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []
    assert main(["export", "-o", "none/x.json", *source]) == 2
    assert "Can't write 'none/x.json'" in capsys.readouterr().err


def test_what_is_to_be_left_out_is(source, tmp_path, capsys):
    name = str(tmp_path / "x.json")
    said(capsys, "export", trace_id(3), "--redact", "user", "-o", name, *source)
    assert '\\"user\\"' not in Path(name).read_text()
    assert main(["export", "--redact", "colour", *source]) == 2
    assert "colour" in capsys.readouterr().err


def test_what_cant_be_imported_is_said(tmp_path, capsys):
    db = ["--db", str(tmp_path / "new.db")]
    bad = tmp_path / "bad.ndjson"
    bad.write_text(f"{shop_trace(1)[0]}\n{{}}\n")
    out = said(capsys, "import", str(bad), *db, status=1)
    assert "1 trace, 1 document stored, 1 can't be stored" in out
    assert main(["import", str(tmp_path / "none"), *db]) == 2
    assert "No such file" in capsys.readouterr().err
    empty = tmp_path / "empty"
    empty.write_text("")
    assert main(["import", str(empty), *db]) == 2
    assert f"{empty}: The file is empty" in capsys.readouterr().err


# -- tail ----------------------------------------------------------------------------------------


@pytest.fixture
def follow():
    started = []

    def start(*words):
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "xtrace", "tail", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"},
        )
        started.append(process)
        assert "Waiting" in process.stderr.readline()
        return process

    yield start
    for process in started:
        process.send_signal(signal.SIGINT)
        assert "Traceback" not in process.communicate(timeout=DEADLINE_SECONDS)[1]


def first_line(process):
    """What a process prints first, in time."""
    assert select.select([process.stdout], [], [], DEADLINE_SECONDS)[0], "it printed nothing"
    return process.stdout.readline()


@pytest.mark.parametrize("form", [[], ["--lines"], ["--json"]])
@pytest.mark.parametrize("where", ["collector", "file"])
def test_traces_are_followed(tmp_path, follow, form, where):
    with running(path=str(tmp_path / "traces.db")) as collector:
        client = ConsoleClient(collector)
        client.put(*shop_trace(1))
        host, port = collector.http_endpoint
        words = (
            ["--address", f"{host}:{port}"] if where == "collector" else ["--db", collector.path]
        )
        tail = follow("annotation.number > 1", *form, *words)
        client.put(*shop_trace(0))
        client.put(*shop_trace(2))
        line = first_line(tail)
        if "--json" in form:
            assert json.loads(line)["id"] == trace_id(2)
        elif form:
            assert "GET /buy/2" in line
            assert trace_id(2)[-8:] in line
        else:
            assert line.strip() == trace_id(2)


def test_a_filter_that_cant_be_is_said_at_once(source, capsys):
    assert main(["tail", "falt", *source]) == 2
    assert "did you mean fault" in capsys.readouterr().err


# -- where from ----------------------------------------------------------------------------------


def test_a_running_collector_comes_before_its_database(collector, monkeypatch, capsys):
    host, port = collector.http_endpoint
    monkeypatch.delenv("XTRACE_DB", raising=False)
    monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", f"{host}:{port}")
    assert len(said(capsys, "find", "--ids", "--limit", "100").split()) == 12
    monkeypatch.setenv("XTRACE_DB", collector.path)
    monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", "127.0.0.1:9")
    assert len(said(capsys, "find", "--ids", "--limit", "100").split()) == 12


def test_where_nothing_is_what_to_do_is_said(tmp_path, monkeypatch, capsys):
    port = free_port()
    monkeypatch.delenv("XTRACE_DB", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", f"127.0.0.1:{port}")
    assert main(["find"]) == 2
    assert "xtrace collector" in capsys.readouterr().err
    assert main(["find", "--address", f"127.0.0.1:{port}"]) == 2
    assert "No collector answers" in capsys.readouterr().err


def test_nothing_in_a_trace_steers_the_terminal(tmp_path, capsys):
    shop, prices = (json.loads(each) for each in shop_trace(1))
    shop |= {"name": HOSTILE, "user": HOSTILE, "annotations": {"key": HOSTILE}, "fault": True}
    shop["http"]["request"] = {"method": HOSTILE, "url": HOSTILE}
    shop["subsegments"][0]["name"] = HOSTILE
    shop["cause"] = {"exceptions": [{"id": "e", "type": HOSTILE, "message": HOSTILE}]}
    file = tmp_path / "x.ndjson"
    file.write_text(f"{json.dumps(shop)}\n{json.dumps(prices)}\n")
    db = ["--db", str(tmp_path / "new.db")]
    outputs = [
        said(capsys, *words, *db)
        for words in (
            ["import", str(file)],
            ["show"],
            ["show", trace_id(1), "--whole"],
            ["find", "--by", "user"],
            ["find", "--by", "annotation.key"],
            ["diff", trace_id(1), trace_id(1)],
        )
    ]
    for out in outputs:
        assert not set(out) & set("\x1b\x07\r\u202e"), out
    assert "[red]bold[/]" in outputs[2]
