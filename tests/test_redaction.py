"""What is left of SQL and URLs: everything but the values, the comments and the secrets."""

from __future__ import annotations

import time

import pytest

from xtrace import redaction
from xtrace.redaction import (
    MAX_STATEMENT_CHARS,
    MYSQL_PLAIN,
    POSTGRESQL_ESCAPED,
    sql,
    url,
    without_credentials,
)

DIALECTS = ("standard", "postgresql", "mysql", "sqlite")
ALL_DIALECTS = (*DIALECTS, POSTGRESQL_ESCAPED, MYSQL_PLAIN)


@pytest.mark.parametrize("dialect", [*ALL_DIALECTS, "never heard of"])
@pytest.mark.parametrize(
    ("statement", "masked"),
    [
        ("", ""),
        ("select a, b from t", "select a, b from t"),
        ("select 'text'", "select ?"),
        ("select 'it''s', '', 'x'", "select ?, ?, ?"),
        ("select 'text", "select ?"),
        ("select 'text''", "select ?"),
        ("select 1, -2, 3.5, .5, 1e5, 1.5E-3, 7.", "select ?, -?, ?, ?, ?, ?, ?"),
        ("select 0xFF, 1_000, 0b01, 0x_F", "select ?, ?, ?, ?"),
        ("select 1..20", "select ?"),
        ("select x'41', X'41'", "select ?, ?"),
        ("select t2.c3, _4, a5b from t6", "select t2.c3, _4, a5b from t6"),
        ("select a1, größe2", "select a1, größe2"),
        ("where a=1 and b>2and c<>3", "where a=? and b>? c<>?"),
        ("limit 10 offset 20;", "limit ? offset ?;"),
        ("values (1,'a'),(2,'b')", "values (?,?),(?,?)"),
        ("a = ? and b = ?1 and c = :name", "a = ? and b = ?1 and c = :name"),
        ("a = $1 and b = %s and c = %(key)s", "a = $1 and b = %s and c = %(key)s"),
        ("a = @p1 and b = :1 and c = @name", "a = @p1 and b = :1 and c = @name"),
        ("select a /* 'x' 1 */ from t", "select a   from t"),
        ("select a -- 'x' 1\nfrom t", "select a  \nfrom t"),
        ("select a /* x", "select a  "),
        ("select '/* x */', '-- x'", "select ?, ?"),
        ("  select\n\ta ", "  select\n\ta "),
        ("select 'größe', '商店'", "select ?, ?"),
    ],
)
def test_literals_and_comments_go_and_the_rest_stays(dialect, statement, masked):
    assert sql(statement, dialect) == masked


@pytest.mark.parametrize("dialect", ["standard", "postgresql"])
@pytest.mark.parametrize(
    ("statement", "masked"),
    [
        (r"select E'it\'s', e'\\', 'a\'", "select ?, ?, ?"),
        ("select N'a', n'b', U&'c', B'01'", "select ?, ?, ?, ?"),
        ("select $$secret$$, $tag$a $$ b$tag$", "select ?, ?"),
        ("select $tag$never closed $$", "select ?"),
        ("select a$b$c from t$1", "select a$b$c from t$1"),
        ('select "Name 1", "it""s 2"', 'select "Name 1", "it""s 2"'),
        ('select "never closed 1', "select ?"),
        ('select "never closed""', "select ?"),
        ("select a[1], a[2:3], a[:4], a[i:j]", "select a[?], a[?:?], a[:?], a[i:j]"),
        ("select a[1 :2], a[$1], a[:n]", "select a[? :?], a[$1], a[:n]"),
        ("select E'a'\n'b\\'c', d", "select ?, d"),
        ("select e'a' -- 'x'\n -- y\n\t'b\\'c', d", "select ?, d"),
        ("select 'a'\n'b\\', d", "select ?\n?, d"),
        ("select U&'d!0061' UESCAPE '!', U&\"a\"", 'select ? UESCAPE ?, U&"a"'),
        ("select '1'::int, a::text", "select ?::int, a::text"),
        ("select /* a /* b */ secret */ c", "select   c"),
        ("select /* ' /* ' */ secret */ c", "select   c"),
        ("select /* it's */ a /* -- */ b", "select   a   b"),
        ("select '/*' /* x */, $$/*$$ -- /*\n, a", "select ?  , ?  \n, a"),
        ('select "/*", a /* b', 'select "/*", a  '),
        ("select /* a /* b */ never closed", "select  "),
        ("select '{}'::jsonb @> $1", "select ?::jsonb @> $1"),
    ],
)
def test_what_postgresql_adds_to_the_standard(dialect, statement, masked):
    assert sql(statement, dialect) == masked


@pytest.mark.parametrize(
    ("statement", "masked"),
    [
        ("select a -- 'x'\r, b", "select a  \r, b"),
        ("select @5, @ 5, @-5", "select @?, @ ?, @-?"),
    ],
)
def test_what_is_different_in_postgresql(statement, masked):
    assert sql(statement, "postgresql") == masked


@pytest.mark.parametrize(
    ("dialect", "statement", "masked"),
    [
        (POSTGRESQL_ESCAPED, r"select 'it\'s', U&'a', 'a\\', N'\'', x'41'", "select ?, ?, ?, ?, ?"),
        (POSTGRESQL_ESCAPED, r"select /* ' */ 'it\'s /*', b", "select   ?, b"),
        (MYSQL_PLAIN, "select 'a\\', 'b', \"c\\\", 'd'", "select ?, ?, ?, ?"),
        (MYSQL_PLAIN, "select 'it''s', \"a\"\"b\", `c`, 'never closed", "select ?, ?, `c`, ?"),
    ],
)
def test_settings_of_a_server_that_change_what_a_backslash_means(dialect, statement, masked):
    assert sql(statement, dialect) == masked


@pytest.mark.parametrize(
    ("statement", "masked"),
    [
        (r"select 'it\'s', 'a\\', 'b'", "select ?, ?, ?"),
        ("select a --\x01'x'\n, b", "select a  \n, b"),
        (r'select "it\"s", "a""b", `c 1`, `d``2`', "select ?, ?, `c 1`, `d``2`"),
        ("select _utf8mb4'a', N'b', 0x41, x'41'", "select _utf8mb4?, ?, ?, ?"),
        ("select _a 'b'", "select _a ?"),
        ("select 'never closed \\", "select ?"),
        ('select "never closed', "select ?"),
        ("select `never closed 'a'", "select ?"),
        ("select a # 'x'\nfrom t", "select a  \nfrom t"),
        ("select a-- 'x'\n, 1--2", "select a \n, ?--?"),
        ("select a --", "select a  "),
        ("select /* a /* b */ c", "select   c"),
        ("select /*! secret */ a", "select   a"),
        ("set @a = 1, @@session.b = 'x'", "set @a = ?, @@session.b = ?"),
    ],
)
def test_what_is_different_in_mysql(statement, masked):
    assert sql(statement, "mysql") == masked


@pytest.mark.parametrize(
    ("statement", "masked"),
    [
        (r"select 'a\', 'b'", "select ?, ?"),
        ('select "a 1", [b 2], `c 3` from "t"', 'select "a 1", [b 2], `c 3` from "t"'),
        ('select "a', "select ?"),
        ("select [a 'x'", "select ?"),
        ("select `a 'x'", "select ?"),
        ('where a = "x" and "b" <> "y"', 'where a = ? and "b" <> ?'),
        ('where a like "x%" or a GLOB "y*"', "where a like ? or a GLOB ?"),
        ('where a is "x" or a IS NOT "y"', "where a is ? or a IS NOT ?"),
        ('where not "deleted"', 'where not "deleted"'),
        ('where a between "x" and "y" and "b"', 'where a between ? and ? and "b"'),
        ('select a || "x" || b', "select a || ? || b"),
        ('select a ->> "$.x"', "select a ->> ?"),
        ('where a = /* "y" */ "x"', "where a =   ?"),
        ('where a = ("x")', "where a = (?)"),
        ('where a in ("x", \'y\', "z") and "b"', 'where a in (?, ?, ?) and "b"'),
        ('where a in (select "b" from "t")', 'where a in (select "b" from "t")'),
        ('on "a"."b" = "c"."d"', 'on "a"."b" = "c"."d"'),
        (
            'insert into "t" ("a", "b") values (1, "x"), ("y", lower("z"))',
            'insert into "t" ("a", "b") values (?, ?), (?, lower(?))',
        ),
        (
            'insert into t values ("x") on conflict ("a") do update set "b" = excluded."b"',
            'insert into t values (?) on conflict ("a") do update set "b" = excluded."b"',
        ),
        ('create table t ("a" text default "x")', 'create table t ("a" text default ?)'),
        ("select $name, @name, :name, ?5", "select $name, @name, :name, ?5"),
        ("select $$ a $$", "select $$ a $$"),
        ("select ) ) ( ,", "select ) ) ( ,"),
        ("select /* a /* b */ c", "select   c"),
    ],
)
def test_what_is_different_in_sqlite(statement, masked):
    assert sql(statement, "sqlite") == masked


@pytest.mark.parametrize("dialect", ALL_DIALECTS)
def test_a_huge_statement_is_read_in_part_and_fast(dialect):
    before = time.process_time()
    masked = sql("insert into t values " + "(1, 'secret'), " * 1_000_000, dialect)
    assert time.process_time() - before < 2
    assert masked.startswith("insert into t values (?, ?), ")
    assert masked.endswith("…")
    assert "secret" not in masked


@pytest.mark.parametrize("dialect", ALL_DIALECTS)
@pytest.mark.parametrize(
    "part",
    [
        "E'a' --",
        " --",
        "--\r",
        "E'a'\n",
        "E'a'\n--",
        "/*",
        "'",
        "\\'",
        '"',
        "$a$",
        "$",
        ":1 ",
        "%(a",
        "`",
        "[",
    ],
)
def test_no_text_takes_long(dialect, part):
    before = time.process_time()
    sql("select " + part * (MAX_STATEMENT_CHARS // len(part)), dialect)
    sql("select E'a' " + part * (MAX_STATEMENT_CHARS // len(part)), dialect)
    assert time.process_time() - before < 2


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_string_that_is_cut_is_masked(dialect):
    assert sql("select '" + "secret" * MAX_STATEMENT_CHARS + "'", dialect) == "select ?…"


def test_statements_are_remembered_but_neither_too_many_nor_too_long(monkeypatch):
    monkeypatch.setattr(redaction, "_by_dialect", {})
    assert sql("select 1") is sql("select 1")
    sql("select " + "a, " * redaction._CACHED_CHARS)
    assert list(redaction.masked("standard")) == ["select 1"]
    for number in range(2 * redaction._CACHED_STATEMENTS):
        sql(f"select {number}")
    assert len(redaction.masked("standard")) <= redaction._CACHED_STATEMENTS


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("https://example.com/a/b?c=d#e", "https://example.com/a/b"),
        ("https://example.com#e?f", "https://example.com"),
        ("https://user:secret@example.com:8080/a", "https://example.com:8080/a"),
        ("https://user@example.com", "https://example.com"),
        ("https://a@b:c@example.com/", "https://example.com/"),
        ("https://user:p/w@example.com/a", "https://example.com/a"),
        ("https://user:p?w@example.com/a", "https://example.com/a"),
        ("https://user:p#w@example.com/a", "https://example.com/a"),
        ("https://example.com/@bob/a@b", "https://example.com/@bob/a@b"),
        ("https://example.com:80/@bob", "https://example.com:80/@bob"),
        ("https://example.com/?to=bob@example.com", "https://example.com/"),
        ("http://[::1]:8080/@bob?a", "http://[::1]:8080/@bob"),
        ("http://[::1]/@bob", "http://[::1]/@bob"),
        ("//user:secret@example.com/a", "//example.com/a"),
        ("user:secret@example.com/a", "example.com/a"),
        ("https:user:secret@example.com", "example.com"),
        ("user:secret@example.com//a", "example.com//a"),
        ("/path/@bob?q", "/path/@bob"),
        ("", ""),
        ("not a url", "not a url"),
    ],
)
def test_a_url_has_no_credentials_query_or_fragment(value, shown):
    assert url(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("postgres://user:secret@db:5432/shop?a=b", "postgres://db:5432/shop?a=b"),
        ("mongodb://u:p@h1:1,h2:2/db?x=@", "mongodb://h1:1,h2:2/db?x=@"),
        ("https://example.com/?a=b@c#d", "https://example.com/?a=b@c#d"),
        ("https://example.com?a=b@c", "https://example.com?a=b@c"),
    ],
)
def test_credentials_alone_can_be_taken_out(value, shown):
    assert without_credentials(value) == shown


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("unknown command 'a', with args beginning with: 'b' 'c'", "unknown command '?'"),
        ('no key "it\'s" in `x`.', 'no key "?".'),
        ("it's off, can't write", "it's off, can't write"),
        ("no end: 'abc", "no end: '?'"),
        ("lines 'a\nb' gone", "lines '?' gone"),
        ("nothing quoted", "nothing quoted"),
        ("", ""),
    ],
)
def test_what_a_message_quotes_is_left_out(message, expected):
    assert redaction.quotations(message) == expected
