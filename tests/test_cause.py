"""What is said of an exception: its chain, its groups and its frames, each within bounds, and
nothing that the exception itself can do about it.
"""

from __future__ import annotations

import json
import os
import sys
import time

import pytest

from xtrace import cause
from xtrace.cause import (
    MAX_EXCEPTIONS,
    MAX_MESSAGE_CHARS,
    describe,
    frames,
    is_failure,
    redact_messages,
)


class Group(Exception):
    """As the groups of Python 3.11, of the `exceptiongroup` backport and of trio."""

    def __init__(self, *exceptions):
        super().__init__("several failed")
        self.exceptions = exceptions


class OutsideGroup(BaseException):
    """A group that isn't an Exception, as BaseExceptionGroup."""

    def __init__(self, *exceptions):
        self.exceptions = exceptions


def raised(work, *arguments):
    """The exception that a function raises."""
    try:
        work(*arguments)
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def types(described):
    return [entry["type"] for entry in described["exceptions"]]


def causes(described):
    """For each entry the type of the entry that its `cause` names."""
    by_id = {entry["id"]: entry["type"] for entry in described["exceptions"]}
    return [by_id[e["cause"]] if "cause" in e else None for e in described["exceptions"]]


# -- chains ------------------------------------------------------------------------------------


def fail(how):
    try:
        raise KeyError("first")
    except KeyError as error:
        if how == "from":
            raise ValueError("second") from error
        if how == "from None":
            raise ValueError("second") from None
        raise ValueError("second")  # noqa: B904


@pytest.mark.parametrize("how", ["from", "while handling"])
def test_the_chain_is_followed_as_python_prints_it(how):
    described = describe(raised(fail, how), 10)
    assert types(described) == ["ValueError", "KeyError"]
    assert causes(described) == ["KeyError", None]
    assert [entry["message"] for entry in described["exceptions"]] == ["second", "'first'"]


def test_what_was_suppressed_is_left_out():
    assert types(describe(raised(fail, "from None"), 10)) == ["ValueError"]


def test_the_cause_wins_over_what_was_being_handled():
    def work():
        try:
            raise KeyError
        except KeyError:
            raise ValueError from OSError()

    assert types(describe(raised(work), 10)) == ["ValueError", "OSError"]


def test_an_exception_that_caused_itself_is_said_once():
    one, other = ValueError(), KeyError()
    one.__cause__, other.__context__ = other, one
    described = describe(one, 10)
    assert types(described) == ["ValueError", "KeyError"]
    assert causes(described) == ["KeyError", None]


def test_each_exception_has_an_id_of_its_own():
    first, second = describe(raised(fail, "from"), 10)["exceptions"]
    assert first["id"] != second["id"]
    assert len(first["id"]) == len(second["id"]) == 16


# -- groups ------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python has groups since 3.11")
def test_the_members_of_a_group_stand_behind_it():
    group = ExceptionGroup("several", [ValueError("a"), ExceptionGroup("more", [KeyError("b")])])  # noqa: F821
    described = describe(group, 10)
    assert types(described) == ["ExceptionGroup", "ValueError", "ExceptionGroup", "KeyError"]
    assert causes(described) == ["ValueError", None, "KeyError", None]


@pytest.mark.parametrize("form", [tuple, list])
def test_other_libraries_groups_are_groups_too(form):
    group = Group()
    group.exceptions = form([ValueError(), Group(KeyError(), OSError())])
    assert types(describe(group, 10)) == ["Group", "ValueError", "Group", "KeyError", "OSError"]


def test_a_group_that_contains_itself_is_said_once():
    group = Group(ValueError())
    group.exceptions = (Group(group, group.exceptions[0]), group, *group.exceptions)
    assert types(describe(group, 10)) == ["Group", "Group", "ValueError"]


def test_the_chains_of_members_are_followed():
    described = describe(Group(raised(fail, "from"), OSError()), 10)
    assert types(described) == ["Group", "ValueError", "OSError", "KeyError"]
    assert causes(described) == ["ValueError", "KeyError", None, None]


@pytest.mark.parametrize("members", [None, 7, "text", {1: 2}, ValueError(), [1, None, "x"], ()])
def test_what_is_no_group_has_no_members(members):
    error = ValueError()
    error.exceptions = members
    assert types(describe(error, 10)) == ["ValueError"]


# -- bounds ------------------------------------------------------------------------------------


def test_of_a_long_chain_the_nearest_are_described_and_the_rest_is_counted():
    error = nearest = ValueError(0)
    for number in range(1, MAX_EXCEPTIONS + 5):
        error.__cause__ = ValueError(number)
        error = error.__cause__
    exceptions = describe(nearest, 10)["exceptions"]
    assert [entry["message"] for entry in exceptions] == [str(n) for n in range(MAX_EXCEPTIONS)]
    assert [entry.get("skipped") for entry in exceptions] == [*[None] * (MAX_EXCEPTIONS - 1), 5]
    assert "cause" not in exceptions[-1]


def test_of_a_large_group_the_first_are_described_and_the_rest_is_counted():
    exceptions = describe(Group(*map(ValueError, range(1000))), 10)["exceptions"]
    assert len(exceptions) == MAX_EXCEPTIONS
    assert exceptions[-1]["skipped"] == 1001 - MAX_EXCEPTIONS


class Endless(BaseException):
    """A group that makes another one each time it is looked at."""

    @property
    def exceptions(self):
        return (Endless(),)


def test_a_group_without_end_is_described_in_part():
    assert types(describe(Endless(), 10)) == ["Endless"] * MAX_EXCEPTIONS


def test_a_group_without_end_is_no_failure():
    assert not is_failure(Endless())


@pytest.mark.parametrize("over", [0, 1])
def test_a_message_has_at_most_so_many_characters(over):
    (entry,) = describe(ValueError("x" * (MAX_MESSAGE_CHARS + over)), 10)["exceptions"]
    assert entry["message"] == "x" * MAX_MESSAGE_CHARS + "…" * over


def test_without_a_message_there_is_none():
    (entry,) = describe(ValueError(), 10)["exceptions"]
    assert entry.keys() == {"id", "type"}


# -- frames ------------------------------------------------------------------------------------


def deep(levels):
    if levels:
        deep(levels - 1)
    raise ValueError


def test_frames_come_innermost_first():
    def outer():
        inner()

    def inner():
        raise ValueError

    (entry,) = describe(raised(outer), 10)["exceptions"]
    assert [frame["label"] for frame in entry["stack"]] == ["inner", "outer", "raised"]
    assert {frame["path"] for frame in entry["stack"]} == {__file__}
    first = inner.__code__.co_firstlineno
    assert [frame["line"] for frame in entry["stack"][:2]] == [first + 1, first - 2]
    assert "truncated" not in entry


@pytest.mark.parametrize("most", [0, 1, 10, 51, 52, 1000])
def test_the_innermost_frames_are_kept_and_the_rest_is_counted(most):
    error = raised(deep, 50)  # 51 of deep, 1 of raised
    stack, truncated = frames(error.__traceback__, most)
    assert len(stack) == min(most, 52)
    assert truncated == 52 - len(stack)
    assert {frame["label"] for frame in stack} <= {"deep", "raised"}
    assert ("raised" in {frame["label"] for frame in stack}) == (most >= 52)
    (entry,) = describe(error, most)["exceptions"]
    assert entry.get("truncated", 0) == truncated
    assert ("stack" in entry) == (most > 0)


def test_frames_of_xtrace_itself_are_left_out(recorder):
    @recorder.capture
    def work():
        raise ValueError

    def call():
        with recorder.in_segment("a"):
            work()

    error = raised(call)
    stack, truncated = frames(error.__traceback__, 10)
    assert [frame["label"] for frame in stack] == ["work", "call", "raised"]
    assert truncated == 0


def test_an_exception_that_was_never_raised_has_no_frames():
    assert frames(None, 10) == ([], 0)


def test_code_without_line_numbers_has_line_0():
    def work():
        raise ValueError

    work.__code__ = work.__code__.replace(co_linetable=b"")
    stack, _ = frames(raised(work).__traceback__, 10)
    assert stack[0]["label"] == "work"
    assert isinstance(stack[0]["line"], int)


# -- the rest ----------------------------------------------------------------------------------


def test_exceptions_of_a_called_service_are_remote():
    local, remote = (describe(raised(fail, "from"), 10, remote=remote) for remote in (False, True))
    assert [entry.get("remote") for entry in local["exceptions"]] == [None, None]
    assert [entry.get("remote") for entry in remote["exceptions"]] == [True, True]


def test_the_working_directory_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert describe(ValueError(), 10)["working_directory"] == os.getcwd()


def test_the_working_directory_may_be_gone(monkeypatch):
    def gone():
        raise FileNotFoundError

    monkeypatch.setattr(os, "getcwd", gone)
    assert describe(ValueError(), 10)["working_directory"] == ""


def refuse(*arguments):
    raise RuntimeError("never")


class NoText(Exception):
    __str__ = refuse


class OddText(Exception):
    def __str__(self):
        return 7


class NoMembers(Exception):
    exceptions = property(refuse)


class NoClass:
    __class__ = property(refuse)


class NoSuppress(Exception):
    __suppress_context__ = property(refuse)


class NoCause(Exception):
    __cause__ = property(refuse)


class NoContext(Exception):
    __context__ = property(refuse)


class OddCause(Exception):
    __cause__ = "text"


class NoTraceback(Exception):
    __traceback__ = property(refuse)


class OddTraceback(Exception):
    __traceback__ = "text"


HOSTILE = [
    *(NoText(), OddText(), NoMembers(), NoSuppress(), NoCause(), NoContext(), OddCause()),
    *(NoTraceback(), OddTraceback(), Group(NoClass(), NoText()), Group(*[NoClass()] * 20)),
]


@pytest.mark.parametrize("error", HOSTILE, ids=lambda error: type(error).__name__)
def test_an_exception_cannot_fail_its_description(error):
    described = describe(error, 10)
    assert described["exceptions"][0]["type"] == type(error).__name__
    json.dumps(described)


@pytest.mark.parametrize("error", HOSTILE, ids=lambda error: type(error).__name__)
def test_an_exception_cannot_change_what_the_application_sees(recorder, sent, error):
    def work():
        with recorder.in_segment("a"):
            raise error

    class Outside(BaseException):
        exceptions = (NoClass(), error)

    assert raised(work) is error
    assert is_failure(Outside())
    (document,) = sent.documents
    assert document["fault"] is True
    assert document["cause"]["exceptions"][0]["type"] == type(error).__name__


# -- what is a failure -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "failed"),
    [
        (ValueError(), True),
        (Group(), True),
        (KeyboardInterrupt(), False),
        (SystemExit(1), False),
        (GeneratorExit(), False),
        (OutsideGroup(), False),
        (OutsideGroup(KeyboardInterrupt(), SystemExit()), False),
        (OutsideGroup(KeyboardInterrupt(), ValueError()), True),
        (OutsideGroup(KeyboardInterrupt(), OutsideGroup(OutsideGroup(ValueError()))), True),
    ],
    ids=repr,
)
def test_a_failure_is_an_exception_or_a_group_with_one(error, failed):
    assert is_failure(error) is failed


def test_a_group_that_contains_itself_is_looked_at_once():
    group = OutsideGroup()
    group.exceptions = (group, OutsideGroup(group))
    assert not is_failure(group)


# -- several levels ----------------------------------------------------------------------------


def test_an_id_stands_for_what_a_deeper_entity_described(recorder, sent):
    def work():
        with recorder.in_segment("a"):
            try:
                with recorder.in_subsegment("b"):
                    with recorder.in_subsegment("c"):
                        raise KeyError
            except KeyError as error:
                raise ValueError from error

    raised(work)
    (segment,) = sent.documents
    b = segment["subsegments"][0]
    c = b["subsegments"][0]
    assert types(c["cause"]) == ["KeyError"]
    assert b["cause"] == c["cause"]["exceptions"][0]["id"]
    assert types(segment["cause"]) == ["ValueError", "KeyError"]


def test_the_same_exception_twice_in_one_entity_is_described_once(recorder, sent):
    error = ValueError()
    with recorder.in_segment("a") as segment:
        segment.add_exception(error)
        segment.add_exception(error)
    assert types(sent.documents[0]["cause"]) == ["ValueError"]


def test_an_entity_describes_so_many_exceptions_and_counts_the_rest(recorder, sent):
    with recorder.in_segment("a") as segment:
        for number in range(1000):
            segment.add_exception(ValueError(number))
    exceptions = sent.documents[0]["cause"]["exceptions"]
    assert [entry["message"] for entry in exceptions] == [str(n) for n in range(MAX_EXCEPTIONS)]
    assert exceptions[-1]["skipped"] == 1000 - MAX_EXCEPTIONS


def test_what_has_no_room_is_not_referred_to(recorder, sent):
    with recorder.in_segment("a") as segment:
        with recorder.in_subsegment("b") as part:
            for number in range(MAX_EXCEPTIONS - 1):
                part.add_exception(ValueError(number))
            chain, last = raised(fail, "from"), KeyError("last")
            part.add_exception(chain)
            part.add_exception(last)
        segment.add_exception(last)
    (document,) = sent.documents
    exceptions = document["subsegments"][0]["cause"]["exceptions"]
    assert len(exceptions) == MAX_EXCEPTIONS
    assert (exceptions[-1]["message"], exceptions[-1]["skipped"]) == ("second", 2)
    assert "cause" not in exceptions[-1]
    assert types(document["cause"]) == ["KeyError"]


def test_frames_of_xtrace_are_told_by_their_path():
    assert os.path.dirname(cause.__file__) + os.sep == cause._PACKAGE


# -- messages that quote -----------------------------------------------------------------------


class Refused(Exception):
    pass


class Duplicate(Refused):
    pass


def messages(error, **options):
    return [entry.get("message") for entry in describe(error, 0, **options)["exceptions"]]


def test_the_messages_of_a_class_and_of_its_subclasses_are_made_by_a_function():
    undo = redact_messages(Refused, lambda error: "refused")
    undo_nearer = redact_messages(Duplicate, lambda error: "duplicate")
    try:
        behind = KeyError("own")
        behind.__cause__ = Refused("secret")
        assert messages(behind) == ["'own'", "refused"]
        assert messages(Duplicate("secret")) == ["duplicate"]
        assert messages(Duplicate("secret"), redact=False) == ["secret"]
        undo_nearer()
        assert messages(Duplicate("secret")) == ["refused"]
    finally:
        undo()
    assert messages(Refused("as it is")) == ["as it is"]


def test_a_message_that_cant_be_made_is_left_out():
    undo = redact_messages(Refused, lambda error: error.nothing)
    try:
        assert messages(Refused("secret")) == [None]
    finally:
        undo()


def test_what_led_to_one_may_be_recorded_without_its_message():
    undo = redact_messages(Refused, lambda error: "refused", mutes=True)
    try:
        around, refused = KeyError("around"), Duplicate("secret")
        around.__cause__ = refused
        refused.__context__ = TypeError("secret")
        refused.__context__.__context__ = ValueError("secret")
        assert messages(around) == ["'around'", "refused", None, None]
        assert messages(around, redact=False) == ["'around'", "secret", "secret", "secret"]
    finally:
        undo()
    assert messages(around) == ["'around'", "secret", "secret", "secret"]


class DatabaseError(Exception):
    """By its name, as PEP 249 has it, it is a database's."""


@pytest.mark.parametrize("kind", [ValueError, DatabaseError])
@pytest.mark.parametrize(
    "part", ["://", "://a:", "https://a.example,", "://a:b@", "a(1,", "'a", "1.", "table 't", "@"]
)
def test_no_message_takes_long(kind, part):
    """What a stranger has sent may be in it."""
    before = time.process_time()
    describe(kind(part * (100_000 // len(part))), 10)
    assert time.process_time() - before < 2
