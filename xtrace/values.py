"""An application's values as JSON: what is written for what JSON doesn't know, and how large it is.

Applies to metadata above all, which takes any object. Nothing here raises because of a value,
iterates one that isn't a plain container, or follows one into a cycle.
"""

from __future__ import annotations

from math import isfinite

from .interruption import let_through

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_DEPTH = 32
"""Levels of dicts and lists within one value; deeper ones are replaced by a mark."""

MAX_ITEMS = 65_536
"""Items of dicts and lists within one value, counted wherever they occur: no datagram holds more.
It ends what refers to itself in many ways, which would take forever to write out.
"""

SMALLEST_INTEGER = -(2**63)
LARGEST_INTEGER = 2**64 - 1
"""Integers beyond are written as text: readers of JSON take them for floats, or refuse them."""


def weight(values: Any, levels: int = MAX_DEPTH, most: int = MAX_ITEMS * 16) -> int:
    """About how many bytes a dict or list takes as JSON; beyond `most` it doesn't look further."""
    total = 16 * len(values)
    try:
        for value in values.values() if type(values) is dict else values:
            kind = type(value)
            if kind is str or kind is bytes:
                total += len(value)
            elif (kind is dict or kind is list or kind is tuple) and levels and total < most:
                total += weight(value, levels - 1, most - total)
    except RuntimeError:  # another thread is adding to it
        pass
    return total


def plain(value: object, levels: int = MAX_DEPTH) -> Any:
    """A copy of any value in which everything is strict JSON.

    NaN and infinity become None, lone surrogates U+FFFD, integers of more than 64 bits text, keys
    text as json.dumps has it; what contains itself, nests deeper than `levels` or has too many
    items ends in a mark. Everything else as to_json() says.
    """
    return _plain(value, levels, (), [MAX_ITEMS])


def _plain(value: Any, levels: int, inside: tuple[int, ...], room: list[int]) -> Any:
    kind = type(value)
    if kind is str:
        return _sound(value)
    if kind is int:
        return value if SMALLEST_INTEGER <= value <= LARGEST_INTEGER else text(value)
    if kind is float:
        return value if isfinite(value) else None
    if kind is bool or value is None:
        return value
    if id(value) in inside:
        return "[contains itself]"
    if levels <= 0:
        return "[nested too deep]"
    inside = (*inside, id(value))
    if kind is dict or kind is list or kind is tuple:
        # list(): another thread may be adding to it.
        items = list(value.items() if kind is dict else value)
        most, room[0] = max(0, room[0]), room[0] - len(items)
        if kind is dict:
            kept = {_key(k): _plain(v, levels - 1, inside, room) for k, v in items[:most]}
            if len(items) > most:
                kept["…"] = "[too many values]"
            return kept
        plains = [_plain(v, levels - 1, inside, room) for v in items[:most]]
        if len(items) > most:
            plains.append("[too many values]")
        return plains
    return _plain(to_json(value), levels - 1, inside, room)


def _key(key: object) -> str:
    kind = type(key)
    if issubclass(kind, str):
        return _sound(str.__str__(key))
    if key is None or kind is bool:
        return "null" if key is None else "true" if key else "false"
    if issubclass(kind, int):
        key = int.__int__(key)  # type: ignore[arg-type]
    elif issubclass(kind, float):
        key = float.__float__(key)  # type: ignore[arg-type]
    return _sound(text(key))


def _sound(value: str) -> str:
    try:
        value.encode()
        return value
    except UnicodeEncodeError:
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def to_json(value: object) -> object:
    """What is written for a value that JSON doesn't know.

    Subclasses of str, int, float, dict, list and tuple give the plain value; enum members their
    value; dates ISO text; bytes text; sets a list; dataclasses a dict; numbers of NumPy a number;
    classes and functions their name. An iterable of another kind (a generator, a query set, a
    data frame) isn't iterated: its type's name stands for it. Anything else gives str(value).
    The result may itself hold such values. Encoders call this for each in turn.
    """
    try:
        return _to_json(value)
    except Exception as error:
        let_through(error)
        return _type_name(value)


def _to_json(value: Any) -> object:
    if hasattr(value, "_value_") and hasattr(type(value), "__members__"):
        return value._value_
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, dict):
        return dict(value)
    if isinstance(value, (list, tuple)):
        return list(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=repr)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).decode("utf-8", "backslashreplace")
    if hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    if hasattr(value, "__dataclass_fields__"):
        return {name: getattr(value, name, None) for name in value.__dataclass_fields__}
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    if hasattr(value, "dtype") and getattr(value, "ndim", None) == 0:
        return value.item()
    if hasattr(type(value), "__iter__"):
        return _type_name(value)
    return str(value)


def _type_name(value: object) -> str:
    return f"<{type(value).__module__}.{type(value).__qualname__}>"


def text(value: object) -> str:
    """str(value), also where that fails."""
    try:
        return str(value)
    except Exception as error:  # Python's limit for integers (4,300 digits), a __str__ that raises
        let_through(error)
        return _type_name(value)


def cut(value: Any, most: int, marks: bool = True) -> Any:
    """A copy of a strict JSON value with strings of at most `most` characters, and lists and dicts
    of at most an eighth of that; a mark says what was left out.

    marks: False for none in place of keys and items, only in strings.
    """
    if isinstance(value, str):
        if len(value) <= most:
            return value
        return f"{value[:most]}… [{len(value)} characters, shortened]"
    room = max(1, most // 8)
    if isinstance(value, dict):
        first = list(value.items())[:room]
        kept = {cut(k, most) if marks else k[:most]: cut(v, most, marks) for k, v in first}
        if marks and len(value) > room:
            kept["…"] = f"[{len(value) - room} more keys, shortened]"
        return kept
    if isinstance(value, list):
        items = [cut(v, most, marks) for v in value[:room]]
        if marks and len(value) > room:
            items.append(f"… [{len(value) - room} more items, shortened]")
        return items
    return value
