"""The recorder of this process: the one behind `xtrace.recorder` and the functions of `xtrace`."""

from __future__ import annotations

from .recorder import Recorder

recorder = Recorder()
