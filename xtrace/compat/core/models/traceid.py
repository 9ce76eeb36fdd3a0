"""aws_xray_sdk.core.models.traceid: a new trace id."""

from __future__ import annotations

from xtrace import ids


class TraceId:
    """The time in seconds and 96 random bits; the id is the same each time it is asked for."""

    VERSION = "1"
    DELIMITER = "-"

    def __init__(self) -> None:
        self.start_time = int(ids.wall_clock())
        self.__number = ids.random_bits(96).to_bytes(12, "big").hex()

    def to_id(self) -> str:
        """ "1-<8 hex>-<24 hex>" """
        return self.DELIMITER.join((self.VERSION, format(self.start_time, "x"), self.__number))
