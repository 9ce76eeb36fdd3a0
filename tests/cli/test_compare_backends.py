"""`xtrace compare-backends`: one process sends to two backends, and both have the same; or not."""

from __future__ import annotations

import json
import re
import sys
import time

import pytest

from tests.delivery.backend import answering, backend
from xtrace import collector
from xtrace.cli import compare_backends, main
from xtrace.cli._backends import entities
from xtrace.errors import ConfigurationError
from xtrace.recorder import Recorder


def work(recorder, count=3):
    """Requests of some variety."""
    for number in range(count):
        try:
            with recorder.in_segment() as segment:
                segment.put_annotation("number", number)
                segment.put_http_meta("method", "GET")
                segment.put_http_meta("url", f"http://shop/{number}")
                segment.put_http_meta("status", 500 if number else 200)
                with recorder.in_subsegment("S3", namespace="aws") as call:
                    call.set_aws({"operation": "GetObject", "bucket_name": "b"})
                for _ in range(40 if number == 1 else 1):
                    with recorder.in_subsegment("part"):
                        pass
                if number == 2:
                    raise ValueError("no")
        except ValueError:
            pass
    recorder.flush(10)


def test_both_have_the_same_when_both_got_everything(tmp_path, capsys, monkeypatch):
    path = str(tmp_path / "traces.db")
    with collector.running() as one, collector.running(path=path) as other:
        recorder = Recorder(
            service="shop",
            sampling=False,
            emitter=[
                f"udp://{one.address}",
                f"otlp+http://{other.address}",
                f"file:{tmp_path}/documents.jsonl",
            ],
        )
        work(recorder)
        assert one.flush()
        assert other.flush()
        recorder.configure(emitter="memory:")
        assert main(["compare-backends", one.url, other.url, "--all"]) == 0
        out = capsys.readouterr().out
        assert "48 entities are in both, and they are the same." in out
        assert out.splitlines()[1].split() == [one.url, "3", "3", "45"]
        monkeypatch.setitem(sys.modules, "botocore.auth", None)  # it isn't needed for collectors
        for there in (path, f"file:{tmp_path}/documents.jsonl"):
            assert main(["compare-backends", one.url, there]) == 0
        for name in ("exported.xtrace.json.gz", "exported.ndjson", "exported.xtrace.json"):
            exported = str(tmp_path / name)
            assert main(["export", "--db", path, "-o", exported]) == 0
            assert main(["compare-backends", path, exported, "--all"]) == 0
            assert "48 entities are in both" in capsys.readouterr().out


def test_what_is_missing_or_different_is_shown(tmp_path, capsys):
    now = time.time()
    base = {"trace_id": "1-5759e988-" + "a" * 24, "start_time": now - 9, "end_time": now - 8}
    one = [
        {**base, "id": "1" * 16, "name": "a", "fault": False},
        {**base, "id": "2" * 16, "name": "b", "annotations": {"x": 1}},
        {**base, "id": "3" * 16, "name": "only here"},
    ]
    other = [
        {**base, "id": "1" * 16, "name": "a", "end_time": now - 8 + 1e-6},
        {**base, "id": "2" * 16, "name": "b", "annotations": {"x": 2}, "user": "u"},
        {**base, "id": "4" * 16, "name": "only there\x1b[31m"},
    ]
    files = [tmp_path / "one.jsonl", tmp_path / "other.jsonl"]
    for file, documents in zip(files, (one, other), strict=True):
        file.write_text("\n".join(map(json.dumps, documents)) + "\n\n")
    assert main(["compare-backends", *map(str, files)]) == 1
    out = capsys.readouterr().out
    assert f"missing in {files[1]}: 1-5759e988-{'a' * 24} {'3' * 16}" in out
    assert f"missing in {files[0]}: 1-5759e988-{'a' * 24} {'4' * 16}" in out
    assert f"different: 1-5759e988-{'a' * 24} {'2' * 16} annotations:" in out
    assert '{"x": 2}' in out
    assert "user" not in out
    assert "\x1b" not in out
    assert "2 entities are in both." in out
    main(["compare-backends", *map(str, files), "--all", "--limit", "1"])
    assert "and 1 more fields" in capsys.readouterr().out


def test_what_has_ended_wins_over_what_is_in_progress(tmp_path):
    ended = {"trace_id": "1", "id": "1", "name": "a", "start_time": 5, "end_time": 6}
    early = {**ended, "in_progress": True}
    del early["end_time"]
    for lines in ([early, ended], [ended, early]):
        (tmp_path / "f").write_text("\n".join(map(json.dumps, lines)))
        assert entities(str(tmp_path / "f"), 0, 10)["1", "1"]["end_time"] == 6


def test_a_file_of_an_opentelemetry_collector(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
    documents = tmp_path / "documents.jsonl"
    with backend() as there:
        emitter = [f"file:{documents}", f"otlp+http://127.0.0.1:{there.port}"]
        recorder = Recorder(service="shop", sampling=False, emitter=emitter)
        work(recorder)
        recorder.configure(emitter="memory:")
        lines = [request.content for request in there.requests]
    spans = tmp_path / "spans.jsonl"
    spans.write_bytes(b"\n".join(lines) + b"\n")
    assert main(["compare-backends", str(documents), str(spans), "--all"]) == 0
    assert "48 entities are in both" in capsys.readouterr().out


def test_old_traces_are_left_out(tmp_path, capsys):
    document = {"trace_id": "1", "id": "1", "name": "a", "start_time": 5, "end_time": 6}
    (tmp_path / "f").write_text(json.dumps(document))
    assert main(["compare-backends", str(tmp_path / "f"), str(tmp_path / "f")]) == 1
    assert "Neither has any trace" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["nonsense", "[]", '{"resourceSpans": 5}'])
def test_a_line_of_something_else_is_an_error_that_names_it(tmp_path, text):
    document = {"trace_id": "1", "id": "1", "name": "a", "start_time": 5, "end_time": 6}
    (tmp_path / "f").write_text(f"\n{json.dumps(document)}\n{text}")
    with pytest.raises(ConfigurationError, match="line 3"):
        entities(str(tmp_path / "f"), 0, 10)


@pytest.mark.parametrize(
    "data", [b"nonsense", b"[]", b"{}", b'[{"id": "1"}]', b"\x1f\x8b", b"\xff"]
)
def test_a_file_of_something_else_is_an_error_that_names_it(tmp_path, data):
    (tmp_path / "f").write_bytes(data)
    with pytest.raises(ConfigurationError, match=re.escape(f"{tmp_path / 'f'}: ")):
        entities(str(tmp_path / "f"), 0, 10)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (answering(404), "answers with 404"),
        (answering(400, b'{"__type":"InvalidRequestException","message":"no"}'), "Exception no"),
        (answering(200, b"<html>"), "doesn't answer as X-Ray does"),
    ],
)
def test_a_backend_without_the_api_is_an_error(answer, said):
    with backend(answer) as there, pytest.raises(ConfigurationError, match=said):
        entities(f"http://127.0.0.1:{there.port}", 0, 10)


@pytest.mark.parametrize("where", ["http://127.0.0.1:1", "nowhere.jsonl", "xray://a b", "http://"])
def test_what_cannot_be_asked_is_an_error_that_says_why(where, capsys):
    assert main(["compare-backends", where, where]) == 2
    assert "xtrace compare-backends: " in capsys.readouterr().err


def test_absent_and_false_are_the_same():
    assert not compare_backends.differences({("1", "1"): {}}, {("1", "1"): {"fault": False}}, None)
