"""`xtrace compare-backends`: whether two backends have received the same entities.

For a team that sends to two at once before it moves from one to the other: what is missing where,
and what is told differently.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import NamedTuple

from ._backends import FORMS, entities
from .collector import age

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._backends import Entities

TIME_SECONDS = 0.000_002
"""Times that differ by less are the same: not every backend keeps all digits."""

CLOCK_SECONDS = 60.0
"""How far other machines' clocks may be ahead."""

ESSENTIAL = (
    *(
        "type",
        "name",
        "parent_id",
        "start_time",
        "end_time",
        "error",
        "fault",
        "throttle",
        "annotations",
    ),
)
"""What is compared of each entity unless all is: no backend may change these."""

_MAX_SHOWN_CHARS = 60


class Difference(NamedTuple):
    """A field of an entity that two backends tell differently; None: it isn't there."""

    trace_id: str
    id: str
    field: str
    here: Any
    there: Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.description = f"Compare what two backends have received. Each is {FORMS}."
    parser.add_argument("first", metavar="BACKEND")
    parser.add_argument("second", metavar="OTHER")
    parser.add_argument(
        "--last",
        metavar="AGE",
        type=age,
        default="1h",
        help="compare the traces of this time, as in 10m, 2h (default: %(default)s)",
    )
    parser.add_argument(
        "--settled",
        metavar="AGE",
        type=age,
        default="0",
        help="leave out the traces of the last so many seconds, which may be on their way",
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help=f"compare every field, not only {', '.join(ESSENTIAL)}",
    )
    parser.add_argument(
        "--limit", type=int, default=20, metavar="N", help="show N of each kind (default: 20)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the counts and what differs; the exit status is 1 if anything does."""
    now = time.time()
    end = now - arguments.settled if arguments.settled else now + CLOCK_SECONDS
    start = now - arguments.last
    sides = [(name, entities(name, start, end)) for name in (arguments.first, arguments.second)]
    width = max(len(name) for name, _ in sides)
    print(f"{'':{width}}  traces  segments  subsegments")
    for name, found in sides:
        traces = len({trace_id for trace_id, _ in found})
        segments = sum(each["type"] == "segment" for each in found.values())
        print(f"{name:{width}}  {traces:6}  {segments:8}  {len(found) - segments:11}")
    (first, here), (second, there) = sides
    print()
    missing = [
        (first, there.keys() - here.keys(), there),
        (second, here.keys() - there.keys(), here),
    ]
    for name, keys, other in missing:
        _list_missing(name, sorted(keys), other, arguments.limit)
    differing = differences(here, there, None if arguments.all else ESSENTIAL)
    for each in differing[: arguments.limit]:
        print(f"different: {each.trace_id} {each.id} {each.field}:")
        for name, held in ((first, each.here), (second, each.there)):
            print(f"  {name:{width}}  {_shown(held)}")
    if len(differing) > arguments.limit:
        print(f"... and {len(differing) - arguments.limit} more fields")
    if not here and not there:
        print("Neither has any trace of that time; --last asks for a longer one.")
        return 1
    same = not differing and here.keys() == there.keys()
    shared = len(here.keys() & there.keys())
    print(f"{shared} entities are in both" + (", and they are the same." if same else "."))
    return 0 if same else 1


def differences(
    here: Entities, there: Entities, fields: tuple[str, ...] | None
) -> list[Difference]:
    """What is told differently of the entities that both have. fields: None for all."""
    found = []
    for key in sorted(here.keys() & there.keys()):
        one, other = here[key], there[key]
        for field in fields or sorted(one.keys() | other.keys()):
            if not _are_same(one.get(field), other.get(field)):
                found.append(Difference(*key, field, one.get(field), other.get(field)))
    return found


def _are_same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, (int, float)):
        return abs(one - other) < TIME_SECONDS
    return one == other or (not one and not other)  # false and empty are like not there


def _list_missing(name: str, keys: list[tuple[str, str]], other: Entities, limit: int) -> None:
    for trace_id, id in keys[:limit]:
        print(f"missing in {name}: {trace_id} {id} {_shown(other[trace_id, id].get('name'))}")
    if len(keys) > limit:
        print(f"... and {len(keys) - limit} more")


def _shown(held: Any) -> str:
    text = json.dumps(held, ensure_ascii=False, sort_keys=True, default=str)
    text = "".join(char if char.isprintable() else "?" for char in text)
    return text if len(text) <= _MAX_SHOWN_CHARS else text[: _MAX_SHOWN_CHARS - 1] + "…"
