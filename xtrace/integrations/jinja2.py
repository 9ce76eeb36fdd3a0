"""Trace Jinja2: a subsegment for each template that is rendered, and for each that is compiled.

Streams (generate, stream) are current only while the template's own code runs.
"""

from __future__ import annotations

from functools import wraps

import jinja2
import jinja2.nativetypes

from ..decorator import capture
from ..default import recorder
from ._templates import name_of, rendering

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from typing import Any

    from ._wrap import Patcher


def patch(patcher: Patcher) -> None:
    """Replace the methods by which templates are rendered, and Environment.compile."""
    for kind in (jinja2.Template, jinja2.nativetypes.NativeTemplate):
        for name, replacement in (("render", _render), ("render_async", _render_async)):
            if name in vars(kind):
                patcher.replace(kind, name, replacement(vars(kind)[name]))
    patcher.replace(jinja2.Template, "generate", _generate(jinja2.Template.generate))
    patcher.replace(
        jinja2.Template, "generate_async", _generate_async(jinja2.Template.generate_async)
    )
    patcher.replace(jinja2.Environment, "compile", _compile(jinja2.Environment.compile))


# In an async environment the sync methods run the async ones, which are traced themselves.


def _render(original: Any) -> Any:
    @wraps(original)
    def render(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.environment.is_async:
            return original(self, *args, **kwargs)
        with rendering(self.name):
            return original(self, *args, **kwargs)

    return render


def _render_async(original: Any) -> Any:
    @wraps(original)
    async def render_async(self: Any, *args: Any, **kwargs: Any) -> Any:
        with rendering(self.name):
            return await original(self, *args, **kwargs)

    return render_async


def _generate(original: Any) -> Any:
    @wraps(original)
    def generate(self: Any, *args: Any, **kwargs: Any) -> Iterator[str]:
        traced = original
        if not self.environment.is_async and recorder._get_current() is not None:
            traced = capture(recorder, original, name_of(self.name), None)
        yield from traced(self, *args, **kwargs)

    return generate


def _generate_async(original: Any) -> Any:
    @wraps(original)
    async def generate_async(self: Any, *args: Any, **kwargs: Any) -> AsyncIterator[str]:
        traced = original
        if recorder._get_current() is not None:
            traced = capture(recorder, original, name_of(self.name), None)
        pieces = traced(self, *args, **kwargs)
        try:
            async for piece in pieces:
                yield piece
        finally:
            await pieces.aclose()

    return generate_async


def _compile(original: Any) -> Any:
    @wraps(original)
    def compile(self: Any, source: Any, name: Any = None, *args: Any, **kwargs: Any) -> Any:
        with recorder.in_call(f"compile {name_of(name)}", None):
            return original(self, source, name, *args, **kwargs)

    return compile
