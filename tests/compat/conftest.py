"""Tests of the layer import aws_xray_sdk inside themselves: it is there while their module runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from xtrace.compat import aws_xray_sdk as layer
from xtrace.default import recorder

if TYPE_CHECKING:
    from collections.abc import Iterator

VARIABLES = (
    "AWS_XRAY_CONTEXT_MISSING",
    "AWS_XRAY_DAEMON_ADDRESS",
    "AWS_XRAY_NOOP_ID",
    "AWS_XRAY_SDK_ENABLED",
    "AWS_XRAY_TRACING_NAME",
    "LAMBDA_TASK_ROOT",
    "_X_AMZN_TRACE_ID",
)


@pytest.fixture(autouse=True)
def layer_installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """xtrace answers imports of aws_xray_sdk, by modules that are this test's own."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    layer.install()
    yield
    layer.uninstall()
    recorder.open.clear()  # what a test has left open
    assert "aws_xray_sdk" not in recorder.segment_class.__module__


class Kept:
    """An emitter of the official SDK's kind, that keeps what it is given as dicts."""

    def __init__(self) -> None:
        self.entities: list[Any] = []

    def send_entity(self, entity: Any) -> None:
        """Keep it."""
        self.entities.append(entity)

    @property
    def documents(self) -> list[dict[str, Any]]:
        """What was sent, as the official SDK would have it."""
        return [each.to_dict() for each in self.entities]


@pytest.fixture
def kept() -> Kept:
    """What `xray_recorder` has sent."""
    return Kept()


@pytest.fixture
def xray_recorder(layer_installed: None, kept: Kept) -> Any:
    """The layer's recorder, which records everything and sends to `kept`."""
    from aws_xray_sdk.core import xray_recorder

    xray_recorder.configure(service="test", sampling=False, emitter=kept)
    return xray_recorder


__all__ = ["kept", "layer_installed", "os", "xray_recorder"]
