"""`xtrace migrate`: programs for aws_xray_sdk become programs for xtrace."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from xtrace.cli import main
from xtrace.cli._migration import migrate

PROGRAM = """
    import asyncio

    from aws_xray_sdk.core import patch_all, xray_recorder
    from aws_xray_sdk.core.async_context import AsyncContext

    # before the first request
    xray_recorder.configure(service="shop", sampling=False, context=AsyncContext())
    patch_all(double_patch=True)


    @xray_recorder.capture_async("price")
    async def price():
        async with xray_recorder.in_subsegment_async("inner") as subsegment:
            try:
                raise ValueError("no")
            except ValueError as error:
                subsegment.add_exception(error, [], remote=True)


    async def main():
        async with xray_recorder.in_segment_async("checkout", parent_id=None):
            await price()


    asyncio.run(main())
"""


def rewritten(text):
    return migrate(textwrap.dedent(text)).text


def test_a_program_is_rewritten_and_runs(tmp_path):
    text = rewritten(PROGRAM)
    assert "aws_xray_sdk" not in text
    assert "AsyncContext" not in text
    assert "# before the first request" in text
    assert '@xray_recorder.capture("price")' in text
    program = tmp_path / "app.py"
    program.write_text(text + "\nimport xtrace\nprint(xtrace.stats().recorded)\n")
    command = [sys.executable, "-W", "error", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr


def test_twice_changes_nothing():
    once = rewritten(PROGRAM)
    assert rewritten(once) == once


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "from aws_xray_sdk.core import xray_recorder as r",
            "from xtrace import xray_recorder as r",
        ),
        (
            "from aws_xray_sdk.core import AWSXRayRecorder",
            "from xtrace import Recorder as AWSXRayRecorder",
        ),
        (
            "from aws_xray_sdk.ext.flask.middleware import XRayMiddleware",
            "from xtrace.integrations.flask import XRayMiddleware",
        ),
        ("A = ['aws_xray_sdk.ext.django']", "A = ['xtrace.integrations.django']"),
        (
            'M = ["aws_xray_sdk.ext.django.middleware.XRayMiddleware"]',
            'M = ["xtrace.integrations.django.XRayMiddleware"]',
        ),
        (
            "from aws_xray_sdk.core import xray_recorder\nxray_recorder.begin_segment('a', t, p, 1)",
            "from xtrace import xray_recorder\n"
            "xray_recorder.begin_segment('a', trace_id=t, parent_id=p, sampling=1)",
        ),
        (
            "from aws_xray_sdk.ext.bottle.middleware import XRayMiddleware\nXRayMiddleware(r)",
            "from xtrace.integrations.bottle import XRayMiddleware\nXRayMiddleware(recorder=r)",
        ),
        (
            "from aws_xray_sdk.core import (\n    patch,\n    xray_recorder,\n)",
            "from xtrace import patch, xray_recorder",
        ),
        ("def capture_async(): ...", "def capture_async(): ..."),
    ],
)
def test_parts_of_programs(before, after):
    assert migrate(before).text == after


def test_what_has_no_namesake_stays_and_is_told():
    text = textwrap.dedent(
        """
        import aws_xray_sdk
        from aws_xray_sdk.core import xray_recorder
        from aws_xray_sdk.core.models import http

        xray_recorder.begin_subsegment_without_sampling("x")
        """
    )
    migrated = migrate(text)
    assert "from aws_xray_sdk.core.models import http" in migrated.text
    assert [each.line for each in sorted(migrated.findings)] == [2, 4, 6]
    assert all(each.is_left for each in migrated.findings)


def test_the_command_shows_a_diff_and_writes_when_told(tmp_path, capsys):
    program = tmp_path / "package" / "app.py"
    program.parent.mkdir()
    program.write_text("from aws_xray_sdk.core import xray_recorder\nxray_recorder.end_segment()\n")
    other = tmp_path / ".venv" / "app.py"
    other.parent.mkdir()
    other.write_text("from aws_xray_sdk.core import xray_recorder\n")
    assert main(["migrate", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "+from xtrace import xray_recorder" in said
    assert "A segment is sent when it ends" in said
    assert "1 file would change" in said
    assert "aws_xray_sdk" in program.read_text()
    assert main(["migrate", "--write", str(tmp_path)]) == 0
    assert program.read_text().startswith("from xtrace import xray_recorder\n")
    assert "aws_xray_sdk" in other.read_text()
    assert main(["migrate", "--write", str(tmp_path)]) == 0
    assert "0 files changed" in capsys.readouterr().out


def test_mistakes_are_told(tmp_path, capsys):
    assert main(["migrate", str(tmp_path / "nowhere")]) == 2
    (tmp_path / "broken.py").write_text("import aws_xray_sdk as (")
    assert main(["migrate", str(tmp_path)]) == 0
    assert "broken.py: not read" in capsys.readouterr().err
