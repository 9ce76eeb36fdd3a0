"""What a type checker sees of xtrace: mypy checks this file with the package (`make check`)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine, Generator
from typing import TYPE_CHECKING, Any

import xtrace

if TYPE_CHECKING:
    from typing_extensions import assert_type


@xtrace.capture
def bare(a: int, *, b: str = "") -> float:
    """Captured without parentheses."""
    return 1.0


@xtrace.capture("named", namespace="remote")
async def coroutine(a: int) -> str:
    """Captured with a name."""
    return ""


@xtrace.capture()
def generator() -> Generator[int, str, bool]:
    """Captured with parentheses."""
    yield 1
    return True


@xtrace.capture
async def async_generator() -> AsyncGenerator[int, None]:
    """An async generator."""
    yield 1


class Cart:
    """Methods keep their signatures too."""

    @xtrace.capture
    def total(self, discount: float) -> float:
        """A method."""
        return discount

    @classmethod
    @xtrace.capture
    def empty(cls) -> Cart:
        """A classmethod."""
        return cls()


def what_they_are() -> None:
    """Each keeps its parameters and its result."""
    assert_type(bare(1, b="x"), float)
    call: type[Coroutine[Any, Any, str]] = type(coroutine(1))
    assert call
    assert_type(generator(), Generator[int, str, bool])
    assert_type(async_generator(), AsyncGenerator[int, None])
    assert_type(Cart().total(0.5), float)
    assert_type(Cart.empty(), Cart)
    bare("1")  # type: ignore[arg-type]
    bare(1, c=2)  # type: ignore[call-arg]
    Cart().total()  # type: ignore[call-arg]


async def entities() -> None:
    """Context managers give entities, never None."""
    with xtrace.in_segment("a") as segment, xtrace.in_subsegment("b", "remote") as part:
        assert_type(segment, xtrace.Segment)
        assert_type(part, xtrace.Subsegment)
        assert_type(part.segment, xtrace.Segment)
        segment.put_annotation("k", 1)
        segment.put_annotation("k", None)  # type: ignore[arg-type]
    async with xtrace.in_segment("a") as segment:
        assert_type(segment, xtrace.Segment)
    assert_type(xtrace.current_segment(), xtrace.Segment)
    assert_type(xtrace.begin_subsegment("x"), xtrace.Subsegment)


def settings() -> None:
    """configure() knows its arguments."""
    xtrace.configure(service="a", sampling=False, max_trace_back=5)
    xtrace.configure(servce="a")  # type: ignore[call-arg]
    xtrace.configure(max_trace_back="5")  # type: ignore[arg-type]
    xtrace.Recorder(service="a", emitter=["memory:", object()])
