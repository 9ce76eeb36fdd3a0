"""Filters: what is written reads as the same, SQL agrees with the meaning, and no text harms."""

from __future__ import annotations

import json

from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.collector.filter_traces import call as made_call
from tests.collector.filter_traces import (
    cause,
    database,
    entity,
    on_the_way,
    trace,
)
from tests.collector.filter_traces import part as made_part
from xtrace.collector.filters import (
    MAX_CHARACTERS,
    Filter,
    FilterError,
    Vocabulary,
    completions,
    format,  # noqa: A004
    parse,
    parse_selector,
)
from xtrace.collector.filters.keywords import (
    BOOLEANS,
    EDGE,
    NUMBERS,
    OPERATORS,
    ROOT_CAUSE,
    ROOT_CAUSES,
    SCOPES,
    SERVICE,
    STRINGS,
    TRACE,
)
from xtrace.collector.filters.sql import prefilter
from xtrace.collector.filters.tree import (
    EQUALITIES,
    MATCHES,
    ORDERS,
    And,
    Annotation,
    Edge,
    Group,
    Is,
    Keyword,
    Not,
    Number,
    Or,
    RootCause,
    RootCauseJson,
    Selector,
    Service,
    Text,
    Truth,
)
from xtrace.collector.trace import NodeKey

# -- trees


def usable(keywords, scope):
    return [keyword for keyword in keywords if keyword in SCOPES[scope]]


def keyword_comparisons(scope, texts, numbers):
    def compared(kind, keywords, values):
        found = [(Keyword(k), operator) for k in keywords for operator in OPERATORS[k]]
        return st.builds(lambda pair, value: kind(*pair, value), st.sampled_from(found), values)

    kinds = [
        st.sampled_from([Is(Keyword(k)) for k in sorted(SCOPES[scope])]),
        st.sampled_from([Is(Keyword(k)) for k in usable(BOOLEANS, scope)]),
        compared(Number, usable(NUMBERS, scope), numbers),
    ]
    if usable(STRINGS, scope):
        kinds.append(compared(Text, usable(STRINGS, scope), texts))
    return st.one_of(kinds)


def combined(leaves, most):
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, min_size=2, max_size=4).map(lambda terms: And(tuple(terms)))
            | st.lists(inner, min_size=2, max_size=4).map(lambda terms: Or(tuple(terms)))
            | inner.map(Not)
        ),
        max_leaves=most,
    )


def annotation_comparisons(keys, texts, numbers):
    asked = st.builds(Annotation, keys)
    return (
        st.builds(Is, asked)
        | st.builds(Number, asked, st.sampled_from(ORDERS + EQUALITIES), numbers)
        | st.builds(Text, asked, st.sampled_from(MATCHES + EQUALITIES), texts)
        | st.builds(Truth, asked, st.sampled_from(EQUALITIES), st.booleans())
    )


def trees(texts, keys, numbers, names, types, most=8):
    """Any tree that can be written, its values from the strategies given."""

    def block(scope):
        return st.none() | combined(keyword_comparisons(scope, texts, numbers), 4)

    selectors = st.builds(Selector, st.none() | names, st.none() | types, st.none() | names)
    leaves = st.one_of(
        keyword_comparisons(TRACE, texts, numbers),
        annotation_comparisons(keys, texts, numbers),
        st.builds(Service, selectors, block(SERVICE)),
        st.builds(Edge, selectors, selectors, block(EDGE)),
        st.builds(
            lambda path, block: RootCause(*path.split(".")[1:], block),
            st.sampled_from(ROOT_CAUSES),
            block(ROOT_CAUSE),
        ),
    )
    return combined(leaves, most)


anything = st.text(max_size=20)
real_numbers = st.integers(-(10**17), 10**17) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | real_numbers | anything,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(anything, inner, max_size=3),
    max_leaves=6,
)
patterns = st.lists(st.dictionaries(anything, json_values, max_size=3), max_size=3)
whole_trees = combined(
    trees(anything, st.text(min_size=1, max_size=20), real_numbers, anything, anything, 3)
    | patterns.map(lambda value: RootCauseJson(json.dumps(value, sort_keys=True)))
    | st.builds(Group, st.sampled_from(["name", "arn"]), anything),
    4,
)


@given(whole_trees)
def test_what_is_written_reads_as_the_same(tree):
    text = format(Filter(tree))
    assume(len(text) <= MAX_CHARACTERS)
    assert parse(text).tree == tree
    assert format(parse(text)) == text


# -- texts

words = st.sampled_from(
    [
        *("(", ")", "{", "}", "[", "]", "!", "=", "!=", "<", ">=", ",", ":", "#", '"', "\\", "."),
        *(" ", "\n", "AND", "or", "contains", "true", "null", "5", "-1.5e3", "1e999", "é", "%"),
        *("ok", "root", "duration", "user", "name", "annotation", "annotation.a", "annotation[b"),
        *("service(", "edge(", "id(", "name:", "group.name", "rootcause.json", "#[{", '"x"', "}]"),
        *("rootcause.fault.entity", 'service("a") {', "http.status", "foo", "\ud800", "\x00"),
    ]
)
soup = st.lists(words | st.text(max_size=3), max_size=30).map(
    lambda parts: " ".join(parts)
) | st.lists(words, max_size=30).map("".join)
names = st.lists(st.text(max_size=8), max_size=4)
vocabularies = st.builds(
    Vocabulary, names, names, names, st.just({"a": ["x"]}), names, names, names
)


def refusal(read, text):
    """The error that reading a text ends in, or None."""
    try:
        read(text)
    except FilterError as error:
        return error
    return None


@given(soup)
@example("annotation[ ] = 1")
@example('annotation[ "a] = 1')
def test_a_text_is_read_or_refused_at_a_place_in_it(text):
    for read in (parse, parse_selector):
        error = refusal(read, text)
        if error is not None:
            assert 0 <= error.position <= len(text)
            above = text.split("\n")[: error.line - 1]
            assert sum(len(line) + 1 for line in above) + error.column - 1 == error.position
            assert error.message
        elif read is parse:
            assert parse(format(parse(text))) == parse(text)


@given(soup, st.integers(-2, 200), vocabularies)
def test_completions_fit_into_any_text(text, position, vocabulary):
    for each in completions(text, position, vocabulary):
        assert 0 <= each.replaces_from <= min(max(position, 0), len(text))
        assert each.text
        assert each.kind in ("keyword", "operator", "annotation", "service", "value")


@given(trees(anything, st.text(min_size=1), real_numbers, anything, anything, 3), st.data())
def test_what_is_completed_can_be_read_so_far(tree, data):
    """Behind the beginning of a good expression nothing is offered that can't stand there."""
    text = format(Filter(tree))
    position = data.draw(st.integers(0, len(text)))
    for each in completions(text, position, Vocabulary(("a b",), ("t",), ("k", "l m"))):
        made = text[: each.replaces_from] + each.text
        if each.text[0] == '"' and each.text[-1] != '"':
            made += text[position]  # a quotation mark that stands there already
        error = refusal(parse, made)
        assert error is None or error.position == len(made)  # only the end is missing


# -- SQL, on traces and values from a small world, so that they meet

few_names = st.sampled_from(["a", "b"])
few_types = st.sampled_from(["client", "remote", "AWS::X"])
few_keys = st.sampled_from(["k", "k'"])
few_texts = st.sampled_from(
    [
        "",
        "a",
        "b",
        "A",
        "ab",
        "ba",
        "%",
        "_",
        "*",
        "a\x00b",
        "\x00",
        "é",
        "Éa",
        "' or 1=1 --",
        "\ud800",
    ]
)
few_numbers = st.sampled_from(
    [0, 1, 2, 1.0, 0.5, -1, 200, 404, 2**53, 2**53 + 1, float(2**53), 10**17, 1e300, -1e300]
)
few_statuses = st.none() | st.sampled_from([200, 404])
few_seconds = st.none() | st.sampled_from([0.0, 0.5, 1.0, 2.0])
stored_texts = few_texts.filter(lambda text: text != "\ud800")
flags = st.booleans()
nodes = st.builds(NodeKey, few_names, st.none() | few_types, st.none() | few_names)
statuses = dict.fromkeys(("ok", "error", "fault", "throttle"), flags)


def with_attributes(build, **attributes):
    return st.fixed_dictionaries(attributes).map(lambda values: build(**values))


parts = with_attributes(
    made_part,
    node=nodes,
    **statuses,
    inferred=flags,
    root=flags,
    orphan=flags,
    in_progress=flags,
    response_time=few_seconds,
    duration=few_seconds,
    http_status=few_statuses,
    http_url=st.none() | stored_texts,
    http_method=st.none() | stored_texts,
    user=st.none() | stored_texts,
    availability_zone=st.none() | stored_texts,
)
calls = with_attributes(
    made_call, source=nodes, target=nodes, **statuses, response_time=few_seconds
)
values = st.booleans() | few_numbers | stored_texts
annotations = st.dictionaries(
    few_keys,
    st.lists(values, min_size=1, max_size=2).map(lambda found: [(value, []) for value in found]),
)
causes = st.lists(
    st.just(cause(on_the_way("a", entity("b", ("a", "ab"), coverage=1.0), type="AWS::X"))),
    max_size=1,
)


@st.composite
def traces(draw):
    found = draw(st.lists(parts, max_size=3))
    root = draw(st.sampled_from([None, *found]))
    return trace(
        root=root,
        parts=found,
        calls=draw(st.lists(calls, max_size=2)),
        annotations=draw(annotations),
        users=[(part.user, [part.node]) for part in found if part.user is not None],
        partial=draw(flags),
        duration=draw(st.sampled_from([0.0, 1.0, 2.0])),
        response_time=None if root is None else root.response_time,
        _causes={kind: draw(causes) for kind in ("fault", "error", "responsetime")},
    )


few_trees = trees(few_texts, few_keys, few_numbers, few_names, few_types)


@given(st.lists(traces(), min_size=1, max_size=4), st.lists(few_trees, min_size=1, max_size=4))
def test_sql_finds_what_matches_and_if_exact_nothing_else(found, asked):
    connection = database(found)
    try:
        for tree in asked:
            filter = Filter(tree)
            made = prefilter(filter)
            rows = connection.execute(
                f"select trace_no from traces t where {made.where}", made.parameters
            )
            selected = {number for (number,) in rows}
            matching = {number for number, each in enumerate(found) if filter.matches(each)}
            assert selected == matching if made.is_exact else selected >= matching
    finally:
        connection.close()
