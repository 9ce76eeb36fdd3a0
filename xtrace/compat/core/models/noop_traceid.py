"""aws_xray_sdk.core.models.noop_traceid: the trace id of what isn't recorded."""

from __future__ import annotations


class NoOpTraceId:
    """All zero."""

    VERSION = "1"
    DELIMITER = "-"

    def __init__(self) -> None:
        self.start_time = "00000000"
        self.__number = "000000000000000000000000"

    def to_id(self) -> str:
        """ "1-00000000-000000000000000000000000" """
        return self.DELIMITER.join((self.VERSION, self.start_time, self.__number))
