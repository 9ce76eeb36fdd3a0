"""What is read of trace headers, and what is written again."""

from __future__ import annotations

import pytest

from xtrace.header import (
    MAX_EXTRA_CHARS,
    MAX_HEADER_CHARS,
    NO_HEADER,
    TraceHeader,
    extract,
    parse,
    parse_traceparent,
    traceparent,
)

ROOT = "1-5759e988-bd862e3fe1be46a994272793"
PARENT = "53995c3f42cd8ad8"
USUAL = f"Root={ROOT};Parent={PARENT};Sampled=1"
SELF = "1-67891234-12456789abcdef012345678a"
W3C = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01"
NO_TRACE = "1-00000000-000000000000000000000000"
NO_PARENT = "0" * 16


@pytest.mark.parametrize(
    ("value", "root", "parent", "sampled", "asks", "extra"),
    [
        (USUAL, ROOT, PARENT, True, False, None),
        (f"Root={ROOT};Parent={PARENT};Sampled=0", ROOT, PARENT, False, False, None),
        (f"Sampled=0;Parent={PARENT};Root={ROOT}", ROOT, PARENT, False, False, None),
        (f"  Root = {ROOT} ; Parent= {PARENT};Sampled =1 ", ROOT, PARENT, True, False, None),
        (USUAL + ";", ROOT, PARENT, True, False, None),
        (f";;{USUAL};;", ROOT, PARENT, True, False, None),
        (USUAL + ";junk", ROOT, PARENT, True, False, None),
        (f"Root={ROOT}", ROOT, None, None, False, None),
        (f"Root={ROOT};Sampled=?", ROOT, None, None, True, None),
        (f"Root={ROOT};Parent={PARENT};Sampled=?", ROOT, PARENT, None, True, None),
        (f"Root={ROOT};Sampled=", ROOT, None, None, False, None),
        (f"Root={ROOT};Sampled=yes", ROOT, None, None, False, None),
        (f"Root={ROOT};Parent=123;Sampled=1", ROOT, None, True, False, None),
        (f"Root={ROOT};Parent={PARENT}0;Sampled=1", ROOT, None, True, False, None),
        (f"Self={SELF};{USUAL}", ROOT, PARENT, True, False, None),
        (
            USUAL + ";Lineage=a87bd80c:1|68fd508a:5|c512fbe3:2",
            ROOT,
            PARENT,
            True,
            False,
            {"Lineage": "a87bd80c:1|68fd508a:5|c512fbe3:2"},
        ),
        (
            USUAL + ";CalledFrom=app=1 2;Other=",
            ROOT,
            PARENT,
            True,
            False,
            {"CalledFrom": "app=1 2", "Other": ""},
        ),
        ("Sampled=0", None, None, False, False, None),
        (f"Parent={PARENT};Sampled=1", None, None, True, False, None),
        (f"Root={NO_TRACE};Parent={NO_PARENT};Sampled=0", None, None, False, False, None),
        (f"Root={ROOT};Parent={NO_PARENT};Sampled=1", ROOT, None, True, False, None),
        (f"Root={NO_TRACE};Parent={PARENT}", None, None, None, False, None),
        (
            "Root=1-5759E988-BD862E3FE1BE46A994272793;Sampled=1",
            "1-5759E988-BD862E3FE1BE46A994272793",
            None,
            True,
            False,
            None,
        ),
    ],
)
def test_a_header_says(value, root, parent, sampled, asks, extra):
    assert parse(value) == TraceHeader(root, parent, sampled, asks, extra)


def test_leading_zeros_that_the_time_part_lost_come_back():
    short = parse(f"Root=1-9e988-{ROOT[11:]};Sampled=1")
    assert short.root == f"1-0009e988-{ROOT[11:]}"


@pytest.mark.parametrize(
    "root",
    [
        "",
        "junk",
        ROOT[:-1],
        ROOT + "0",
        "2" + ROOT[1:],
        "1-" + ROOT[2:].replace("b", "g"),
        "1--" + ROOT[11:],
        ROOT.replace("-", ""),
        "1-５759e988-bd862e3fe1be46a994272793",
    ],
)
def test_a_malformed_root_makes_the_whole_header_unreadable(root):
    assert parse(f"Root={root};Parent={PARENT};Sampled=1;Lineage=x") == NO_HEADER


@pytest.mark.parametrize(
    "value", [None, "", ";", " ", "junk", "=", b"Root=1", ["Root"], 7, "\x00", "é=1", "é" * 99]
)
def test_what_is_no_header_says_nothing(value):
    header = parse(value)
    assert not header
    assert (header.root, header.parent, header.sampled, header.asks) == (None, None, None, False)


def test_the_keys_of_fields_have_upper_and_lower_case():
    assert parse(f"root={ROOT};sampled=1").root is None


def test_ten_kilobytes_of_noise_are_no_header():
    assert parse(f"{USUAL};Noise={'x' * 10_000}") == NO_HEADER
    longest = USUAL + ";" * (MAX_HEADER_CHARS - len(USUAL))
    assert parse(longest).root == ROOT
    assert parse(longest + ";") == NO_HEADER


@pytest.mark.parametrize(
    "field",
    ["X=a\r\nSet-Cookie: b", "X=a\nb", "X=é", "X=a\x00b", "X\r\nY=a", "é=a", "a b=c", "=value"],
)
def test_what_could_harm_a_header_is_not_carried_on(field):
    header = parse(f"{USUAL};{field};Lineage=fine")
    assert str(header) == USUAL + ";Lineage=fine"


def test_more_unknown_fields_than_fit_are_not_carried_on():
    room = "x" * (MAX_EXTRA_CHARS - len("Lineage") - 2)
    assert parse(f"{USUAL};Lineage={room}").extra == {"Lineage": room}
    assert parse(f"{USUAL};Lineage={room}y") == parse(USUAL)


def test_the_first_of_two_equal_fields_counts():
    other = "1-00000001-000000000000000000000001"
    assert str(parse(f"{USUAL};Root={other};Sampled=0;X=1;X=2")) == USUAL + ";X=1"


def test_a_header_is_written_in_one_order():
    header = parse(f"Lineage=x;Sampled=1;Other=y;Parent={PARENT};Self={SELF};Root={ROOT}")
    assert str(header) == f"{USUAL};Lineage=x;Other=y"
    assert str(TraceHeader(ROOT, asks=True)) == f"Root={ROOT};Sampled=?"
    assert str(TraceHeader(ROOT, sampled=False)) == f"Root={ROOT};Sampled=0"
    assert str(NO_HEADER) == ""


def test_headers_that_say_the_same_are_equal():
    assert parse(USUAL) == parse(f" {USUAL}")
    assert hash(parse(USUAL + ";X=1")) == hash(parse(USUAL + "; X=1"))
    assert parse(USUAL) != parse(USUAL + ";X=1")
    assert parse(USUAL) != USUAL


@pytest.mark.parametrize("value", [USUAL, "Sampled=0", "Sampled=?", "Lineage=x"])
def test_a_header_that_says_something_is_true(value):
    assert parse(value)
    assert repr(parse(value)) == f"TraceHeader('{value}')"


# -- W3C ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True), ("03", True)])
def test_a_traceparent_is_the_same_trace_in_x_rays_form(flags, sampled):
    header = parse_traceparent(W3C[:-2] + flags, "a=1,b=2")
    assert header == TraceHeader(ROOT, PARENT, sampled, tracestate="a=1,b=2")


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "junk",
        b"00",
        7,
        W3C[:-1],
        W3C + "-extra",
        W3C.upper(),
        "ff" + W3C[2:],
        "zz" + W3C[2:],
        W3C.replace("5759e988bd862e3fe1be46a994272793", "0" * 32),
        W3C.replace(PARENT, "0" * 16),
        W3C + " " * 10_000,
    ],
)
def test_a_malformed_traceparent_says_nothing(value):
    assert parse_traceparent(value) == NO_HEADER


def test_a_later_version_of_traceparent_is_read_as_far_as_it_is_known():
    assert parse_traceparent("cc" + W3C[2:] + "-what-the-future-holds").root == ROOT
    assert parse_traceparent(f"  {W3C} ").parent == PARENT


@pytest.mark.parametrize("tracestate", ["a=é", "a=1\r\nX: y", "x" * 513, 7])
def test_a_tracestate_that_could_harm_is_not_carried_on(tracestate):
    assert parse_traceparent(W3C, tracestate) == parse_traceparent(W3C)


@pytest.mark.parametrize("sampled", [True, False])
def test_ids_become_a_traceparent_and_come_back(sampled):
    written = traceparent(ROOT.upper(), PARENT.upper(), sampled)
    assert written == W3C[:-1] + f"{sampled:d}"
    assert parse_traceparent(written) == TraceHeader(ROOT, PARENT, sampled)


# -- requests ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["X-Amzn-Trace-Id", "x-amzn-trace-id", "X-AMZN-TRACE-ID", "HTTP_X_AMZN_TRACE_ID"],
)
def test_the_header_is_found_by_a_name_in_any_case_and_in_a_wsgi_environ(name):
    assert extract({"Accept": "*/*", name: USUAL}) == parse(USUAL)


@pytest.mark.parametrize("names", [("traceparent", "tracestate"), ("Traceparent", "TraceState")])
def test_a_request_without_an_x_ray_header_is_continued_by_its_traceparent(names):
    header = extract({names[0]: W3C, names[1]: "a=1"})
    assert header == TraceHeader(ROOT, PARENT, True, tracestate="a=1")
    environ = {
        f"HTTP_{name.upper()}": value for name, value in zip(names, (W3C, "a=1"), strict=True)
    }
    assert extract(environ) == header


def test_an_x_ray_header_goes_before_a_traceparent():
    assert extract({"traceparent": W3C, "x-amzn-trace-id": "Sampled=0"}) == parse("Sampled=0")
    assert extract({"X-Amzn-Trace-Id": "Sampled=0", "traceparent": W3C}) == parse("Sampled=0")


@pytest.mark.parametrize("name", ["X-Amzn-Trace-Id", "x-amzn-trace-id"])
@pytest.mark.parametrize("value", ["junk", "Root=junk;Sampled=1", f"Self={SELF}"])
def test_an_unreadable_x_ray_header_does_not_hide_a_traceparent(name, value):
    assert extract({name: value, "traceparent": W3C}).root == ROOT


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Amzn-Trace-Id": None},
        {"X-Amzn-Trace-Id": b"Root=1"},
        {"X-Amzn-Trace-Id": ["Root=1"]},
        {"x-amzn-trace-id": 7, "traceparent": b"00"},
        {b"x-amzn-trace-id": USUAL, 7: USUAL, None: USUAL},
        {"wsgi.input": object(), "HTTP_HOST": "example.com"},
    ],
)
def test_a_request_without_a_readable_header_gives_none(headers):
    assert extract(headers) == NO_HEADER
