"""Filter expressions: what each form finds and doesn't find, and what is said of wrong ones."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

from tests.collector.filter_traces import (
    START,
    annotated,
    called,
    cause,
    entity,
    lasting,
    of,
    on_the_way,
    requested,
    segment,
    subsegment,
)
from xtrace.collector.filters import (
    MAX_CHARACTERS,
    Edge,
    Filter,
    FilterError,
    Selector,
    Service,
    format,  # noqa: A004
    parse,
    parse_selector,
)
from xtrace.collector.filters.tree import And, Is, Keyword, Not, Or, Text

OK = requested()
ERROR = requested(status=404)
THROTTLED = requested(status=429)
FAULT = requested(status=500)
SWALLOWED = segment(subsegments=[called("db", 2, fault=True)])  # a fault the client doesn't see
RUNNING = {key: value for key, value in segment().items() if key != "end_time"}


def lambda_segment(origin, **members):
    return segment("random-name", origin=origin, **members)


FUNCTION = "AWS::Lambda::Function"
DENIED = ("AccessDenied", "Access Denied for account_id: 1234567890")
FAULT_CAUSE = cause(
    on_the_way("api", entity("api"), entity("auth", remote=True)),
    on_the_way("Auth", entity("Auth"), entity("deserialize", ("ValueError", "bad"), DENIED)),
    on_the_way("traces", type="AWS::DynamoDB", inferred=True),
)
SLOW_CAUSE = cause(
    on_the_way(
        "GetWeatherData",
        entity("GetWeatherData", coverage=1.0),
        entity("get_temperature", coverage=0.8),
    ),
    on_the_way("GetTemperature", entity("GetTemperature", coverage=0.9)),
)
REMOTE_CAUSE = cause(
    on_the_way("web", entity("web", coverage=1.0), entity("traces", remote=True, coverage=0.75)),
    on_the_way("table", type="AWS::DynamoDB", inferred=True),
)
BROKEN = of(FAULT, causes={"fault": [FAULT_CAUSE]})
SLOW = of(OK, causes={"responsetime": [SLOW_CAUSE]})
SLOW_REMOTE = of(OK, causes={"responsetime": [REMOTE_CAUSE]})
LONG_WAY = of(FAULT, causes={"fault": [cause(*[on_the_way(f"s{n}") for n in range(7)])]})
PLAIN = of(OK, causes={})

SLOW_JSON = """rootcause.json = #[{ "Services": [ { "Name": "GetWeatherData", "EntityPath":
    [{ "Name": "GetWeatherData" }, { "Name": "get_temperature" } ] }, { "Name": "GetTemperature",
    "EntityPath": [ { "Name": "GetTemperature" } ] } ] }]"""
V2 = "http://api.example.com/v2/users"

# Expression, a trace that matches, one that doesn't. First every form of the X-Ray guide.
EXAMPLES = [
    ("responsetime > 5", of(lasting(6)), of(lasting(5))),
    ("duration >= 5 AND duration <= 8", of(lasting(8)), of(lasting(9))),
    ("ok", PLAIN, of(FAULT)),
    ("!ok", of(ERROR), PLAIN),
    ("ok = false", of(FAULT), PLAIN),
    ("error", of(ERROR), of(FAULT)),
    ("throttle", of(THROTTLED), of(ERROR)),
    ("fault", of(FAULT), of(SWALLOWED)),
    ("partial", of(RUNNING), PLAIN),
    ("inferred", of(SWALLOWED), PLAIN),
    ("ok !partial duration <3", of(lasting(2)), of(lasting(3))),
    ("http.status != 200", of(ERROR), PLAIN),
    ('http.url CONTAINS "/api/game/"', of(requested("http://a/api/game/1")), PLAIN),
    ("http.url", PLAIN, of(segment())),
    ('http.method = "GET"', of(requested(method="GET")), of(requested(method="get"))),
    ('http.useragent BEGINSWITH "curl"', of(requested(user_agent="curl/8")), PLAIN),
    ('http.clientip ENDSWITH ".7"', of(requested(client_ip="10.0.0.7")), PLAIN),
    ("http.url AND responseTime > 2", of({**OK, "end_time": START + 3}), of(lasting(3))),
    ('user CONTAINS ""', of(segment(user="")), of(segment())),
    ('user = "alice"', of(segment(user="alice")), of(segment(user="Alice"))),
    ('user != "alice"', of(segment(user="bob")), of(segment())),
    ('name = "api.example.com"', PLAIN, of(segment("other"))),
    ('type ENDSWITH "Function"', of(lambda_segment(FUNCTION)), of(lambda_segment("AWS::Lambda"))),
    (
        'availabilityzone = "us-west-2c"',
        of(segment(aws={"ec2": {"availability_zone": "us-west-2c"}})),
        of(segment(aws={"ec2": {"availability_zone": "us-west-2b"}})),
    ),
    (
        'instance.id = "i-1"',
        of(segment(aws={"ec2": {"instance_id": "i-1"}})),
        of(segment(aws={"ec2": {"instance_id": "i-2"}})),
    ),
    ('resource.arn BEGINSWITH "arn:"', of(segment(resource_arn="arn:aws:x")), PLAIN),
    ('service("api.example.com") { fault }', of(FAULT), of(SWALLOWED)),
    ("service() { fault }", of(SWALLOWED), PLAIN),
    (
        'service("data-plane") {root = true and fault = true}',
        of(segment("data-plane", fault=True)),
        of(segment(), segment("data-plane", 2, 3, fault=True), segment("x", 3, 1)),
    ),
    (
        'service("db"){ remote inferred !root http.status = 500 }',
        of(segment(subsegments=[called("db", 2, http={"response": {"status": 500}})])),
        of(SWALLOWED),
    ),
    (
        'service(id(name: "db", type: "Database::SQL")) { remote inferred }',
        of(segment(subsegments=[called("db", 2, sql={"database_type": "SQLite"})])),
        of(segment(subsegments=[called("db", 2)])),
    ),
    (
        'edge("api.example.com", "backend.example.com") { error }',
        of(segment(subsegments=[called("backend.example.com", 2, error=True)])),
        of(segment(error=True, subsegments=[called("backend.example.com", 2)])),
    ),
    (
        'http.url BEGINSWITH "http://api.example.com/" AND http.url CONTAINS "/v2/" '
        'AND !service("api.example.com")',
        of({**requested(V2), "name": "proxy"}),
        of(requested(V2)),
    ),
    ('service("random-name") { error }', of(lambda_segment("AWS::Lambda", error=True)), of(ERROR)),
    (
        f'service(id(name: "random-name", type: "{FUNCTION}")) {{ error }}',
        of(lambda_segment(FUNCTION, error=True)),
        of(lambda_segment("AWS::Lambda", error=True)),
    ),
    (
        f'service(id(type: "{FUNCTION}")) {{ error }}',
        of(lambda_segment(FUNCTION, error=True)),
        of(lambda_segment("AWS::Lambda", error=True)),
    ),
    (
        'service(id(account.id: "123"))',
        of(segment(aws={"account_id": "123"})),
        of(segment(aws={"account_id": "124"})),
    ),
    (
        'service(id(type: "AWS::DynamoDB::Table")) { throttle }',
        of(
            segment(
                subsegments=[
                    subsegment(
                        "DynamoDB",
                        2,
                        namespace="aws",
                        aws={"table_name": "t"},
                        error=True,
                        throttle=True,
                    )
                ]
            )
        ),
        of(THROTTLED),
    ),
    (
        'edge(id(name: "random-name", type: "AWS::Lambda"), id(type: "remote")) { responsetime < 2 }',
        of(lambda_segment("AWS::Lambda", subsegments=[called("db", 2)])),
        of(lambda_segment("AWS::Lambda", subsegments=[called("db", 2, end_time=START + 2)])),
    ),
    ('edge(, "db")', of(SWALLOWED), PLAIN),
    ('edge("api.example.com")', of(SWALLOWED), of(segment("other"))),
    ('service(id(type: "client")) { fault }', of(FAULT), of(SWALLOWED)),
    ('edge(id(type: "client"), "api.example.com") { ok }', PLAIN, of(FAULT)),
    ('annotation.gameid = "817DL6VO"', of(annotated(gameid="817DL6VO")), of(annotated(gameid="x"))),
    ("annotation.age", of(annotated(age=0)), PLAIN),
    ("!annotation.age", PLAIN, of(annotated(age=0))),
    ("annotation.age > 29", of(annotated(age=29.5)), of(annotated(age="30"))),
    ("annotation.age != 29", of(annotated(age=30)), PLAIN),
    ("annotation.flag", of(annotated(flag=True)), of(annotated(flag=False))),
    ("annotation.flag = true", of(annotated(flag=True)), of(annotated(flag=1))),
    ("annotation.flag != true", of(annotated(flag=False)), of(annotated(flag="true"))),
    ("annotation.flag = 1", of(annotated(flag=1)), of(annotated(flag=True))),
    ('annotation.key CONTAINS "b"', of(annotated(key="abc")), of(annotated(key="ABC"))),
    (
        'annotation[aws.local.operation] = "GET /api/orders"',
        of(annotated(**{"aws.local.operation": "GET /api/orders"})),
        PLAIN,
    ),
    (
        'Annotation["a]b"] = inner',
        of(segment(subsegments=[subsegment("f", 2, annotations={"a]b": "inner"})])),
        PLAIN,
    ),
    ('rootcause.fault.entity { last and name = "deserialize" }', BROKEN, of(FAULT)),
    (
        'rootcause.responsetime.entity { remote and coverage > 0.7 and name = "traces" }',
        SLOW_REMOTE,
        SLOW,
    ),
    (
        'rootcause.fault.service { inferred and name = traces and type = "AWS::DynamoDB" }',
        BROKEN,
        LONG_WAY,
    ),
    ("rootcause.fault.service { index > 5 }", LONG_WAY, BROKEN),
    ("rootcause.responsetime.entity { last and coverage > 0.8 }", SLOW, SLOW_REMOTE),
    ('rootcause.fault.service { name = "Auth" }', BROKEN, LONG_WAY),
    ('rootcause.responsetime.service { last and type = "AWS::DynamoDB" }', SLOW_REMOTE, SLOW),
    (
        "rootcause.fault.exception "
        '{ last and message = "Access Denied for account_id: 1234567890" }',
        BROKEN,
        LONG_WAY,
    ),
    ('rootcause.fault.exception { first name = "ValueError" }', BROKEN, LONG_WAY),
    ("rootcause.error.service", of(ERROR, causes={"error": [FAULT_CAUSE]}), BROKEN),
    (SLOW_JSON, SLOW, SLOW_REMOTE),
    ('rootcause.json = #[{"ClientImpacting": true}, {}]', SLOW, PLAIN),
    # Precedence, grouping, spelling.
    ("fault OR error AND partial", of(FAULT), of(ERROR)),
    ("(fault OR error) AND partial", of({**RUNNING, "error": True}), of(FAULT)),
    ("!fault error", of(ERROR), of(FAULT)),
    ("!(fault OR error)", PLAIN, of(ERROR)),
    ("!!fault", of(FAULT), PLAIN),
    ("FAULT Or Error", of(ERROR), PLAIN),
    ('fault = "True"', of(FAULT), PLAIN),
    ("fault\n  !=\n false", of(FAULT), PLAIN),
    ("duration > 1e0", of(lasting(1.5)), of(lasting(1))),
    ("name = 404", of(segment("404")), PLAIN),
    ("name != ok", PLAIN, of(segment("ok"))),
    (r'user = "a\"b\\c\d"', of(segment(user=r'a"b\c\d')), PLAIN),
    ('user = "größe 100% [a-z]*_?"', of(segment(user="größe 100% [a-z]*_?")), PLAIN),
]


@pytest.mark.parametrize(
    ("expression", "matching", "other"), EXAMPLES, ids=[e[0] for e in EXAMPLES]
)
def test_an_example_finds_one_trace_and_not_the_other(expression, matching, other):
    filter = parse(expression)
    assert filter.matches(matching)
    assert not filter.matches(other)
    assert parse(format(filter)) == filter


@pytest.mark.parametrize("text", ["", " ", "\n\t"])
def test_the_empty_expression_matches_everything(text):
    assert parse(text).matches(PLAIN)
    assert parse(text).matches(of(RUNNING))
    assert format(parse(text)) == ""


def test_words_side_by_side_mean_and_which_binds_tighter_than_or():
    ok, error, fault = (Is(Keyword(name)) for name in ("ok", "error", "fault"))
    assert parse("ok error OR !fault").tree == Or((And((ok, error)), Not(fault)))
    assert parse("ok AND (error OR fault)").tree == And((ok, Or((error, fault))))
    assert parse("ok error") == parse("ok AND error")


def test_a_missing_value_makes_each_comparison_false_and_its_negation_true():
    for comparison in ("http.status = 200", "http.status != 200", 'user != "x"'):
        assert not parse(comparison).matches(of(segment()))
        assert parse(f"!({comparison})").matches(of(segment()))


def test_one_of_several_values_is_enough():
    trace = of(segment(user="a"), segment("b", 2, 3, user="b"))
    for expression in ('user = "a"', 'user = "b"', 'user != "a"'):
        assert parse(expression).matches(trace)


def test_a_block_is_asked_of_one_part_at_a_time():
    trace = of(
        segment(subsegments=[called("db", 2, fault=True), called("db", 3, end_time=START + 5)])
    )
    assert parse('service("db") { fault } service("db") { duration > 2 }').matches(trace)
    assert not parse('service("db") { fault AND duration > 2 }').matches(trace)


def test_a_subsegment_without_its_segment_is_no_service():
    assert not parse("service()").matches(of({**segment(parent=9), "type": "subsegment"}))


def test_entities_are_counted_from_the_entry_point_through_all_services():
    names = ["api", "auth", "Auth", "deserialize"]
    for index, name in enumerate(names):
        found = parse(f'rootcause.fault.entity {{ index = {index} name = "{name}" }}')
        assert found.matches(BROKEN)
    assert parse('rootcause.fault.entity { first name = "api" }').matches(BROKEN)
    assert not parse('rootcause.fault.entity { last name = "auth" }').matches(BROKEN)


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("[]", True),
        ("[{}]", True),
        ('[{"Services": []}]', False),  # a list is compared whole
        ('[{"ClientImpacting": 1}]', False),
        ('[{"Nonsense": null}]', True),
        ('[{"Nonsense": 1}]', False),
        (
            '[{"Services": [{"Inferred": false, "Type": null}, {"Names": ["GetTemperature"]}]}]',
            True,
        ),
        ('[{"Services": [{}, {"EntityPath": [{"Coverage": 0.9}]}]}]', True),
        ('[{"Services": [{}, {"EntityPath": [{"Coverage": 9e-1, "Remote": true}]}]}]', False),
        ('[{"Services": [{"Name": "Get\\u0057eatherData"}, {}]}]', True),
    ],
)
def test_root_cause_json_compares_what_is_given(pattern, matches):
    assert parse(f"rootcause.json = #{pattern}").matches(SLOW) is matches


def test_an_account_id_may_be_written_as_a_number():
    service = on_the_way("a")._replace(node=on_the_way("a").node._replace(account_id="123"))
    trace = of(OK, causes={"error": [cause(service)]})
    assert parse('rootcause.json = #[{"Services": [{"AccountId": 123}]}]').matches(trace)
    assert not parse('rootcause.json = #[{"Services": [{"AccountId": 12}]}]').matches(trace)


# -- what is wrong


ERRORS = [
    ("foo", 0, "unknown keyword foo"),
    ("ok AND falt", 7, "unknown keyword falt; did you mean fault?"),
    ("responsetime 5", 13, "expected an operator, AND or OR, not 5"),
    ("ok AND", 6, "expected a keyword, but the expression ends here"),
    ("AND ok", 0, "expected a keyword, not AND"),
    ("fault OR OR ok", 9, "expected a keyword, not OR"),
    ("ok CONTAINS x", 3, "expected an operator, AND or OR, not CONTAINS"),
    ("ok = 1", 5, "expected true or false, not 1"),
    ("ok > 1", 3, "expected an operator, AND or OR, not '>'"),
    ('responsetime > "5"', 15, "expected a number, not '\"5\"'"),
    ("responsetime > 5x", 15, "expected a number, not 5x"),
    ("responsetime > 1e999", 15, "expected a number, not 1e999"),
    ("responsetime > 5.", 15, "expected a number, not 5."),
    ("user CONTAINS", 13, "expected a string, but the expression ends here"),
    ("user = AND ok", 7, "expected a string, not AND"),
    ('user > "a"', 5, "expected an operator, AND or OR, not '>'"),
    ("annotation.age <", 16, "expected a number, but the expression ends here"),
    ("annotation = 1", 10, "expected a key: annotation.key or annotation[key]"),
    ("annotation[ ] = 1", 10, "expected a key: annotation.key or annotation[key]"),
    ('annotation[""] = 1', 0, "an annotation's key is empty"),
    ("(fault", 6, 'expected an operator, AND, OR or ")", but the expression ends here'),
    ("fault)", 5, "expected an operator, AND or OR, not ')'"),
    ("()", 1, "expected a keyword, not ')'"),
    ("service", 7, 'expected "(", but the expression ends here'),
    ("service(fault)", 8, 'expected a string, id() or ")", not fault'),
    ('service("a") { }', 15, "expected a keyword, not '}'"),
    (
        'service("a") { fault',
        20,
        'expected an operator, AND, OR or "}", but the expression ends here',
    ),
    ('service("a", "b")', 11, "expected \")\", not ','"),
    ('edge("a" "b")', 9, 'expected "," or ")", not \'"b"\''),
    ("service(id())", 11, "expected name:, type: or account.id:, not ')'"),
    ('service(id(nme: "x"))', 11, "id() takes name, type and account.id, not 'nme'"),
    ('service(id(name "x"))', 16, 'expected ":", not \'"x"\''),
    ('service(id(name: "x", name: "y"))', 22, "name is given twice"),
    ('id(name: "x")', 0, "expected a keyword, not id"),
    ('group.name != "x"', 11, "expected \"=\", not '!='"),
    ("rootcause.json = [{}]", 17, "expected #[…], a JSON array, not '['"),
    ("rootcause.json = #[1]", 19, 'expected "{" or "]", not 1'),
    (
        "rootcause.json = #[{x: 1}]",
        20,
        'expected a member\'s name in quotation marks or "}", not x',
    ),
    ('rootcause.json = #[{"x": }]', 25, "expected a JSON value, not '}'"),
    ('rootcause.json = #[{"x": NaN}]', 25, "expected a JSON value, not NaN"),
    ('rootcause.json = #[{"x": "\\d"}]', 25, "this string isn't valid JSON"),
    ("rootcause.responsetime.exception", 0, "root causes of response time have no exceptions"),
    ('user = "alice', 7, "this string has no closing quotation mark"),
    ("user = 'alice'", 7, 'unexpected "\'": strings stand in double quotation marks: "…"'),
    ("fault && error", 6, "unexpected '&': write AND"),
    ("fault || error", 6, "unexpected '|': write OR"),
    (
        'service("a") { annotation.x = 1 }',
        15,
        "annotation can't be used inside service() { }: annotations are of the whole trace; "
        "write it beside: service(…) AND annotation.x",
    ),
    ('edge("a", "b") { annotation[x] }', 17, "annotation can't be used inside edge() { }"),
    ("rootcause.fault.service { annotation.x }", 26, "annotation can't be used inside rootcause.…"),
    ("coverage > 0.5", 0, "coverage can't be used outside braces, only inside rootcause.… { }"),
    ("root", 0, "root can't be used outside braces, only inside service() { }"),
    ('service("a") { last }', 15, "last can't be used inside service() { }, only inside rootcause"),
    (
        "edge() { http.status = 200 }",
        9,
        "http.status can't be used inside edge() { }, only outside",
    ),
    ('service("a") { service("b") }', 15, "service can't be used inside service() { }"),
    ('service("a") { group.name = "g" }', 15, "it describes the whole trace"),
]


@pytest.mark.parametrize(("text", "position", "message"), ERRORS, ids=[e[0] for e in ERRORS])
def test_an_error_says_where_and_what_was_expected(text, position, message):
    with pytest.raises(FilterError) as raised:
        parse(text)
    error = raised.value
    assert error.message.startswith(message) or error.message.endswith(message)
    assert (error.position, error.line, error.column) == (position, 1, position + 1)
    assert str(error) == f"{error.message} (line 1, column {position + 1})"


def test_an_error_says_the_line_and_the_column():
    with pytest.raises(FilterError) as raised:
        parse("ok\n\nAND  falt\n")
    assert (raised.value.position, raised.value.line, raised.value.column) == (9, 3, 6)
    assert pickle.loads(pickle.dumps(raised.value)).line == 3


@pytest.mark.parametrize(
    "sign", ["(", "!(", "service() {", "!", "rootcause.json = #[{", "annotation["]
)
@pytest.mark.parametrize("count", [33, 400, 4_999, 10_000])
def test_depth_and_length_end_in_an_error(sign, count):
    with pytest.raises(FilterError):
        parse(sign * count)
    with pytest.raises(FilterError):
        parse(sign * count + "ok" + ")" * count)
    with pytest.raises(FilterError):
        parse("rootcause.json = #[{" + '"a":[' * count + "]" * count + "}]")


def test_an_expression_has_at_most_so_many_characters():
    assert parse("ok".ljust(MAX_CHARACTERS)) == parse("ok")
    with pytest.raises(FilterError, match="longer than 5000 characters"):
        parse("ok".ljust(MAX_CHARACTERS + 1))


@pytest.mark.parametrize("value", ["\\", '\\"', "\\\\", 'a\\\\"', "\n"])
def test_quotation_marks_and_backslashes_are_written_so_that_they_read_the_same(value):
    filter = Filter(Text(Keyword("user"), "=", value))
    assert parse(format(filter)) == filter
    assert filter.matches(of(segment(user=value)))


def test_the_deepest_and_the_longest_expressions_are_evaluated():
    deep = "!(ok OR fault AND " * 31 + "ok" + ")" * 31
    wide = " ".join(["ok"] * 1_600)
    for text in (deep, wide, "!" * 4_998 + "ok"):
        filter = parse(text)
        filter.matches(PLAIN)
        assert parse(format(filter)) == filter
        assert hash(filter) == hash(parse(text))
        repr(filter.tree)


# -- groups


GROUPS = {
    "slow": parse("responsetime > 3"),
    "arn:aws:xray:r:1:group/slow/X": parse("responsetime > 3"),
    "slow faults": parse('group.name = "slow" AND fault'),
    "all": parse(""),
    "itself": parse('group.name = "round"'),
    "round": parse('ok OR group.name = "itself"'),
}
SLOW_ALICE = of(segment(user="alice", end_time=START + 4))


@pytest.mark.parametrize(
    ("expression", "matches"),
    [
        ('group.name = "slow" AND user = "alice"', True),
        ("Group.Name = slow", True),
        ('group.arn = "arn:aws:xray:r:1:group/slow/X"', True),
        ('!group.name = "slow"', False),
        ('group.name = "slow faults"', False),
        ("group.name = all", True),
    ],
)
def test_a_group_stands_for_its_expression(expression, matches):
    assert parse(expression).matches(SLOW_ALICE, GROUPS) is matches
    assert parse(expression).resolve(GROUPS).matches(SLOW_ALICE) is matches


@pytest.mark.parametrize(
    ("expression", "groups", "message"),
    [
        ("ok AND group.name = nobody", GROUPS, "there is no group 'nobody'"),
        ("ok AND group.name = slow", None, "there is no group 'slow'"),
        (
            "ok AND group.name = round",
            GROUPS,
            "the group 'round' is defined by itself: round -> itself -> round",
        ),
    ],
)
def test_a_group_that_cannot_be_resolved_is_an_error_at_its_place(expression, groups, message):
    with pytest.raises(FilterError) as raised:
        parse(expression).matches(PLAIN, groups)
    assert (raised.value.message, raised.value.position) == (message, 7)


def test_groups_of_groups_have_a_limit():
    doubling = {f"g{n}": parse(f"group.name = g{n + 1} group.name = g{n + 1}") for n in range(40)}
    chain = {f"g{n}": parse(f"!(group.name = g{n + 1})") for n in range(900)}
    names = {f"g{n}": parse(f"group.name = g{n + 1}") for n in range(900)}
    for groups in (doubling, chain, names):
        with pytest.raises(FilterError, match="with its groups, the expression is too large"):
            parse("group.name = g0").matches(
                PLAIN, {"g40": parse("ok"), "g900": parse("ok"), **groups}
            )


# -- and besides


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        ('service("a")', Service(Selector("a"))),
        ('id(name: "a", type: "AWS::X")', Service(Selector("a", "AWS::X"))),
        ('edge(id(account.id: "1"), "b")', Edge(Selector(account_id="1"), Selector("b"))),
    ],
)
def test_an_entity_selector_selects_nodes_or_edges(text, selected):
    assert parse_selector(text) == selected


@pytest.mark.parametrize("text", ["", "fault", 'service("a") AND fault', "id()"])
def test_an_entity_selector_is_nothing_else(text):
    with pytest.raises(FilterError):
        parse_selector(text)


def test_filters_are_values():
    filter = parse('service( "a" ){FAULT}')
    assert filter == parse('service("a") { fault }') == pickle.loads(pickle.dumps(filter))
    assert len({filter, parse('service("a") { fault }'), parse("fault")}) == 2
    assert parse("annotation.x = 1") != parse("annotation.x = true")
    assert repr(parse("ok")) == "<Filter 'ok'>"
    assert format(filter) == 'service("a") { fault }'


def test_importing_filters_does_not_load_the_parser_library():
    code = (
        "import sys, xtrace.collector.filters as f; assert 'lark' not in sys.modules; f.parse('ok')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
