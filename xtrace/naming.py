"""Names of segments and subsegments: what X-Ray accepts, and names by host pattern."""

from __future__ import annotations

import re

from .interruption import let_through

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .ledger import Ledger

MAX_NAME_CHARS = 200
UNNAMED = "unnamed"

# X-Ray accepts letters, numbers, white space and these: _ . : / % & # = + - @
# (Developer Guide, "Segment fields"). What isn't accepted is removed, as its SDKs do.
_refused = re.compile(r"[^\w\s.:/%&#=+\-@]+")
_odd_space = re.compile(r"[^\S ]+")

# Names are few in a healthy program. One that builds them from ids fills this and starts anew.
_CACHED_NAMES = 2048
known: dict[str, str] = {}
"""Names that were looked at, and what they became: read it before calling clean()."""


def clean(name: object, ledger: Ledger | None = None) -> str:
    """The name as X-Ray accepts it: at most 200 characters, never empty; repairs are counted."""
    if not isinstance(name, str):
        try:
            name = str(name) if name is not None else ""
        except Exception as error:
            let_through(error)
            name = type(name).__name__
    cleaned = known.get(name)
    if cleaned is None:
        cleaned = _odd_space.sub(" ", _refused.sub("", name))[:MAX_NAME_CHARS].strip() or UNNAMED
        if len(known) >= _CACHED_NAMES:
            known.clear()
        if cleaned == name:
            known[name] = cleaned
    if cleaned != name and ledger is not None:
        ledger.repair("name")
    return cleaned


def wildcard(pattern: str) -> re.Pattern[str]:
    """The regular expression of a pattern in which "*" is any run of characters and "?" any one.

    Upper and lower case are the same, as everywhere in X-Ray's rules. Use its fullmatch().
    """
    first, *others = [
        "".join("." if char == "?" else re.escape(char) for char in part)
        for part in re.sub(r"\*+", "*", pattern).split("*")
    ]
    # Between two "*" the first place that fits will do. A look-ahead with a back-reference never
    # tries another: with ".*" alone, a made-up path keeps a few "*" busy for minutes.
    middle = [f"(?=(?P<_{i}>.*?{part}))(?P=_{i})" for i, part in enumerate(others[:-1])]
    last = [f".*{others[-1]}"] if others else []
    return re.compile("".join([first, *middle, *last]), re.IGNORECASE | re.DOTALL)


def peer_name(names: tuple[tuple[str, str], ...], *places: str) -> str | None:
    """What the setting peer_names calls a host, which is given without and with its port."""
    for pattern, name in names:
        matches = wildcard(pattern).fullmatch
        if any(matches(place) for place in places):
            return name
    return None


class HostNaming:
    """Segment names by the host that a request was sent to.

    pattern: hosts that may name a segment, such as "*.example.com"; the service name serves for
    others, so that a made-up Host header makes no service of its own. The port doesn't count.
    """

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self._matches = wildcard(pattern).fullmatch

    def get_name(self, host: str | None) -> str | None:
        """The segment name for a request to this host; None for the service name."""
        if not host:
            return None
        bare = without_port(host)
        return bare if bare and (self._matches(bare) or self._matches(host)) else None


def without_port(host: str) -> str:
    """ "example.com:8080" -> "example.com"; "[::1]:80" -> "::1"."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() and ":" not in name else host
