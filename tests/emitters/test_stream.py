"""Files and terminals that can't be written, or only in part: counted, and never the application's."""

from __future__ import annotations

import errno
import io
import json
import os
import sys
from multiprocessing import get_context
from pathlib import Path
from threading import Thread

import pytest

from tests.helpers import ended
from xtrace.emitters.stream import ConsoleEmitter, FileEmitter
from xtrace.errors import InvalidAddress
from xtrace.ledger import EmitterStats


def counts(emitter):
    """recorded, sent, dropped; they must add up."""
    stats = EmitterStats(emitter.url, emitter.ledger)
    assert stats.recorded == stats.sent + sum(stats.dropped.values())
    return stats.recorded, stats.sent, stats.dropped


@pytest.fixture
def path(tmp_path):
    return tmp_path / "traces.jsonl"


@pytest.fixture
def emitter(path):
    emitter = FileEmitter(f"file:{path}")
    yield emitter
    emitter.close()


def written(path):
    return [json.loads(line)["name"] for line in path.read_text().splitlines()]


# -- files -------------------------------------------------------------------------------------


def test_each_document_is_a_line(emitter, path):
    emitter.send(ended("a", parts=2))
    emitter.send(ended("größe 商店"))
    first, second = path.read_bytes().split(b"\n")[:-1]
    assert (json.loads(first)["name"], json.loads(second)["name"]) == ("a", "größe 商店")
    stats = EmitterStats(emitter.url, emitter.ledger)
    assert counts(emitter) == (4, 4, {})
    assert (stats.datagrams, stats.bytes) == (2, path.stat().st_size)


@pytest.mark.parametrize("form", ["file:{}", "file://{}", "FILE:{}"])
def test_a_url_names_the_file(path, form):
    emitter = FileEmitter(form.format(path))
    emitter.send(ended("a"))
    emitter.close()
    assert written(path) == ["a"]


def test_a_name_without_a_folder_is_in_the_current_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    emitter = FileEmitter("file:traces.jsonl")
    emitter.send(ended("a"))
    emitter.close()
    assert written(tmp_path / "traces.jsonl") == ["a"]


@pytest.mark.parametrize("url", ["file:", "file://"])
def test_a_url_without_a_file_is_an_error_that_says_what_to_write(url):
    with pytest.raises(InvalidAddress, match=r"file:traces\.jsonl"):
        FileEmitter(url)


def test_nothing_is_opened_before_there_is_something_to_write(emitter, path):
    assert not path.exists()


def test_what_is_there_stays(emitter, path):
    path.write_text('{"name":"before"}\n')
    emitter.send(ended("a"))
    emitter.close()
    emitter.send(ended("b"))
    assert written(path) == ["before", "a", "b"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_a_counted_drop_and_a_line_in_the_log(caplog):
    emitter = FileEmitter("file:/dev/full")
    for count in range(1, 4):
        emitter.send(ended("a", parts=1))
        assert counts(emitter) == (2 * count, 0, {"not written": 2 * count})
    assert len(caplog.records) == 1
    assert "/dev/full" in caplog.text


@pytest.mark.parametrize("where", ["missing/traces.jsonl", "."])
def test_a_file_that_cannot_be_opened_is_a_counted_drop(tmp_path, where, caplog):
    emitter = FileEmitter(f"file:{tmp_path / where}")
    emitter.send(ended("a"))
    assert counts(emitter) == (1, 0, {"not written": 1})
    assert str(tmp_path / where) in caplog.text


def test_a_folder_that_is_made_later_is_found(tmp_path):
    path = tmp_path / "later" / "traces.jsonl"
    emitter = FileEmitter(f"file:{path}")
    emitter.send(ended("lost"))
    path.parent.mkdir()
    emitter.send(ended("a"))
    assert written(path) == ["a"]
    assert counts(emitter) == (2, 1, {"not written": 1})
    emitter.close()


def test_a_file_closed_under_us_is_opened_again(emitter, path):
    emitter.send(ended("a"))
    os.close(emitter._descriptor)
    emitter.send(ended("lost"))
    emitter.send(ended("b"))
    assert written(path) == ["a", "b"]
    assert counts(emitter) == (3, 2, {"not written": 1})


@pytest.mark.parametrize("kept", [1, 20])
def test_a_line_that_was_cut_off_spoils_no_other(emitter, path, monkeypatch, kept):
    emitter.send(ended("a"))
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:kept]))
        emitter.send(ended("cut off"))
    with monkeypatch.context() as patch:

        def full(descriptor, data):
            raise OSError(errno.ENOSPC, "full")

        patch.setattr(os, "write", full)
        emitter.send(ended("lost"))
    emitter.send(ended("b"))
    emitter.send(ended("c"))
    lines = path.read_text().splitlines()
    assert len(lines[1]) == kept
    assert [json.loads(line)["name"] for line in (lines[0], *lines[2:])] == ["a", "b", "c"]
    assert counts(emitter) == (5, 3, {"not written": 2})


def test_no_line_is_longer_than_the_limit(path):
    emitter = FileEmitter(f"file:{path}")
    batch = ended("a", parts=20)

    def sizes(limit):
        emitter.max_bytes = limit
        path.write_bytes(b"")
        emitter.send(batch)
        return [len(line) for line in path.read_bytes().splitlines(keepends=True)]

    (whole,) = sizes(64_000)
    assert sizes(whole) == [whole]
    assert len(sizes(whole - 1)) > 1
    assert max(sizes(whole - 1)) < whole
    emitter.close()


def append(path, name):
    emitter = FileEmitter(f"file:{path}")
    for _ in range(50):
        emitter.send(ended(name, parts=5))
    emitter.close()


def test_several_processes_may_write_one_file(path):
    context = get_context("spawn")
    processes = [context.Process(target=append, args=(path, name)) for name in "ab"]
    for process in processes:
        process.start()
    append(path, "c")
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert sorted(written(path)) == sorted("abc" * 50)


def test_several_threads_open_it_once(emitter, path):
    threads = [Thread(target=emitter.send, args=(ended("a"),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert written(path) == ["a"] * 8
    assert counts(emitter) == (8, 8, {})


# -- terminals ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "stream"),
    [
        *(("console:", "stderr"), ("console:stderr", "stderr"), ("console:stdout", "stdout")),
        *(("console://", "stderr"), ("console://stdout", "stdout")),
    ],
)
def test_a_trace_is_drawn_on_the_stream_that_is_asked_for(url, stream, capsys):
    emitter = ConsoleEmitter(url)
    emitter.send(ended("shop", parts=1))
    shown = capsys.readouterr()
    text, nothing = (shown.err, shown.out) if stream == "stderr" else (shown.out, shown.err)
    assert [line.split()[0] for line in text.splitlines()[1:]] == ["shop", "part"]
    assert (nothing, "\x1b" in text) == ("", False)
    assert counts(emitter) == (2, 2, {})


def test_a_stream_that_does_not_exist_is_an_error_that_says_what_to_write():
    with pytest.raises(InvalidAddress, match="console:stdout"):
        ConsoleEmitter("console:printer")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_on_a_terminal_there_are_colours(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    ConsoleEmitter().send(ended("shop"))
    assert "\x1b[32m" in terminal.getvalue()


def closed_stream():
    stream = io.StringIO()
    stream.close()
    return stream


class Full(io.StringIO):
    def flush(self):
        raise OSError(errno.ENOSPC, "full")


@pytest.mark.parametrize(
    "stream", [closed_stream(), Full(), None, object()], ids=["closed", "full", "none", "odd"]
)
def test_a_stream_that_cannot_be_written_is_a_counted_drop(
    stream, monkeypatch, lenient_faults, caplog
):
    emitter = ConsoleEmitter()
    monkeypatch.setattr(sys, "stderr", stream)
    for count in range(1, 3):
        emitter.send(ended("a", parts=1))
        assert counts(emitter) == (2 * count, 0, {"not written": 2 * count})
    monkeypatch.undo()
    assert len(caplog.records) == 1


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-8"])
def test_an_encoding_without_our_characters_gets_the_trace_all_the_same(monkeypatch, encoding):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding, newline="\n")
    monkeypatch.setattr(sys, "stderr", stream)
    emitter = ConsoleEmitter()
    emitter.send(ended("größe", parts=1))
    monkeypatch.undo()
    lines = raw.getvalue().decode(encoding).splitlines()
    assert lines[1].split()[0] == ("größe" if encoding == "utf-8" else "gr??e")
    assert len(lines) == 3
    assert counts(emitter) == (2, 2, {})
    stream.close()
