"""The console: a page that shows what the collector has stored, in a browser.

Static files without a build: one shell, style sheets, ES modules, and a few vendored libraries (see
static/vendor/NOTICE.json). The server renders nothing; the modules ask /api/v1, as anybody may.
"""

from __future__ import annotations

from .assets import load
from .pages import PAGES, routes

__all__ = ["PAGES", "load", "routes"]
