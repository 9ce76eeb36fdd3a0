"""Documents are checked while there is time, and counted."""

from __future__ import annotations

import orjson
import pytest

from tests.collector.strategies import minimal
from xtrace.collector import checks
from xtrace.collector.checks import BYTES_PER_SECOND, Checks
from xtrace.collector.store import Document


def document(**members):
    content = minimal(**members)
    return Document(content["trace_id"], orjson.dumps(content), content)


@pytest.fixture
def now():
    return [100.0]


@pytest.fixture
def checking(now):
    return Checks(lambda: now[0])


def test_what_x_ray_would_reject_is_counted_once_a_document(checking):
    checking.check([document(), document(annotations={"-": 1})])
    assert checking.counts() == (2, 0, {})
    checking.check([document(user=1, fault=1, origin="x" * 300), document(user=1)])
    assert checking.counts() == (4, 2, {"too long": 1, "wrong type": 2})


def test_under_load_a_part_is_checked(checking, now):
    large = document(metadata={"default": {"x": "y" * 10_000}}, user=1)
    size = len(large.data)
    many = [large] * 10_000
    at_first = -(-BYTES_PER_SECOND // size)  # the last one is checked whole
    checking.check(many)
    assert checking.counts().checked == checking.counts().rejected == at_first
    checking.check(many)
    assert checking.counts().checked == at_first
    now[0] += 0.5
    checking.check(many)
    assert checking.counts().checked == pytest.approx(at_first * 1.5, abs=1)
    now[0] += 1000  # time isn't saved up
    checking.check(many)
    assert checking.counts().checked == pytest.approx(at_first * 2.5, abs=2)


def test_a_fault_of_ours_is_logged_and_no_more(checking, monkeypatch, caplog):
    monkeypatch.setattr(checks, "verdicts", lambda *_: 1 / 0)
    checking.check([document()])
    assert checking.counts().checked == 0
    assert "can't be checked" in caplog.text
