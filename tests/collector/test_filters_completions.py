"""What is offered while an expression is typed; "|" is the cursor."""

from __future__ import annotations

import pytest

from xtrace.collector.filters import MAX_CHARACTERS, Completion, Vocabulary, completions

WORDS = Vocabulary(
    services=("api", "db server"),
    types=("AWS::SQS::Queue", "remote"),
    annotation_keys=("age", "game id"),
    annotation_values={"age": ("old",)},
    users=("alice", "bob"),
    urls=("http://api/buy",),
    groups=("slow",),
)


def offered(typed):
    position = typed.index("|")
    return completions(typed.replace("|", "", 1), position, WORDS)


def texts(typed):
    return [each.text for each in offered(typed)]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("fau|", ["fault"]),
        ("FAU|", ["fault"]),
        ("ok AND resp|", ["responsetime"]),
        ("!fa|", ["fault"]),
        ("status|", ["http.status"]),  # nothing begins so: what contains it
        ("http.|", ["http.status", "http.url", "http.method", "http.useragent", "http.clientip"]),
        ("rootcause.error|", [f"rootcause.error.{p}" for p in ("service", "entity", "exception")]),
        ("ser|", ["service("]),
        ("fault a|", ["AND", "availabilityzone", "annotation.age", 'annotation["game id"]']),
        ("fault =|", ["true", "false"]),
        ("fault = t|", ["true"]),
        ("http.status = 4|", ["400", "403", "404", "429"]),
        ("responsetime > |", []),
        ("user = |", ['"alice"', '"bob"']),
        ("user CONTAINS b|", ['"bob"']),
        ('user = "b|', ['"bob"']),
        ('user = "b|"', ['"bob']),
        ('http.url CONTAINS "buy|', ['"http://api/buy"']),
        ("http.method != P|", ['"POST"', '"PUT"', '"PATCH"']),
        ("name = d|", ['"db server"']),
        ("type = |", ['"AWS::SQS::Queue"', '"remote"']),
        ("group.name = |", ['"slow"']),
        ("annotation.a|", ["annotation.age"]),
        ("annotation[|", ["annotation.age", 'annotation["game id"]']),
        ('annotation["ga|', ['annotation["game id"]']),
        ("annotation.age = |", ['"old"']),
        ("annotation.age > |", []),
        ("service(|", ['"api"', '"db server"', "id("]),
        ('service("d|', ['"db server"']),
        ('edge("api", "d|', ['"db server"']),
        ("service(id(|", ["name:", "type:", "account.id:"]),
        ('service(id(type: "x", |', ["name:", "account.id:"]),
        ('edge(id(type: "x"), id(ty|', ["type:"]),
        ("service(id(name: d|", ['"db server"']),
        ('service(id(name: "x", type: |', ['"AWS::SQS::Queue"', '"remote"']),
        ('edge("a", "b") { |', ["ok", "error", "throttle", "fault", "responsetime", "duration"]),
        ('service("api") { ro|', ["root"]),
        ("rootcause.fault.exception { me|", ["message"]),
        ('rootcause.json = #[{"|', []),
        ("nonsense|", []),
        ('"|', []),
        # Broken text before the cursor doesn't matter, nor what follows.
        ("foo ( bar & user = a|", ['"alice"']),
        (')) service("x") { } AND user = b| AND', ['"bob"']),
        ("user = AND fau|", ["fault"]),
        ("responsetime 'x' service(id(t|", ["type:"]),
    ],
)
def test_what_fits_is_offered(typed, expected):
    assert texts(typed) == expected


@pytest.mark.parametrize(
    ("typed", "operators"),
    [
        ("fault |", ["=", "!="]),
        ("duration |", ["=", "!=", "<", "<=", ">", ">="]),
        ("user |", ["=", "!=", "CONTAINS", "BEGINSWITH", "ENDSWITH"]),
        ("group.name |", ["="]),
        (
            "annotation.x |",
            ["=", "!=", "<", "<=", ">", ">=", "CONTAINS", "BEGINSWITH", "ENDSWITH"],
        ),
        ('service("a") |', []),
        ("duration > 5 |", []),
    ],
)
def test_operators_are_those_of_the_keyword_s_class(typed, operators):
    found = [each.text for each in offered(typed) if each.kind == "operator"]
    assert found == (operators if typed == "group.name |" else [*operators, "AND", "OR"])


@pytest.mark.parametrize(
    ("typed", "completion"),
    [
        ("ok fau|xyz", Completion("fault", "keyword", 3)),
        ("user cont|", Completion("CONTAINS", "operator", 5)),
        ("ok annotation.a|", Completion("annotation.age", "annotation", 3)),
        ('service( "d|', Completion('"db server"', "service", 9)),
        ("user = |", Completion('"alice"', "value", 7)),
    ],
)
def test_a_completion_says_what_it_is_and_what_it_replaces(typed, completion):
    assert offered(typed)[0] == completion


def test_everything_that_may_begin_an_expression_is_offered_at_the_beginning():
    found = {each.text for each in completions("", 0)}
    assert {"fault", "user", "service(", "edge(", "rootcause.fault.service", "group.name"} <= found
    assert not {"coverage", "root", "AND", "="} & found


def test_positions_outside_and_long_texts_are_harmless():
    assert completions("fau", -1) == completions("fau", 0)
    assert completions("fau", 99) == completions("fau", 3)
    assert completions("ok " * MAX_CHARACTERS, 2 * MAX_CHARACTERS) == []
