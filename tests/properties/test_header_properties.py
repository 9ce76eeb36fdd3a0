"""Headers: what is written is read again as the same, and nothing that is read raises or harms."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from xtrace.header import TraceHeader, extract, parse, parse_traceparent, traceparent

HEX = "0123456789abcdef"
OURS = ("Root", "Parent", "Sampled", "Self")


def hex_digits(count):
    return st.text(HEX, min_size=count, max_size=count).filter(lambda digits: digits.strip("0"))


roots = st.builds("1-{}-{}".format, hex_digits(8), hex_digits(24))
parents = hex_digits(16)
keys = st.text(HEX + "ghi-_.XYZ", min_size=1, max_size=12).filter(lambda key: key not in OURS)
printable = st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=";")
extras = st.dictionaries(keys, st.text(printable, max_size=40), max_size=5)


@st.composite
def headers(draw):
    root = draw(st.none() | roots)
    decision = draw(st.sampled_from([True, False, None, "?"]))
    return TraceHeader(
        root,
        draw(st.none() | parents) if root else None,
        None if decision == "?" else decision,
        decision == "?",
        draw(extras) or None,
    )


# What a stranger sends: pieces of real headers, and any text between them.
pieces = st.sampled_from(
    ["Root=", "Parent=", "Sampled=", "1-5759e988-bd862e3fe1be46a994272793", ";", "=", "\r\n", "1"]
)
noise = st.lists(pieces | roots | st.text(), max_size=12).map("".join)
values = noise | st.none() | st.binary() | st.integers() | st.lists(st.text())
names = st.sampled_from(
    ["X-Amzn-Trace-Id", "x-amzn-trace-id", "HTTP_X_AMZN_TRACE_ID", "traceparent", "Tracestate"]
)


def is_harmless(text):
    return text.isascii() and (text == "" or text.isprintable())


@given(headers())
def test_a_header_is_read_as_it_was_written(header):
    assert parse(str(header)) == header


@given(values)
def test_no_value_raises_and_what_is_carried_on_is_harmless(value):
    header = parse(value)
    assert is_harmless(str(header))
    assert parse(str(header)) == header


@given(st.text(HEX + "-f", max_size=60) | values, values)
def test_no_traceparent_raises(value, tracestate):
    header = parse_traceparent(value, tracestate)
    assert is_harmless(str(header))
    assert header.tracestate is None or is_harmless(header.tracestate)


@given(st.dictionaries(names | st.text() | st.integers(), values))
def test_no_request_raises(headers):
    assert is_harmless(str(extract(headers)))


@given(roots, parents, st.booleans())
def test_a_traceparent_and_back_is_the_same_trace(root, parent, sampled):
    assert parse_traceparent(traceparent(root, parent, sampled)) == TraceHeader(
        root, parent, sampled
    )
