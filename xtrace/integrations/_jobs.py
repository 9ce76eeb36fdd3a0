"""A job that is done by a thread of a pool, under the entity that was current where it was given."""

from __future__ import annotations

from functools import partial

from ..default import recorder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..model import Entity


def give(
    method: Callable[..., Any], pool: object, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Call a pool's method with its first argument, a function, as a Job. For Patcher.wrap()."""
    if args:
        return method(Job(args[0]), *args[1:], **kwargs)
    if "func" in kwargs:
        return method(**{**kwargs, "func": Job(kwargs["func"])})
    return method(*args, **kwargs)  # the pool's own TypeError


class Job:
    """A function with the entity that is current now. With none it runs under none, whatever the
    thread did before.
    """

    __slots__ = ("_entity", "_function")

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._entity: Entity | None = recorder.get_trace_entity()

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        with recorder.attach(self._entity):
            return self._function(*args, **kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        # A pool of another kind may send it elsewhere, where the entity isn't.
        return partial, (self._function,)

    def __repr__(self) -> str:
        return repr(self._function)
