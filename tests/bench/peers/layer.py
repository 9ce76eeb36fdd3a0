"""xtrace by the names of aws_xray_sdk: what a program gets that is written against the official SDK."""

from __future__ import annotations

from typing import Any

from xtrace.compat import aws_xray_sdk

from . import SERVICE
from ._calls import Calls

aws_xray_sdk.install()


class Peer(Calls):
    """The layer, by the official SDK's interface."""

    def __init__(self) -> None:
        from aws_xray_sdk.core import xray_recorder

        self.recorder = xray_recorder
        self.recorder.configure(service=SERVICE, sampling=False)

    def async_recorder(self) -> Any:
        return self.recorder

    def capture_async(self, recorder: Any) -> Any:
        return recorder.capture_async("trivial")
