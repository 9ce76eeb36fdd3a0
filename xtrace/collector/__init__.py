"""The embedded collector: receives documents, stores them, shows them.

A program of its own: it works with any X-Ray SDK, and shares with this one only the constants
of the wire. Needs `pip install 'xtrace[collector]'`.
"""

from __future__ import annotations

from .server import Collector, running

__all__ = ["Collector", "running"]
