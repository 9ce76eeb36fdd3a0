"""Imported by Python at its start, in programs that `xtrace run` starts and in their children.

Its folder is first in PYTHONPATH, and leaves sys.path here: what the program sees is as without it,
and a sitecustomize of the machine's or the project's runs as ever.
"""

import importlib.machinery
import importlib.util
import os
import sys

WHAT = "XTRACE_RUN"
"""Variable that says what to do: "compat" or "patch"."""


def begin() -> None:
    """Do what `xtrace run` was asked for. Never fails a program's start."""
    what = os.environ.get(WHAT)
    try:
        if what == "compat":
            from xtrace.compat import aws_xray_sdk

            aws_xray_sdk.install()
        elif what == "patch":
            import xtrace

            xtrace.patch_all()
    except ImportError as error:
        # A Python without xtrace, that the program calls as any other command, is let alone.
        if not (error.name or "").startswith("xtrace"):
            complain(error)
    except Exception as error:
        complain(error)


def complain(error: Exception) -> None:
    """Say in one line that nothing is traced."""
    sys.stderr.write(f"xtrace run: nothing is traced here: {type(error).__name__}: {error}\n")


def leave() -> None:
    """Make room for the sitecustomize that there is without us, if any."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [each for each in sys.path if not each or os.path.abspath(each) != here]
    sys.path_importer_cache.pop(here, None)
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize")
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


begin()
leave()
