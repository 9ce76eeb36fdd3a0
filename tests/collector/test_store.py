"""What the store keeps."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from xtrace.collector.store.sqlite import Store, StoreError

TRACE = "1-5759e988-bd862e3fe1be46a994272793"
OTHER = "1-5759e989-bd862e3fe1be46a994272793"


def document(id="53995c3f42cd8ad8", trace=TRACE, start=10.0, **more):
    made = {"trace_id": trace, "id": id, "name": "shop", "start_time": start, "end_time": start + 1}
    return json.dumps({**made, **more}).encode()


@pytest.fixture(params=["memory", "file"])
def store(request, tmp_path):
    path = ":memory:" if request.param == "memory" else str(tmp_path / "new" / "traces.db")
    store = Store(path)
    yield store
    store.close()


def test_documents_are_kept_byte_for_byte(store):
    data = b'{ "trace_id":"t","id":"i","start_time":1e0,  "x":"\xc3\xa9" }'
    assert store.write([data]) == 0
    assert store.raw("t") == [data]
    assert store.documents("t")[0]["x"] == "é"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nonsense",
        b"[]",
        b"5",
        b"{}",
        b'{"trace_id":5,"id":"x","start_time":1}',
        b'{"trace_id":"t","id":null,"start_time":1}',
        b'{"trace_id":"t","id":"x","start_time":true}',
        b'{"trace_id":"t","id":"x","start_time":"soon"}',
        b'{"trace_id":"\xff","id":"x","start_time":1}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_segment_document_is_counted_and_left_out(store, data):
    assert store.write([data, document()]) == 1
    assert store.count() == 1


def test_traces_are_listed_newest_first(store):
    store.write([document(start=10.0), document(trace=OTHER, start=20.0, fault=True)])
    store.write([document(id="1" * 16, start=11.0, type="subsegment", parent_id="2" * 16)])
    newest, oldest = store.traces()
    assert (newest.trace_id, newest.fault, newest.segments) == (OTHER, True, 1)
    assert (oldest.start, oldest.end, oldest.segments, oldest.name) == (10.0, 12.0, 1, "shop")
    assert len(store.traces(limit=1)) == 1


def test_a_reader_can_follow_what_arrives(store):
    assert store.last_number() == 0
    store.write([document()])
    seen = store.last_number()
    store.write([document(trace=OTHER)])
    assert [trace for _, trace in store.arrived_after(seen)] == [OTHER]


def test_a_file_is_there_again_when_it_is_opened_again(tmp_path):
    path = str(tmp_path / "traces.db")
    store = Store(path)
    store.write([document()])
    store.close()
    again = Store(path)
    assert again.count() == 1
    again.close()


def test_a_file_survives_a_kill(tmp_path):
    path = str(tmp_path / "traces.db")
    code = (
        "import sys; from xtrace.collector.store.sqlite import Store; store = Store(sys.argv[1])\n"
        f"store.write([{document()!r}])\nprint('written', flush=True)\ninput()"
    )
    root = Path(__file__).parents[2]
    writer = subprocess.Popen(
        [sys.executable, "-c", code, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert writer.stdout.readline() == b"written\n"
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    store = Store(path)
    assert store.count() == 1
    store.close()


def test_a_file_that_is_no_database_is_refused_with_advice_and_left_alone(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("my notes, not a database " * 100)
    with pytest.raises(StoreError, match="--db"):
        Store(str(path))
    assert path.read_text().startswith("my notes")


def test_a_database_of_another_version_is_refused(tmp_path):
    path = str(tmp_path / "future.db")
    connection = sqlite3.connect(path)
    connection.execute("pragma user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="version 99"):
        Store(path)
