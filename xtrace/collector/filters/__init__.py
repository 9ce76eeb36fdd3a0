"""X-Ray's filter expressions: read them, ask traces, complete them while they are typed. Pure.

    parse("service() { fault } AND responsetime > 2").matches(trace)

`sql.prefilter` gives the part of a filter that a database can answer. Importing this package is
cheap; the first expression that is parsed loads the parser library.
"""

from __future__ import annotations

from .completion import Completion, Vocabulary, completions
from .errors import FilterError
from .evaluation import selects
from .expression import Filter
from .scanner import MAX_CHARACTERS
from .tree import Edge, Selector, Service
from .writer import written

__all__ = [
    "MAX_CHARACTERS",
    "Completion",
    "Edge",
    "Filter",
    "FilterError",
    "Selector",
    "Service",
    "Vocabulary",
    "completions",
    "format",
    "parse",
    "parse_selector",
    "selects",
]


def parse(text: str) -> Filter:
    """The filter that an expression describes; the empty one matches every trace.

    Raises FilterError, which says where it goes wrong and what was expected there.
    """
    from .parser import parse_tree

    return Filter(parse_tree(text), text)


def parse_selector(text: str) -> Service | Edge:
    """The nodes or edges that an entity selector expression describes: service(), edge() or id().

    Raises FilterError.
    """
    from .parser import SELECTION, parse_tree

    selected: Service | Edge = parse_tree(text, SELECTION)
    return selected


def format(filter: Filter) -> str:
    """The expression of a filter in one common form; it reads as the same filter.

    The common form may be longer than what was written. If it is too long to be read again, the
    text is what was written.
    """
    text = written(filter.tree)
    return filter.text if filter.text and len(text) > MAX_CHARACTERS else text
