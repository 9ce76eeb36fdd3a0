"""A recorder as on Lambda, and the header of its invocation."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from xtrace.environment import lambda_
from xtrace.recorder import Recorder

ROOT = "1-5759e988-bd862e3fe1be46a994272793"
PARENT = "53995c3f42cd8ad8"
SAMPLED = f"Root={ROOT};Parent={PARENT};Sampled=1"


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch) -> Callable[[str | None], None]:
    """Set the header of the next invocation, as the runtime does."""

    def set_header(value: str | None) -> None:
        if value is None:
            monkeypatch.delenv(lambda_.TRACE_HEADER, raising=False)
        else:
            monkeypatch.setenv(lambda_.TRACE_HEADER, value)

    set_header(None)
    return set_header


@pytest.fixture
def recorder(
    monkeypatch: pytest.MonkeyPatch, invoke: Callable[[str | None], None], tmp_path
) -> Iterator[Recorder]:
    """A recorder on Lambda, during an invocation that is sampled."""
    monkeypatch.setenv(lambda_.TASK_ROOT, "/var/task")
    monkeypatch.setenv(lambda_.FUNCTION_NAME, "resize")
    monkeypatch.setattr(lambda_, "READY_FOLDER", str(tmp_path / "aws-xray"))
    recorder = Recorder(emitter="memory:")
    invoke(SAMPLED)
    yield recorder
    recorder.clear_trace_entities()
