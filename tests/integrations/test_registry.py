"""patch, patch_all and unpatch: what they promise whatever the library."""

from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path

import pytest

from xtrace import integrations
from xtrace.default import recorder
from xtrace.errors import MissingLibrary, UnknownIntegration
from xtrace.integrations import patch, patch_all, patched, unpatch
from xtrace.integrations._wrap import Patcher, argument

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def nothing_patched_afterwards():
    yield
    unpatch()


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    ).stdout


def test_every_library_is_traced_that_is_imported_after_patch_all():
    code = """
import xtrace
from importlib import import_module
from importlib.util import find_spec
from xtrace.integrations import INTEGRATIONS, patched

xtrace.patch_all()
here = {name for name, module in INTEGRATIONS.items() if find_spec(module.partition(".")[0])}
for name in sorted(here):
    import_module(INTEGRATIONS[name])
assert len(here) > 30
print(*sorted(here.difference(patched())))
"""
    assert run(code).strip() == ""


def test_an_unknown_name_is_an_error_that_says_what_to_type():
    with pytest.raises(UnknownIntegration, match="Did you mean 'requests'"):
        patch("request")


def test_nothing_is_patched_if_one_name_is_wrong():
    with pytest.raises(UnknownIntegration):
        patch(["requests", "nonsense"])
    assert patched() == ()


def test_a_missing_library_is_an_error_that_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "requests", None)
    monkeypatch.delitem(sys.modules, "requests")
    monkeypatch.setattr(integrations, "find_spec", lambda name: None)
    with pytest.raises(MissingLibrary, match="pip install requests"):
        patch("requests")


def test_patching_twice_changes_nothing_and_unpatch_puts_back_what_was_there():
    import requests

    def current():
        return vars(requests.Session)["send"]

    before = current()
    patch("requests")
    once = current()
    patch(["requests"])
    patch_all()
    assert current() is once is not before
    unpatch("requests")
    assert current() is before
    unpatch("requests")


def test_unpatch_leaves_alone_what_somebody_else_has_wrapped_since():
    import requests

    original = requests.Session.send
    patch("requests")

    def theirs(self, *args, **kwargs):
        return original(self, *args, **kwargs)

    requests.Session.send = theirs
    try:
        unpatch("requests")
        assert requests.Session.send is theirs
    finally:
        requests.Session.send = original


def test_patch_all_patches_what_is_imported_and_waits_for_the_rest():
    told = run(
        "import sys, xtrace; from xtrace.integrations import patched\n"
        "xtrace.patch_all(); print('requests' in patched(), 'requests' in sys.modules)\n"
        "import requests; print('requests' in patched())\n"
        "import sqlite3; print('sqlite3' in patched())"
    )
    assert told == "False False\nTrue\nTrue\n"


def test_a_library_unpatched_before_its_import_is_left_alone():
    told = run(
        "import xtrace; from xtrace.integrations import patched\n"
        "xtrace.patch('requests'); xtrace.unpatch('requests')\n"
        "import requests; print(patched())\n"
        "xtrace.patch('requests'); print(patched())"
    )
    assert told == "()\n('requests',)\n"


def test_switched_off_nothing_is_patched(monkeypatch):
    monkeypatch.setattr(recorder, "enabled", False)
    patch("requests")
    patch_all()
    assert patched() == ()


def test_an_integration_that_fails_half_way_leaves_nothing_behind(monkeypatch):
    library = types.ModuleType("half")
    library.function = before = lambda: 1
    broken = types.SimpleNamespace()

    def fail(patcher):
        patcher.replace(library, "function", lambda: 2)
        raise RuntimeError("the library has changed")

    broken.patch = fail
    monkeypatch.setitem(sys.modules, "half", library)
    monkeypatch.setitem(sys.modules, "xtrace.integrations.half", broken)
    monkeypatch.setattr(integrations, "INTEGRATIONS", {"half": "half"})
    with pytest.raises(RuntimeError, match="has changed"):
        patch("half")
    assert library.function is before
    assert patched() == ()


def test_patch_all_goes_on_after_a_failure(monkeypatch, lenient_faults, caplog):
    def fail(patcher):
        raise RuntimeError("the library has changed")

    import requests

    monkeypatch.setattr("xtrace.integrations.sqlite3.patch", fail)
    patch_all()
    assert "requests" in patched()
    assert "sqlite3 isn't traced: RuntimeError" in caplog.text
    assert requests


def test_wrap_keeps_signature_and_identity_of_a_method():
    import inspect

    class Library:
        def method(self, a, *, b=2):
            """Do it."""
            return a, b

    before = Library.method
    patcher = Patcher("test")
    patcher.wrap(
        Library, "method", lambda wrapped, instance, args, kwargs: wrapped(*args, **kwargs)
    )
    assert Library().method(1, b=3) == (1, 3)
    assert inspect.signature(Library.method) == inspect.signature(before)
    assert Library.method.__doc__ == "Do it."
    patcher.undo()
    assert Library.method is before


def test_what_was_inherited_is_inherited_again_after_undo():
    class Base:
        def method(self):
            return "base"

    class Derived(Base):
        pass

    patcher = Patcher("test")
    patcher.replace(Derived, "method", lambda self: "ours")
    assert Derived().method() == "ours"
    patcher.undo()
    assert "method" not in vars(Derived)


@pytest.mark.parametrize(("args", "kwargs"), [((1, 2), {}), ((1,), {"b": 2}), ((), {"b": 2})])
def test_an_argument_is_found_however_it_was_passed(args, kwargs):
    assert argument(args, kwargs, 1, "b") == 2
    assert argument(args, kwargs, 2, "c", "default") == "default"
