"""typeshed's stubs of aws_xray_sdk against the layer: names, signatures, kinds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from xtrace.cli import run

ALLOWED = Path(__file__).with_name("stubtest_allowed.txt")
ROOT = Path(__file__).parents[2]


def test_the_layer_is_what_the_stubs_say(tmp_path):
    (tmp_path / "settings.py").write_text("SECRET_KEY = 'x'\n")
    command = [sys.executable, "-m", "mypy.stubtest", "aws_xray_sdk", "--concise"]
    done = subprocess.run(
        [*command, "--ignore-missing-stub", "--allowlist", ALLOWED],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=240,
        env={
            **os.environ,
            run.WHAT: "compat",
            "PYTHONPATH": os.pathsep.join([run.FOLDER, str(ROOT), str(tmp_path)]),
            "DJANGO_SETTINGS_MODULE": "settings",
        },
    )
    assert done.returncode == 0, done.stdout + done.stderr
