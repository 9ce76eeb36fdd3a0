"""aws_xray_sdk.core.utils.conversion: what metadata becomes before it is written as JSON."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence, Set, ValuesView
from enum import Enum
from types import BuiltinFunctionType, FunctionType, MethodType

from xtrace import values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

log = logging.getLogger(__name__)

_PLAIN = frozenset((str, int, float, bool, type(None)))
_FUNCTIONS = (FunctionType, BuiltinFunctionType, MethodType)
_LISTS = (Sequence, Set, ValuesView)


def metadata_to_dict(obj: Any) -> Any:
    """A copy made of dicts, lists and what JSON knows or str() tells.

    An object is a dict of its public attributes. A generator or another iterator isn't consumed;
    what contains itself ends in a mark.
    """
    try:
        return _converted(obj, values.MAX_DEPTH, (), [values.MAX_ITEMS])
    except Exception:  # of the application's objects
        log.warning("Metadata of type %s can't be read", type(obj).__name__)
        return {}


def is_plain(obj: Any, levels: int = 4) -> bool:
    """Whether an object is written as it is; False for what takes long to find out."""
    kind = obj.__class__
    if kind is dict:
        found = obj.values()
    elif kind is list:
        found = obj
    else:
        return kind in _PLAIN
    if len(found) >= 100:
        return False
    # Without a step of our own for each value, as long as there is no container among them.
    return _PLAIN.issuperset(map(type, found)) or (
        levels > 1 and all(is_plain(each, levels - 1) for each in found)
    )


def _converted(obj: Any, levels: int, inside: tuple[int, ...], room: list[int]) -> Any:
    if obj.__class__ in _PLAIN:
        return obj
    if isinstance(obj, type):
        return str(obj)
    if isinstance(obj, Enum):
        return _converted(obj.value, levels, inside, room)
    if isinstance(obj, (str, bytes, bytearray, memoryview)):
        return values.to_json(obj)
    if isinstance(obj, (*_FUNCTIONS, BaseException)):
        return repr(obj) if isinstance(obj, BaseException) else values.to_json(obj)
    if id(obj) in inside:
        return "[contains itself]"
    if levels <= 0:
        return "[nested too deep]"
    inside = (*inside, id(obj))

    def each(value: Any) -> Any:
        room[0] -= 1
        return _converted(value, levels - 1, inside, room) if room[0] >= 0 else "[too many values]"

    if isinstance(obj, dict):
        return {key: each(value) for key, value in list(obj.items()) if room[0] >= 0}
    if hasattr(obj, "_ast"):
        return each(obj._ast())
    if isinstance(obj, _LISTS):
        return [each(value) for value in list(obj) if room[0] >= 0]
    if isinstance(obj, Iterator) or hasattr(type(obj), "__iter__"):
        return values.to_json(obj)
    if hasattr(obj, "__dict__"):
        public = {key: value for key, value in vars(obj).items() if not key.startswith("_")}
        return {key: each(value) for key, value in public.items() if not callable(value)}
    return obj
