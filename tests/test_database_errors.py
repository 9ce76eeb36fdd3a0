"""What databases' errors say: what happened and to what, and no value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtrace import cause, database_errors


class Error(Exception):
    pass


class DatabaseError(Error):
    """As PEP 249 names it."""


class StatementError(Exception):
    """As SQLAlchemy's: about another exception, with the statement and its parameters."""

    def __init__(self, orig):
        super().__init__(f"({type(orig).__name__}) {orig}\n[SQL: x]\n[parameters: ('secret',)]")
        self.orig = orig


def messages(error):
    return [entry.get("message") for entry in cause.describe(error, 0)["exceptions"]]


@pytest.mark.parametrize(
    ("said", "recorded"),
    [
        # PostgreSQL
        (
            'duplicate key value violates unique constraint "users_email_key"\n'
            "DETAIL:  Key (email)=(secret) already exists.",
            'duplicate key value violates unique constraint "users_email_key"',
        ),
        (
            'null value in column "b" of relation "t" violates not-null constraint\n'
            "DETAIL:  Failing row contains (1, secret, null).",
            'null value in column "b" of relation "t" violates not-null constraint',
        ),
        ('relation "nowhere" does not exist\nLINE 1: secret', 'relation "nowhere" does not exist'),
        ('column "b" of relation "t" does not exist', 'column "b" of relation "t" does not exist'),
        (
            'invalid input syntax for type integer: "secret"',
            "invalid input syntax for type integer: ?",
        ),
        ('invalid input value for enum mood: "secret"', "invalid input value for enum mood: ?"),
        ('syntax error at or near "secret"', "syntax error at or near ?"),
        ('value "99999999999" is out of range for type integer', "value ?"),
        (
            "value too long for type character varying(3)",
            "value too long for type character varying(3)",
        ),
        (
            "setval: value 5 is out of bounds for sequence",
            "setval: value ? is out of bounds for sequence",
        ),
        (
            "function add(integer, unknown) does not exist",
            "function add(integer, unknown) does not exist",
        ),
        (
            'connection to server at "db.internal", port 5432 failed: Connection refused',
            'connection to server at "db.internal", port 5432 failed: Connection refused',
        ),
        (
            'connection failed: FATAL:  password authentication failed for user "bob"',
            'connection failed: FATAL:  password authentication failed for user "bob"',
        ),
        ("couldn't get a connection after 30.00 sec", "couldn't get a connection after 30.00 sec"),
        (
            "invalid input for query argument $1: 'secret' ('str' object cannot be interpreted)",
            "invalid input for query argument $1: ?",
        ),
        (
            "invalid input for query argument $2: User(secret)",
            "invalid input for query argument $2: ?",
        ),
        ("the server expects 1 argument for this query, 2 were passed",) * 2,
        # MySQL and MariaDB
        (
            "Duplicate entry 'secret' for key 'users.email'",
            "Duplicate entry ? for key 'users.email'",
        ),
        ("Duplicate entry 'it's' for key 'x'' for key 'e'", "Duplicate entry ? for key 'e'"),
        ("Duplicate entry 'a' for key 'secret", "Duplicate entry ?"),
        (
            "Incorrect integer value: 'secret' for column `d`.`t`.`a` at row 1",
            "Incorrect integer value: ? for column `d`.`t`.`a` at row 1",
        ),
        ("Truncated incorrect DOUBLE value: 'secret'", "Truncated incorrect DOUBLE value: ?"),
        ("Unknown column 'b' in 'where clause'", "Unknown column 'b' in 'where clause'"),
        ("Table 'shop.nowhere' doesn't exist", "Table 'shop.nowhere' doesn't exist"),
        ("Data too long for column 'b' at row 1", "Data too long for column 'b' at row 1"),
        (
            "Access denied for user 'bob'@'localhost' (using password: YES)",
            "Access denied for user 'bob'@'localhost' (using password: YES)",
        ),
        (
            "Can't connect to MySQL server on 'db' ([Errno 111] Connection refused)",
            "Can't connect to MySQL server on 'db' ([Errno 111] Connection refused)",
        ),
        (
            "1062 (23000): Duplicate entry 'secret' for key 'email'",
            "1062 (23000): Duplicate entry ? for key 'email'",
        ),
        ("You have an error; near 'secret' at line 1", "You have an error; near ?"),
        # SQLite
        ("no such table: nowhere", "no such table: nowhere"),
        ("UNIQUE constraint failed: t.a", "UNIQUE constraint failed: t.a"),
        ('near "secret": syntax error', "near ?: syntax error"),
        ('unrecognized token: "\'secret"', "unrecognized token: ?"),
        (
            "Incorrect number of bindings supplied. The current statement uses 1, "
            "and there are 2 supplied.",
        )
        * 2,
        ("can't parse date b'secret'", "can't parse date ?"),
        ("", None),
    ],
)
def test_things_are_named_and_values_are_not(said, recorded):
    assert messages(DatabaseError(said)) == [recorded]


def test_the_pairs_of_mysql_s_drivers_keep_their_code():
    error = DatabaseError(1062, "Duplicate entry 'secret' for key 'email'")
    assert messages(error) == ["(1062, Duplicate entry ? for key 'email')"]


def test_the_fields_of_pg8000_s_errors():
    fields = {"S": "ERROR", "C": "23505", "M": 'violates constraint "c"', "D": "Key (a)=(secret)"}
    assert messages(DatabaseError(fields)) == ['violates constraint "c" (23505)']


@pytest.mark.parametrize("attribute", ["sqlstate", "pgcode"])
def test_what_code_in_the_database_raises_is_its_own_text(attribute):
    error = DatabaseError("no such customer: secret")
    setattr(error, attribute, "P0001")
    [message] = messages(error)
    assert message == "(raised by code in the database; its text may hold values)"
    assert messages(DatabaseError({"C": "P0001", "M": "secret"})) == [message]
    assert messages(DatabaseError(1644, "no such customer: secret")) == [f"(1644, {message})"]


def test_what_is_around_a_database_s_error_repeats_only_what_may_be_recorded():
    inner = DatabaseError("Duplicate entry 'secret' for key 'e'")
    with pytest.raises(RuntimeError) as raised:
        try:
            raise inner
        except DatabaseError as error:
            raise RuntimeError(f"it failed: {error}!") from error
    assert messages(raised.value) == [
        "it failed: Duplicate entry ? for key 'e'!",
        "Duplicate entry ? for key 'e'",
    ]


def test_also_where_it_was_suppressed():
    with pytest.raises(RuntimeError) as raised:
        try:
            raise DatabaseError("Duplicate entry 'secret' for key 'e'")
        except DatabaseError as error:
            raise RuntimeError(str(error)) from None
    assert messages(raised.value) == ["Duplicate entry ? for key 'e'"]


def test_sqlalchemy_s_error_is_told_by_what_it_is_about():
    inner = DatabaseError(1062, "Duplicate entry 'secret' for key 'e'")
    error = StatementError(inner)
    error.__cause__ = inner
    assert messages(error) == [
        f"({__name__}.DatabaseError) (1062, Duplicate entry ? for key 'e')",
        "(1062, Duplicate entry ? for key 'e')",
    ]


def test_an_exception_of_the_application_that_stops_a_statement_is_one_too():
    inner = ValueError("invalid literal for int() with base 10: 'secret'")
    error = StatementError(inner)
    error.__cause__ = inner
    assert "secret" not in str(messages(error))
    assert messages(inner) == ["invalid literal for int() with base 10: 'secret'"]


def test_other_exceptions_are_left_alone():
    assert messages(ValueError("5 'secret'\nmore")) == ["5 'secret'\nmore"]
    assert messages(Error("a base alone isn't one: 'x'")) == ["a base alone isn't one: 'x'"]


class Unprintable(DatabaseError):
    def __str__(self):
        raise RuntimeError

    @property
    def orig(self):
        raise RuntimeError


def test_an_error_that_can_t_be_read_has_no_message():
    assert messages(Unprintable()) == [None]


@pytest.mark.parametrize(
    ("said", "recorded"),
    [
        ("can't reach postgresql://bob:secret@db/shop", "can't reach postgresql://bob:?@db/shop"),
        ("'amqp://bob:se:cr@et@mq:5672//'", "'amqp://bob:?@mq:5672//'"),
        ("see https://example.com/a@b", "see https://example.com/a@b"),
        ("http://example.com:80/x", "http://example.com:80/x"),
    ],
)
def test_no_exception_s_message_has_the_password_of_a_url(said, recorded):
    assert messages(ValueError(said)) == [recorded]


values = st.text("ab1 '\"`()[]:=;,.\\\n$%é", max_size=20).map(lambda text: f"{text}7654321")


@given(
    st.sampled_from(
        [
            "Duplicate entry '{}' for key 'users.email'",
            "1062 (23000): Duplicate entry '{}' for key 'e'",
            "Incorrect integer value: '{}' for column `d`.`t`.`a` at row 1",
            "Truncated incorrect DOUBLE value: '{}'",
            "near '{}' at line 1",
            'invalid input syntax for type integer: "{}"',
            'syntax error at or near "{}"\nLINE 1: {}',
            "x\nDETAIL:  Key (email)=({}) already exists.",
            'near "{}": syntax error',
            "invalid input for query argument $1: {} (expected str)",
        ]
    ),
    values,
)
def test_no_value_stays_whatever_it_holds(template, value):
    [message] = messages(DatabaseError(template.replace("{}", value)))
    assert "7654321" not in (message or "")


@given(st.text())
def test_no_text_raises(text):
    database_errors.message(DatabaseError(text))
