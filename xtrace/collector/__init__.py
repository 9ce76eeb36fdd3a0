"""The embedded collector: receives documents, stores them, answers the X-Ray API.

A program of its own: it works with any X-Ray SDK, and shares with this one only the constants
of the wire. Needs `pip install 'xtrace[collector]'`.
"""

from __future__ import annotations

from ..extras import how_to_install

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .server import Collector, running

__all__ = ["Collector", "running"]


def __getattr__(name: str) -> object:
    # Commands that only read a store shouldn't load a web server.
    if name in __all__:
        try:
            from . import server
        except ImportError as error:
            told = how_to_install(error)
            if told is None:
                raise
            raise ImportError(told, name=error.name) from error
        return getattr(server, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
