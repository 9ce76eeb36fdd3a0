"""Filters in SQL: it agrees with the meaning, also where databases have ideas of their own."""

from __future__ import annotations

import pytest

from tests.collector.filter_traces import (
    annotated,
    call,
    called,
    database,
    of,
    part,
    requested,
    segment,
    trace,
)
from tests.collector.test_filters import EXAMPLES, GROUPS, SLOW_ALICE
from xtrace.collector.filters import FilterError, parse
from xtrace.collector.filters.sql import MAX_DEPTH, prefilter
from xtrace.collector.trace import NodeKey


def found(expression, *traces, groups=None):
    """The places of the traces that the condition selects, and whether it is exact."""
    made = prefilter(parse(expression), groups)
    connection = database(traces)
    try:
        rows = connection.execute(
            f"select trace_no from traces t where {made.where} order by 1", made.parameters
        )
        return [number for (number,) in rows], made.is_exact
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("expression", "matching", "other"), EXAMPLES, ids=[e[0] for e in EXAMPLES]
)
def test_an_example_is_found_by_sql(expression, matching, other):
    places, is_exact = found(expression, matching, other)
    assert places == [0] if is_exact else 0 in places
    assert is_exact is ("rootcause" not in expression)


@pytest.mark.parametrize(
    "expression",
    ['service() { http.url CONTAINS "x" }', 'service() { user = "x" }', "service() { partial }"],
)
def test_what_the_tables_do_not_say_of_parts_is_left_to_the_meaning(expression):
    assert found(expression, of(segment()), trace()) == ([0], False)
    assert found(f"!{expression}", of(segment()), trace()) == ([0, 1], False)
    assert found(f"fault {expression}", of(requested(status=500)), of(requested())) == ([0], False)
    assert found(f"fault OR {expression}", of(requested()), trace()) == ([0], False)


@pytest.mark.parametrize(
    ("operator", "value", "matching", "other"),
    [
        ("CONTAINS", "b", "abc", "aBc"),
        ("CONTAINS", "%", "5 %", "5"),
        ("CONTAINS", "a_c", "a_cd", "abcd"),
        ("CONTAINS", "[a-c]", "x[a-c]", "b"),
        ("CONTAINS", "*", "a*", "ab"),
        ("CONTAINS", "b", "a\x00b", "a\x00"),
        ("CONTAINS", "é", "café", "cafÉ"),
        ("CONTAINS", "' or 1=1 --", "' or 1=1 --", "x"),
        ("BEGINSWITH", "ab", "abc", "Abc"),
        ("BEGINSWITH", "é", "éa", "ea"),
        ("BEGINSWITH", "a\x00b", "a\x00bc", "a"),
        ("BEGINSWITH", "%", "%a", "a%"),
        ("ENDSWITH", "bc", "abc", "abC"),
        ("ENDSWITH", "b", "a\x00b", "b\x00a"),
        ("ENDSWITH", "aé", "aaé", "aé "),
        ("ENDSWITH", "long", "so long", "ong"),
        ("=", "a", "a", "A"),
        ("=", "a\x00b", "a\x00b", "a\x00c"),
        ("!=", "a", "A", "a"),
    ],
)
def test_texts_compare_byte_by_byte(operator, value, matching, other):
    for template in ("user {} {}", "annotation.k {} {}", "name {} {}", "http.url {} {}"):
        expression = template.format(operator, f'"{value}"')
        traces = [
            trace(
                root=(root := part(node=NodeKey(text, None, None), http_url=text)),
                parts=[root],
                annotations={"k": [(text, [])]},
                users=[(text, [])],
            )
            for text in (matching, other)
        ]
        assert found(expression, *traces) == ([0], True)
        assert found(f"!({expression})", *traces) == ([1], True)
        assert [parse(expression).matches(each) for each in traces] == [True, False]


def test_half_a_surrogate_pair_is_left_to_the_meaning():
    for expression in ('user = "\ud800"', 'annotation["\ud800"]', 'service("\ud800")'):
        assert found(expression, of(segment())) == ([0], False)
        assert found(
            f"!{expression}" if expression[0] != "u" else f"!({expression})", of(segment())
        ) == ([0], False)
    assert found('edge("a", "\ud800")', of(segment())) == ([0], False)


def test_integers_that_a_double_does_not_hold_are_left_to_the_meaning():
    traces = [trace(annotations={"n": [(2**53 + 1, [])]}), trace(annotations={"n": [(2**53, [])]})]
    assert found(f"annotation.n = {2**53 + 1}", *traces) == ([0, 1], False)
    assert found(f"annotation.n > {2**53}", *traces) == ([0, 1], False)
    assert found(f"annotation.n > {2**53 - 1}", *traces) == ([0, 1], True)


def test_kinds_of_annotations_stay_apart():
    traces = [of(annotated(k=value)) for value in (1, True, "1", 0, False)]
    assert found("annotation.k = 1", *traces) == ([0], True)
    assert found("annotation.k = true", *traces) == ([1], True)
    assert found('annotation.k = "1"', *traces) == ([2], True)
    assert found("annotation.k < 1", *traces) == ([3], True)
    assert found("annotation.k", *traces) == ([0, 1, 2, 3], True)
    assert found("!annotation.k", *traces) == ([4], True)


def test_what_is_missing_fails_a_comparison_and_passes_its_negation():
    traces = [trace(), of(requested(status=404))]
    for comparison in ("http.status = 404", "http.status != 200", "responsetime >= 1"):
        assert found(comparison, *traces) == ([1], True)
        assert found(f"!({comparison})", *traces) == ([0], True)
        assert found(f"!(!({comparison}))", *traces) == ([1], True)
        assert found(f"!({comparison} fault)", *traces) == ([0, 1], True)


def test_clients_are_found_by_their_calls():
    client, api = NodeKey("api", "client", None), NodeKey("api", None, None)
    traces = [
        trace(calls=[call(client, api, fault=True, response_time=2.0)]),
        trace(calls=[call(client, api, ok=True, response_time=1.0)]),
        trace(calls=[call(api, api, fault=True)], parts=[part(node=api, fault=True)]),
    ]
    assert found('service(id(type: "client")) { fault }', *traces) == ([0], True)
    assert found('service(id(name: "api", type: "client"))', *traces) == ([0, 1], True)
    assert found('service(id(type: "client")) { duration < 2 }', *traces) == ([1], True)
    assert found('service("api") { fault }', *traces) == ([2], True)


def test_names_go_into_parameters_only():
    words = ["x' or '1'='1", 'y"; drop table traces; --']
    text = " ".join(
        [
            f"annotation[{words[0]}] = 1",
            f'service("{words[0]}")',
            f'edge(id(type: "{words[0]}"), id(account.id: "{words[0]}"))',
            f'user CONTAINS "{words[0]}"',
        ]
    )
    made = prefilter(parse(text))
    assert words[0] not in made.where
    assert made.where.count("?") == len(made.parameters)


def test_groups_are_resolved():
    faultless = of(segment(user="alice"))
    asked = 'group.name = "slow" AND user = "alice"'
    assert found(asked, SLOW_ALICE, faultless, groups=GROUPS) == ([0], True)
    with pytest.raises(FilterError, match="there is no group 'slow'"):
        prefilter(parse(asked))


@pytest.mark.parametrize(
    "expression",
    [
        "",
        " ".join(["ok"] * 1_600),
        " OR ".join(["fault"] * 550),
        "!(fault OR ok AND " * 31 + "ok" + ")" * 31,
        " ".join(['service("a") { !(ok (fault OR error)) }'] * 110),
        "".join(f"annotation.k{n} OR " for n in range(250)) + "ok",
        " ".join(["(fault OR ok)"] * 350),
    ],
)
def test_databases_take_the_longest_and_the_deepest_expressions(expression):
    traces = [of(segment()), of(segment(subsegments=[called("a", 2)]))]
    places, is_exact = found(expression, *traces)
    matching = [place for place, each in enumerate(traces) if parse(expression).matches(each)]
    assert places == matching if is_exact else set(places) >= set(matching)


def test_what_is_deeper_than_databases_like_is_left_to_the_meaning():
    deep = "!(ok AND " * MAX_DEPTH + "ok" + ")" * MAX_DEPTH
    assert not prefilter(parse(deep)).is_exact
    assert prefilter(parse("!(ok AND !(ok AND fault))")).is_exact
