"""What xtrace offers to the tests of others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import xtrace
from xtrace.testing import counted_ids, fixed_clock, recording

ROOT = Path(__file__).parents[1]


def checkout():
    with xtrace.in_segment("shop") as segment, xtrace.in_subsegment("pay"):
        segment.put_annotation("items", 3)


def test_recording_keeps_what_is_recorded_inside_and_changes_everything_back():
    before = xtrace.recorder.emitters, xtrace.recorder.sampling
    with recording() as traces:
        checkout()
        assert traces.segment("shop")["annotations"] == {"items": 3}
        assert traces.subsegment("pay")["name"] == "pay"
    assert (xtrace.recorder.emitters, xtrace.recorder.sampling) == before


def test_recording_takes_settings(recorder):
    with recording(recorder, service="renamed") as traces:
        with recorder.in_segment():
            pass
        assert [s["name"] for s in traces.segments] == ["renamed"]
    assert recorder.service == "test"


def test_a_name_that_is_not_there_is_an_error_that_lists_those_that_are():
    with recording() as traces:
        checkout()
        with pytest.raises(AssertionError, match="0 segments named 'cart'; there are: shop"):
            traces.segment("cart")
        traces.clear()
        assert traces.documents == []


def test_traces_print_as_waterfalls():
    with recording() as traces, fixed_clock(), counted_ids():
        checkout()
    assert str(traces).splitlines()[1].split()[0] == "shop"


def test_the_clock_moves_only_when_it_is_told():
    with fixed_clock(100.0) as clock, recording() as traces, xtrace.in_segment("a"):
        clock.advance(2.5)
    document = traces.segment("a")
    assert (document["start_time"], document["end_time"]) == (100.0, 102.5)


def test_recording_does_not_ask_the_environment(monkeypatch):
    monkeypatch.setenv("XTRACE_EMITTER", "udp://127.0.0.1:1")
    monkeypatch.setenv("AWS_XRAY_TRACING_NAME", "outside")
    with recording(service="inside") as traces, xtrace.in_segment():
        pass
    assert traces.segments[0]["name"] == "inside"


USER_TESTS = """
import xtrace, pytest

@pytest.mark.parametrize("number", range(8))
def test_one(traces, number):
    with xtrace.in_segment(f"s{number}"):
        pass
    assert [s["name"] for s in traces.segments] == [f"s{number}"]

def test_leaves_a_segment_open(traces):
    xtrace.begin_segment("never ended")

def test_starts_without_a_segment(traces):
    assert xtrace.recorder.get_trace_entity() is None
    assert traces.documents == []
"""


@pytest.mark.parametrize("options", [[], ["-n", "2"]])
def test_the_fixture_is_isolated_per_test_and_under_xdist(tmp_path, options):
    (tmp_path / "test_user.py").write_text(USER_TESTS)
    plugin = [] if "xtrace" in installed_plugins() else ["-p", "xtrace.pytest_plugin"]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            *plugin,
            *options,
            tmp_path,
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert "10 passed" in done.stdout, done.stdout


def installed_plugins():
    from importlib.metadata import entry_points

    return {point.name for point in entry_points(group="pytest11")}
