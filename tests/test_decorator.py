"""capture: every kind of function keeps its kind, and each call is a subsegment."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import pickle

import pytest

from xtrace.testing import fixed_clock


def plain(a, b=2, *, c=3):
    """Add."""
    return a + b + c


async def coroutine(a):
    await asyncio.sleep(0)
    return a


def generator(n):
    for i in range(n):
        yield i
    return "done"


async def async_generator(n):
    for i in range(n):
        yield i
        await asyncio.sleep(0)


def names(sent):
    return [s["name"] for s in sent.subsegments]


@pytest.mark.parametrize("form", ["bare", "called", "named"])
def test_with_and_without_parentheses_and_name(recorder, sent, form):
    decorate = {
        "bare": recorder.capture,
        "called": recorder.capture(),
        "named": recorder.capture("sum", namespace="remote"),
    }[form]
    with recorder.in_segment("a"):
        assert decorate(plain)(1, c=4) == 7
    assert names(sent) == ["sum" if form == "named" else "plain"]
    assert sent.subsegments[0].get("namespace") == ("remote" if form == "named" else None)


@pytest.mark.parametrize("function", [plain, coroutine, generator, async_generator])
def test_kind_signature_and_docstring_stay(recorder, function):
    captured = recorder.capture(function)
    assert inspect.signature(captured) == inspect.signature(function)
    assert (captured.__name__, captured.__doc__) == (function.__name__, function.__doc__)
    for kind in ("iscoroutinefunction", "isgeneratorfunction", "isasyncgenfunction"):
        assert getattr(inspect, kind)(captured) == getattr(inspect, kind)(function)


def test_a_module_level_function_can_still_be_pickled(recorder, monkeypatch):
    monkeypatch.setattr(f"{__name__}.plain", recorder.capture(plain))
    assert pickle.loads(pickle.dumps(plain))(1) == 6


def test_methods_classmethods_and_staticmethods(recorder, sent):
    class Cart:
        @recorder.capture
        def method(self):
            return self

        @recorder.capture
        @classmethod
        def outside(cls):
            return cls

        @classmethod
        @recorder.capture
        def inside(cls):
            return cls

        @recorder.capture("static")
        @staticmethod
        def outside_static(value):
            return value

    cart = Cart()
    with recorder.in_segment("a"):
        assert cart.method() is cart
        assert Cart.outside() is Cart.inside() is cart.outside() is Cart
        assert cart.outside_static(5) == Cart.outside_static(5) == 5
    assert set(names(sent)) == {"method", "outside", "inside", "static"}


def test_partials_and_callable_objects(recorder, sent):
    class Callable:
        async def __call__(self):
            return 5

    async def main():
        with recorder.in_segment("a"):
            assert recorder.capture("p")(functools.partial(plain, 1))() == 6
            assert await recorder.capture("c")(Callable())() == 5
            assert await recorder.capture("pc")(functools.partial(coroutine, 7))() == 7

    asyncio.run(main())
    assert names(sent) == ["p", "c", "pc"]


@pytest.mark.parametrize("thing", [int, 5])
def test_what_is_no_function_is_refused_when_it_is_decorated(recorder, thing):
    with pytest.raises(TypeError, match="capture decorates functions"):
        recorder.capture()(thing)


def test_an_exception_is_recorded_and_passes_unchanged(recorder, sent):
    error = ValueError("boom")

    @recorder.capture
    def fails():
        raise error

    with recorder.in_segment("a"), pytest.raises(ValueError, match="boom") as caught:
        fails()
    assert caught.value is error
    part = sent.subsegment("fails")
    assert part["fault"] is True
    assert all(
        "xtrace/decorator.py" not in f["path"] for f in part["cause"]["exceptions"][0]["stack"]
    )


def test_nested_captures_nest(recorder, sent):
    @recorder.capture
    def outer():
        return inner()

    @recorder.capture
    def inner():
        return 1

    with recorder.in_segment("a"):
        outer()
    assert sent.subsegment("outer")["subsegments"][0]["name"] == "inner"


def test_without_a_segment_the_function_runs_all_the_same(recorder, caplog):
    assert recorder.capture(plain)(1) == 6
    assert list(recorder.capture(generator)(2)) == [0, 1]
    assert asyncio.run(recorder.capture(coroutine)(3)) == 3


def test_a_coroutine_lasts_as_long_as_it_is_awaited(recorder, sent):
    async def main():
        with recorder.in_segment("a"):
            await recorder.capture(coroutine)(1)

    with fixed_clock(step=1):
        asyncio.run(main())
    part = sent.subsegment("coroutine")
    assert part["end_time"] > part["start_time"]


# -- generators ----------------------------------------------------------------------------------


def test_a_generator_lasts_from_the_first_value_asked_for_to_its_end(recorder, sent):
    @recorder.capture
    def numbers():
        for i in range(2):
            clock.advance(10)
            yield i

    with fixed_clock() as clock, recorder.in_segment("a"):
        values = numbers()
        clock.advance(1)
        assert list(values) == [0, 1]
    part = sent.subsegment("numbers")
    assert part["start_time"] - sent.documents[0]["start_time"] == 1
    assert part["end_time"] - part["start_time"] == 20


def test_a_generator_is_current_only_while_its_own_code_runs(recorder, sent):
    seen = []

    @recorder.capture("g")
    def numbers():
        with recorder.in_subsegment("inside"):
            seen.append(recorder.get_trace_entity().name)
            yield 1
            seen.append(recorder.get_trace_entity().name)
            yield 2

    with recorder.in_segment("a"):
        for _ in numbers():
            seen.append(recorder.get_trace_entity().name)
            with recorder.in_subsegment("outside"):
                pass
    assert seen == ["inside", "a", "inside", "a"]
    tops = sent.documents[0]["subsegments"]
    assert [t["name"] for t in tops] == ["g", "outside", "outside"]
    assert tops[0]["subsegments"][0]["name"] == "inside"


def test_send_throw_and_the_return_value_pass(recorder):
    @recorder.capture
    def echo():
        received = []
        while True:
            try:
                received.append((yield len(received)))
            except KeyError:
                return received

    with recorder.in_segment("a"):
        values = echo()
        assert next(values) == 0
        assert values.send("x") == 1
        with pytest.raises(StopIteration) as stop:
            values.throw(KeyError("end"))
    assert stop.value.value == ["x"]


@pytest.mark.parametrize("how", ["close", "break", "collect"])
def test_a_generator_left_early_ends_once_and_is_no_fault(recorder, sent, how):
    closed = []

    @recorder.capture
    def numbers():
        try:
            yield 1
            yield 2
        finally:
            closed.append(True)

    with recorder.in_segment("a"):
        values = numbers()
        for _ in values:
            break
        if how == "close":
            values.close()
        del values
        gc.collect()
    assert closed == [True]
    part = sent.subsegment("numbers")
    assert "fault" not in part
    assert "annotations" not in part


def test_a_generator_that_raises_is_a_fault(recorder, sent):
    @recorder.capture
    def numbers():
        yield 1
        raise ValueError("boom")

    with recorder.in_segment("a"), pytest.raises(ValueError, match="boom"):
        list(numbers())
    assert sent.subsegment("numbers")["fault"] is True


def test_a_generator_run_in_an_unsampled_trace_leaves_the_context_alone(recorder):
    with recorder.in_segment("a", sampling=False) as segment:
        for _ in recorder.capture(generator)(3):
            assert recorder.get_trace_entity() is segment


def test_an_async_generator_is_current_only_while_its_own_code_runs(recorder, sent):
    seen = []

    @recorder.capture("g")
    async def numbers():
        for i in range(2):
            await asyncio.sleep(0)
            seen.append(recorder.get_trace_entity().name)
            yield i

    async def main():
        with recorder.in_segment("a"):
            async for _ in numbers():
                seen.append(recorder.get_trace_entity().name)

    asyncio.run(main())
    assert seen == ["g", "a", "g", "a"]
    assert names(sent) == ["g"]


def test_asend_athrow_and_aclose_pass(recorder, sent):
    @recorder.capture
    async def echo():
        received = "start"
        while True:
            try:
                received = yield received
            except KeyError:
                received = "caught"

    async def main():
        with recorder.in_segment("a"):
            values = echo()
            assert await values.asend(None) == "start"
            assert await values.asend("x") == "x"
            assert await values.athrow(KeyError) == "caught"
            await values.aclose()

    asyncio.run(main())
    assert names(sent) == ["echo"]
    assert "fault" not in sent.subsegments[0]


def test_an_async_generator_left_early_ends_once(recorder, sent):
    async def main():
        with recorder.in_segment("a"):
            async for _ in recorder.capture(async_generator)(5):
                break

    asyncio.run(main())
    gc.collect()
    assert names(sent) == ["async_generator"]


def test_cancelling_a_captured_coroutine_is_marked_and_passes(recorder, sent):
    @recorder.capture
    async def forever():
        await asyncio.Event().wait()

    async def main():
        with recorder.in_segment("a"):
            task = asyncio.create_task(forever())
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    part = sent.subsegment("forever")
    assert part["annotations"] == {"cancelled": "CancelledError"}
    assert "fault" not in part
