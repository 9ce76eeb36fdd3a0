"""One tree of exceptions, which programs may also catch by Python's own names."""

from __future__ import annotations

import copy
import inspect
import pickle

import pytest

from xtrace import errors

ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]


@pytest.mark.parametrize("kind", ALL)
def test_every_exception_is_one_of_ours_and_is_described(kind):
    assert issubclass(kind, errors.XTraceError)
    assert issubclass(kind, Exception)
    assert kind.__doc__
    assert kind.__name__ in errors.__doc__


@pytest.mark.parametrize(
    ("kind", "bases"),
    [
        (errors.ConfigurationError, {ValueError}),
        (errors.UnknownSetting, {errors.ConfigurationError, TypeError}),
        (errors.InvalidAddress, {errors.ConfigurationError}),
        (errors.InvalidSamplingRules, {errors.ConfigurationError}),
        (errors.SegmentNameMissing, {errors.ConfigurationError}),
        (errors.UnknownIntegration, {errors.IntegrationError, ValueError}),
        (errors.MissingLibrary, {errors.IntegrationError, ImportError}),
    ],
)
def test_they_can_be_caught_by_what_they_are(kind, bases):
    assert bases <= set(kind.__mro__)


@pytest.mark.parametrize("kind", ALL)
def test_they_survive_being_sent_to_another_process(kind):
    error = kind("what to write")
    for copied in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(copied) is kind
        assert (copied.args, str(copied)) == (("what to write",), "what to write")


def test_the_tree_in_the_documentation_is_the_tree():
    """The first text of the module draws the classes with their parents; it must not lie."""
    lines = [line for line in errors.__doc__.splitlines() if "──" in line]
    parents, drawn = [errors.XTraceError], {}
    for line in lines:
        level, name = line.index("─") // 4 + 1, line.split("─ ")[1].split()[0]
        del parents[level:]
        parents.append(getattr(errors, name))
        drawn[parents[-1]] = parents[-2]
    assert set(drawn) == set(ALL) - {errors.XTraceError}
    assert all(kind.__bases__[0] is parent for kind, parent in drawn.items())
