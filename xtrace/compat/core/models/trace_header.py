"""aws_xray_sdk.core.models.trace_header: X-Amzn-Trace-Id as an object."""

from __future__ import annotations

import logging

from xtrace import header as native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Self

log = logging.getLogger(__name__)

ROOT = "Root"
PARENT = "Parent"
SAMPLE = "Sampled"
SELF = "Self"
HEADER_DELIMITER = ";"

_DECISIONS: dict[Any, int | str] = {True: 1, "1": 1, False: 0, "0": 0, "?": "?"}


class TraceHeader:
    """What a trace header says.

    sampled: 1, 0, "?" for "you decide and tell me", or None. data: fields that only are passed on.
    """

    def __init__(
        self,
        root: str | None = None,
        parent: str | None = None,
        sampled: bool | int | str | None = None,
        data: dict[str, str] | None = None,
    ) -> None:
        self._root = root
        self._parent = parent
        self._sampled: int | str | None = None
        if sampled is not None:
            try:
                self._sampled = _DECISIONS.get(sampled)
            except TypeError:  # unhashable
                pass
        self._data = data

    @classmethod
    def from_header_str(cls, header: str | None) -> Self:
        """Read the value of a header; what can't be read is left out, and never raises."""
        if not header:
            return cls()
        try:
            fields = [field.strip() for field in header.strip().split(HEADER_DELIMITER)]
            pairs = [field.split("=", 1) for field in fields if field]
            known = {key.strip(): value.strip() for key, value in reversed(pairs)}
        except (AttributeError, ValueError):
            log.warning("This is no trace header and is ignored: %r", header)
            return cls()
        data = {key.strip(): known[key.strip()] for key, _ in pairs}
        for key in (ROOT, PARENT, SAMPLE, SELF):
            data.pop(key, None)
        return cls(known.get(ROOT), known.get(PARENT), known.get(SAMPLE), data)

    def to_header_str(self) -> str:
        """The header's value, with the fields that there are."""
        fields = ((ROOT, self._root), (PARENT, self._parent), (SAMPLE, self._sampled))
        written = [f"{key}={value}" for key, value in fields if value or value == 0]
        written.extend(f"{key}={value}" for key, value in (self._data or {}).items())
        return HEADER_DELIMITER.join(written)

    @property
    def root(self) -> str | None:
        """The trace id."""
        return self._root

    @property
    def parent(self) -> str | None:
        """The id of the caller's subsegment or segment."""
        return self._parent

    @property
    def sampled(self) -> int | str | None:
        """1, 0, "?" or None."""
        return self._sampled

    @property
    def data(self) -> dict[str, str] | None:
        """Other fields, in their order."""
        return self._data

    def native(self) -> native.TraceHeader:
        """The same as xtrace has it, for what xtrace's own integrations pass on."""
        sampled = bool(self._sampled) if isinstance(self._sampled, int) else None
        return native.TraceHeader(
            self._root, self._parent, sampled, self._sampled == "?", self._data or None
        )
