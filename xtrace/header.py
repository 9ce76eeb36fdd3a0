"""Trace headers: X-Amzn-Trace-Id and W3C traceparent, read, written and converted. No I/O.

Nothing here raises on bad input: an unreadable header is no header, and what a stranger sent is
carried on only as far as it is printable, short and well formed.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "X-Amzn-Trace-Id"
TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"

# What is read of one header, and what is carried on of the fields that we don't know. Real
# headers have some 75 to 300 characters; proxies refuse lines over 8 KB.
MAX_HEADER_CHARS = 4096
MAX_EXTRA_CHARS = 1024
MAX_TRACESTATE_CHARS = 512

# Upper case, too, is no luxury: with three ranges in a set `re` looks a character up in a table.
_usual = re.compile(
    r"Root=(1-[0-9A-Fa-f]{8}-[0-9A-Fa-f]{24});Parent=([0-9A-Fa-f]{16});Sampled=([01])"
).fullmatch
_root = re.compile(r"1-[0-9a-fA-F]{1,8}-[0-9a-fA-F]{24}", re.ASCII).fullmatch
_parent = re.compile(r"[0-9a-fA-F]{16}", re.ASCII).fullmatch
_extra_key = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}", re.ASCII).fullmatch
_extra_value = re.compile(r"[ !-:<-~]*", re.ASCII).fullmatch
_traceparent = re.compile(
    r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII
).fullmatch

_NO_TRACE = "0" * 32
_NO_PARENT = "0" * 16
_NO_ROOT = "1-00000000-000000000000000000000000"
_SAMPLED = {"1": True, "0": False}


class TraceHeader:
    """What a trace header says. Immutable by convention; equal by value; falsy when it says nothing.

    root: trace id, "1-<8 hex>-<24 hex>", or None.
    parent: 16 hex digits, the id of the caller's subsegment or segment, or None.
    sampled: the caller's decision; None when it left that to us.
    asks: True for "Sampled=?": the caller wants our decision told in the response.
    extra: fields we don't interpret (Lineage and others), in their order, carried on as they came.
    tracestate: the W3C header of that name, carried on when traceparent is written.
    """

    __slots__ = ("asks", "extra", "parent", "root", "sampled", "tracestate")

    def __init__(
        self,
        root: str | None = None,
        parent: str | None = None,
        sampled: bool | None = None,
        asks: bool = False,
        extra: dict[str, str] | None = None,
        tracestate: str | None = None,
    ) -> None:
        self.root = root
        self.parent = parent
        self.sampled = sampled
        self.asks = asks
        self.extra = extra
        self.tracestate = tracestate

    def __str__(self) -> str:
        """The value of an X-Amzn-Trace-Id header: present fields only, Root;Parent;Sampled;extras."""
        fields = []
        if self.root is not None:
            fields.append(f"Root={self.root}")
        if self.parent is not None:
            fields.append(f"Parent={self.parent}")
        if self.asks:
            fields.append("Sampled=?")
        elif self.sampled is not None:
            fields.append(f"Sampled={self.sampled:d}")
        if self.extra:
            fields.extend(f"{key}={value}" for key, value in self.extra.items())
        return ";".join(fields)

    def _key(self) -> tuple[object, ...]:
        extra = tuple(self.extra.items()) if self.extra else ()
        return (self.root, self.parent, self.sampled, self.asks, extra, self.tracestate)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TraceHeader) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __bool__(self) -> bool:
        return self.root is not None or self.sampled is not None or self.asks or bool(self.extra)

    def __repr__(self) -> str:
        return f"TraceHeader({str(self)!r})"


class _Read(TraceHeader):
    """The same, made without arguments: parse() sets the fields, which costs less than a call."""

    __slots__ = ()
    __init__ = object.__init__


NO_HEADER = TraceHeader()
"""The header of a request that carries none."""


def parse(value: str | None) -> TraceHeader:
    """Read the value of an X-Amzn-Trace-Id header.

    value: "Root=1-<8 hex>-<24 hex>;Parent=<16 hex>;Sampled=1", fields in any order, blanks around
    them, a trailing ";" and empty fields allowed. The first of two equal keys counts. Root may
    have lost leading zeros of its time part. Self is dropped; other keys go to `extra`.
    A malformed Root makes the whole header unreadable; any other malformed field is left out.
    The all-zero ids that SDKs write for unsampled work count as absent. Raises nothing.
    Source: AWS X-Ray Developer Guide, "Tracing header".
    """
    try:
        usual = _usual(value)  # type: ignore[arg-type]
    except TypeError:  # None, bytes, a list: not the value of a header
        return NO_HEADER
    if usual is None:
        return _parse_any(value) if value else NO_HEADER
    root, parent, sampled = usual.groups()
    if root == _NO_ROOT or parent == _NO_PARENT:
        return _parse_any(usual.string)
    header: TraceHeader = _Read()
    header.root = root
    header.parent = parent
    header.sampled = sampled == "1"
    header.asks = False
    header.extra = header.tracestate = None
    return header


def _parse_any(value: str) -> TraceHeader:
    if len(value) > MAX_HEADER_CHARS:
        return NO_HEADER
    fields: dict[str, str] = {}
    for field in value.split(";"):
        key, equals, text = field.partition("=")
        if equals:
            fields.setdefault(key.strip(), text.strip())
    fields.pop("Self", None)
    root = fields.pop("Root", None)
    parent = fields.pop("Parent", None)
    sampled = fields.pop("Sampled", None)
    if root is not None:
        if not _root(root):
            return NO_HEADER
        _, seconds, random = root.split("-")
        root = f"1-{seconds.zfill(8)}-{random}"
        if not root.strip("01-") and root[2:].strip("0-") == "":
            root = None
    if root is None or parent is None or not _parent(parent) or parent == _NO_PARENT:
        parent = None
    return TraceHeader(
        root,
        parent,
        _SAMPLED.get(sampled) if sampled else None,
        sampled == "?",
        _carried(fields),
    )


def _carried(fields: dict[str, str]) -> dict[str, str] | None:
    """Those of the unknown fields that can be written into a header again without harm."""
    kept = {k: v for k, v in fields.items() if _extra_key(k) and _extra_value(v)}
    if not kept or sum(len(k) + len(v) + 2 for k, v in kept.items()) > MAX_EXTRA_CHARS:
        return None
    return kept


def parse_traceparent(value: str | None, tracestate: str | None = None) -> TraceHeader:
    """Read a W3C traceparent header, "00-<32 hex>-<16 hex>-<2 hex>", as the same trace in X-Ray's form.

    The trace id's first 8 digits become the time part, the other 24 the random part. Raises nothing.
    Source: W3C Trace Context, level 1.
    """
    if not isinstance(value, str) or len(value) > MAX_HEADER_CHARS:
        return NO_HEADER
    found = _traceparent(value.strip())
    if found is None:
        return NO_HEADER
    version, trace, parent, flags, rest = found.groups()
    if version == "ff" or (version == "00" and rest) or trace == _NO_TRACE or parent == _NO_PARENT:
        return NO_HEADER
    if not isinstance(tracestate, str) or not (
        len(tracestate) <= MAX_TRACESTATE_CHARS and re.fullmatch(r"[ -~]*", tracestate)
    ):
        tracestate = None
    return TraceHeader(
        f"1-{trace[:8]}-{trace[8:]}", parent, bool(int(flags, 16) & 1), tracestate=tracestate
    )


def traceparent(trace_id: str, segment_id: str, sampled: bool) -> str:
    """The W3C traceparent value of an X-Ray trace id and segment id."""
    return f"00-{trace_id[2:10]}{trace_id[11:]}-{segment_id}-0{sampled:d}".lower()


def extract(headers: Mapping[str, str]) -> TraceHeader:
    """The trace header among the headers of a request: X-Amzn-Trace-Id, else traceparent.

    headers: any mapping from header name to value; names in any case, and a WSGI environ too.
    Raises nothing; a request without a readable header gives NO_HEADER.
    """
    header = parse(headers.get(NAME))
    if header:
        return header
    found: dict[str, str] = {}
    for key, text in headers.items():
        if isinstance(key, str) and isinstance(text, str):
            name = key.lower()
            if name.startswith("http_"):
                name = name[5:].replace("_", "-")
            found.setdefault(name, text)
    header = parse(found.get("x-amzn-trace-id"))
    return header or parse_traceparent(found.get(TRACEPARENT), found.get(TRACESTATE))
