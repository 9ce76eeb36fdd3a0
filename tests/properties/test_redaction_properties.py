"""Whatever a statement is made of: no secret stays, every name stays, and masking twice is masking once."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtrace import redaction

DIALECTS = ("standard", "postgresql", "mysql", "sqlite")

# A statement is a list of pieces: ("kept", text) stays, ("secret", function) goes. The function is
# given a marker that stands nowhere else, and gives the text with the marker inside.
inner = st.text("ab '\"\\`$[]()-/#:@?%;,\n0é", max_size=12)
kept = st.sampled_from(
    [
        *("select", "FROM", "t2", "größe", "_a1", "x$1", "count(*)", ",", ";", "<>", "+"),
        *("?", "?1", ":name", ":12", "$1", "%s", "%(key)s", "@p1", "@name", "::text"),
    ]
)


def quoted(quote):
    """A name or string in which quotes are doubled."""
    return lambda text: quote + text.replace(quote, 2 * quote) + quote


def escaped(quote):
    """A string in which quotes and backslashes have a backslash before them."""
    return lambda text: quote + re.sub(rf"[{quote}\\]", r"\\\g<0>", text) + quote


def comment(text):
    return f"/* {text} */"


def line_comment(start):
    return lambda text: f"{start} " + text.replace("\n", " ") + "\n"


def dollar_quoted(tag):
    return lambda text: f"${tag}$" + text.replace("$", "") + f"${tag}$"


def nested(text):
    return f"/* ' /* -- {text} */ {text} */"


def after(before, write):
    return lambda text: before + write(text)


def closed(write):
    """A string with a comma: one that follows on the next line would go on with its escapes."""
    return lambda text: write(text) + ","


ALL = [comment, line_comment("--"), quoted("'"), after("N", quoted("'")), after("x", quoted("'"))]
POSTGRESQL = [
    *ALL,
    *(nested, dollar_quoted(""), dollar_quoted("tag")),
    *(closed(after(each, escaped("'"))) for each in "Ee"),
    after("U&", quoted("'")),
]
SECRETS = {
    "standard": POSTGRESQL,
    "postgresql": POSTGRESQL,
    "mysql": [
        *(comment, line_comment("--"), line_comment("#")),
        *(escaped("'"), escaped('"'), after("_utf8mb4", escaped("'"))),
    ],
    "sqlite": [
        *ALL,
        *(after(each, quoted('"')) for each in ("= ", "like ", "between ", "|| ", "= /* x */ ")),
        lambda text: f"values (1, {quoted(chr(34))(text)})",
    ],
}
NAMES = {
    "standard": [quoted('"')],
    "postgresql": [quoted('"')],
    "mysql": [quoted("`")],
    "sqlite": [after("from ", quoted('"')), quoted("`"), lambda t: f"[{t.replace(']', '')}]"],
}
NUMBERS = ["{}", "-{}", "{}.5", "0.{}", ".{}", "{}e5", "5E-{}", "0x{}", "1_{}", "= {}", "({})"]


def pieces(dialect):
    strings = st.tuples(st.sampled_from(SECRETS[dialect]), inner, inner).map(
        lambda p: ("secret", lambda mark: p[0](f"{p[1]}{mark}{p[2]}"))
    )
    numbers = st.sampled_from(NUMBERS).map(lambda form: ("secret", form.format))
    names = st.tuples(st.sampled_from(NAMES[dialect]), inner).map(lambda p: ("kept", p[0](p[1])))
    return st.lists(strings | numbers | names | kept.map(lambda text: ("kept", text)), max_size=12)


def assembled(pieces):
    """The statement, its markers, and what must stay."""
    texts, markers, stay = [], [], []
    for number, (kind, piece) in enumerate(pieces):
        if kind == "kept":
            texts.append(piece)
            stay.append(piece)
        else:
            markers.append(str(7_654_000 + number))
            texts.append(piece(markers[-1]))
    return texts, markers, stay


@pytest.mark.parametrize("dialect", DIALECTS)
@given(data=st.data())
def test_secrets_go_names_stay_and_once_is_enough(dialect, data):
    texts, markers, stay = assembled(data.draw(pieces(dialect)))
    statement = data.draw(st.sampled_from([" ", "\n", " \t "])).join(texts)
    masked = redaction.sql(statement, dialect)
    assert [marker for marker in markers if marker in masked] == []
    position = 0
    for text in stay:
        position = masked.index(text, position) + len(text)
    assert redaction.sql(masked, dialect) == masked


@pytest.mark.parametrize("dialect", DIALECTS)
@given(data=st.data())
def test_what_never_closes_is_masked_to_the_end(dialect, data):
    texts, markers, _ = assembled(data.draw(pieces(dialect)))
    opening = data.draw(st.sampled_from(["'", "/*", "`" if dialect == "mysql" else '"']))
    statement = " ".join([*texts, opening, "7654999", "secret"])
    masked = redaction.sql(statement, dialect)
    assert not any(marker in masked for marker in (*markers, "7654999", "secret"))


@pytest.mark.parametrize("dialect", DIALECTS)
@given(st.text("ab1 eExX_'\"\\`$[]()-/*#:@?%;,.=\n\ud800") | st.text())
def test_no_text_raises(dialect, text):
    assert isinstance(redaction.sql(text, dialect), str)
    assert isinstance(redaction.url(text), str)


parts = st.text("abc019._~%", min_size=1, max_size=8)
secret_parts = st.text("abc019._~%!$&'()*+,;=:@", max_size=8)


@given(parts, secret_parts, parts, secret_parts, secret_parts)
def test_a_url_keeps_its_host_and_path_and_no_secret(host, password, path, query, fragment):
    value = f"https://user:{password}7654321@{host}:80/{path}?{query}7654321#{fragment}7654321"
    assert redaction.url(value) == f"https://{host}:80/{path}"
