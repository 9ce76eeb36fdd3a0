"""Jinja2: a subsegment for each template that is rendered or compiled, sync, async and streamed."""

from __future__ import annotations

import asyncio
import inspect

import jinja2
import jinja2.nativetypes
import pytest

import xtrace
from xtrace.testing import recording

pytestmark = pytest.mark.library("Jinja2", "sync", "async")

TEMPLATES = {
    "page.html": "<{% include 'part.html' %}>{{ shown() }}",
    "part.html": "part {{ name }}",
    "broken.html": "a\n{{ 1 / nothing }}",
    "wrong.html": "{% if %}",
    "work.html": "{{ work() }}",
    "rows.html": "{% for row in rows() %}{{ row }},{% endfor %}",
}


@pytest.fixture(autouse=True)
def traces():
    with recording(service="shop") as traces:
        xtrace.patch("jinja2")
        yield traces
        xtrace.unpatch("jinja2")


def environment(**options):
    return jinja2.Environment(loader=jinja2.DictLoader(TEMPLATES), **options)


def warmed(name, **options):
    """A template that is compiled, with all that is in it."""
    found = environment(**options)
    for each in TEMPLATES.keys() - {"wrong.html"}:
        found.get_template(each)
    return found.get_template(name)


def work():
    with xtrace.in_subsegment("work"):
        return "worked"


def names(traces):
    return [part["name"] for part in traces.subsegments]


def test_a_template_is_a_subsegment_with_all_that_it_includes(traces):
    template = warmed("page.html")
    with xtrace.in_segment():
        assert template.render(name="tea", shown=lambda: "") == "<part tea>"
        assert warmed("part.html").render({"name": "tea"}) == "part tea"
    assert names(traces)[0] == "page.html"
    assert names(traces)[-1] == "part.html"


def test_templates_rendered_in_a_template_are_part_of_it(traces):
    page, part = warmed("page.html"), warmed("part.html")
    with xtrace.in_segment():
        assert page.render(name="tea", shown=part.render) == "<part tea>part "
    assert names(traces) == ["page.html"]


def test_work_of_a_template_is_below_it(traces):
    template = warmed("work.html")
    with xtrace.in_segment():
        template.render(work=work)
    assert names(traces) == ["work.html", "work"]
    assert traces.subsegment("work.html")["subsegments"][0]["name"] == "work"


def test_compiling_is_shown_once(traces):
    found = environment()
    with xtrace.in_segment():
        for _ in range(3):
            found.get_template("part.html").render()
        found.from_string("{{ 1 }}").render()
    assert names(traces) == [
        *("compile part.html", "part.html", "part.html", "part.html"),
        *("compile template_render", "template_render"),
    ]


def test_errors_are_recorded_with_the_templates_line(traces):
    template = warmed("broken.html")
    with xtrace.in_segment():
        with pytest.raises(ZeroDivisionError):
            template.render(nothing=0)
        with pytest.raises(jinja2.TemplateSyntaxError):
            environment().get_template("wrong.html")
    rendered, compiled = traces.subsegments
    assert rendered["fault"]
    assert rendered["cause"]["exceptions"][0]["stack"][0]["line"] == 2
    assert compiled["name"] == "compile wrong.html"
    assert compiled["cause"]["exceptions"][0]["type"] == "TemplateSyntaxError"


def test_async(traces):
    template = warmed("work.html", enable_async=True)

    async def awork():
        with xtrace.in_subsegment("work"):
            await asyncio.sleep(0)
            return "worked"

    async def main():
        with xtrace.in_segment():
            return await template.render_async(work=awork)

    assert asyncio.run(main()) == "worked"
    with xtrace.in_segment():
        assert template.render(work=awork) == "worked"
    assert names(traces) == ["work.html", "work"] * 2


def test_a_stream_is_current_only_while_it_runs(traces):
    template = warmed("rows.html")

    def rows():
        for number in range(3):
            with xtrace.in_subsegment(f"row {number}"):
                pass
            yield number

    with xtrace.in_segment() as segment:
        pieces = []
        for piece in template.generate(rows=rows):
            assert xtrace.recorder.get_trace_entity() is segment
            pieces.append(piece)
        assert "".join(pieces) == "0,1,2,"
        assert "".join(template.stream(rows=rows)) == "0,1,2,"
    assert names(traces) == ["rows.html", "row 0", "row 1", "row 2"] * 2


def test_an_async_stream(traces):
    template = warmed("rows.html", enable_async=True)

    async def main():
        with xtrace.in_segment() as segment:
            pieces = []
            async for piece in template.generate_async(rows=lambda: [1, 2]):
                assert xtrace.recorder.get_trace_entity() is segment
                pieces.append(piece)
            stream = template.generate_async(rows=lambda: [1, 2])
            await anext(stream)
            await stream.aclose()
            return "".join(pieces)

    assert asyncio.run(main()) == "1,2,"
    with xtrace.in_segment():
        assert "".join(template.generate(rows=lambda: [1, 2])) == "1,2,"
    assert names(traces) == ["rows.html"] * 3
    assert not [part for part in traces.subsegments if "fault" in part]


def test_native_templates_give_what_they_give(traces):
    native = jinja2.nativetypes.NativeEnvironment(loader=jinja2.DictLoader({"n": "{{ [1, x] }}"}))
    template = native.get_template("n")
    with xtrace.in_segment():
        assert template.render(x=2) == [1, 2]
    assert names(traces) == ["n"]


def test_without_a_segment_nothing_happens(traces, caplog):
    assert warmed("part.html").render(name="a") == "part a"
    assert list(warmed("part.html").generate(name="a")) == ["part ", "a"]
    with xtrace.in_segment(sampling=False):
        assert warmed("part.html").render(name="a") == "part a"
    assert traces.documents == []
    assert caplog.records == []


METHODS = [
    *((jinja2.Template, name) for name in ("render", "render_async", "generate", "generate_async")),
    *((jinja2.nativetypes.NativeTemplate, name) for name in ("render", "render_async")),
]


def test_methods_stay_what_they_are_and_unpatch_restores():
    ours = [vars(kind)[name] for kind, name in METHODS]
    xtrace.unpatch("jinja2")
    for (kind, name), replaced in zip(METHODS, ours, strict=True):
        original = vars(kind)[name]
        assert replaced is not original
        assert replaced.__wrapped__ is original
        for ask in (
            inspect.iscoroutinefunction,
            inspect.isgeneratorfunction,
            inspect.isasyncgenfunction,
        ):
            assert ask(replaced) == ask(original)
        assert inspect.signature(replaced) == inspect.signature(original)
