"""The tutorial, as a reader goes through it: every command, every edit, and what is to be seen.

Numbers, bars and ids differ from run to run, so they are made alike on both sides. A command is
repeated until it shows what the page says: traces take a moment to arrive.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.examples.conftest import SHOP

ROOT = SHOP.parents[1]
PAGES = sorted((ROOT / "docs" / "tutorial").glob("[0-9]*.md"))
BLOCK = re.compile(r"(<!-- runs -->\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECONDS = 120
"""An alarm knows of a node when its first whole minute is over, and settled."""


def alike(text):
    """A line without what differs from run to run."""
    text = re.sub(r"1-[0-9a-f]{8}-[0-9a-f]{24}", "ID", text)
    text = re.sub(r"127\.0\.0\.1:\d+", "HOST", text)
    text = re.sub(r"(GET HOST|product/)\d+", r"\1N", text)
    text = re.sub(r"\d[\d.,]*( ?(ms|µs|s|%)\b|%)", "T", text)
    text = re.sub(r"\d+\.\d+", "T", text)
    text = " ".join(re.sub(r"[█▒]+", " ", text).split())
    return re.sub(r"\b\d+ T T", "N T T", text)  # a table's count


class Reader:
    """Follows a page in a folder of their own."""

    def __init__(self, folder):
        self.folder = folder
        self.programs = []
        self.addresses = {}
        (folder / "examples").symlink_to(ROOT / "examples")
        bin = Path(sys.executable).parent
        self.environment = {
            **os.environ,
            "PATH": f"{bin}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
        }
        for name in ("AWS_XRAY_DAEMON_ADDRESS", "AWS_ENDPOINT_URL_XRAY", "XTRACE_DB"):
            self.environment.pop(name, None)

    def follow(self, page):
        for match in BLOCK.finditer(page.read_text()):
            runs, kind, content = match.groups()
            if kind == "diff":
                self.edit(content)
            elif kind == "json":
                self.save(page, match.start(), content)
            elif runs:
                self.start(content)
            elif kind == "console":
                for command, expected in commands(content):
                    self.run(command, expected)

    def edit(self, diff):
        done = subprocess.run(
            ["patch", "-p0", "--no-backup-if-mismatch"],
            input=diff,
            capture_output=True,
            text=True,
            cwd=self.folder,
        )
        assert done.returncode == 0, f"{diff}\n{done.stdout}{done.stderr}"
        (name,) = re.findall(r"^\+\+\+ my-shop/(\w+)\.py", diff, re.MULTILINE)
        self.wait_until_started_again(name)

    def wait_until_started_again(self, name):
        from services import SERVICES

        said = f"{SERVICES[name].name} is started again"
        before = self.seen.count(said)
        self.until(lambda: self.log.read_text().count(said) > before)
        self.seen = self.log.read_text()

    def save(self, page, at, content):
        """A file whose name the paragraph before it tells."""
        before = page.read_text()[:at]
        name = re.findall(r"`([\w-]+\.json)`", before)[-1]
        (self.folder / name).write_text(content)

    def start(self, content):
        self.stop()
        (command, expected), *more = commands(content)
        assert not more
        self.log = self.folder / "said"
        with self.log.open("w") as log:
            self.programs.append(
                subprocess.Popen(
                    ["bash", "-c", f"exec {command} --free-ports"],
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=self.folder,
                    env=self.environment,
                )
            )
        self.until(lambda: shows(self.log.read_text(), expected))
        self.seen = self.log.read_text()
        shop, collector = re.findall(r"http://(\S+)", self.seen)[:2]
        self.addresses = {"127.0.0.1:8080": shop, "127.0.0.1:2000": collector}
        self.environment["AWS_ENDPOINT_URL_XRAY"] = f"http://{collector}"

    def run(self, command, expected):
        for written, real in self.addresses.items():
            command = command.replace(written, real)
        deadline = time.monotonic() + SECONDS
        while True:
            done = subprocess.run(
                ["bash", "-c", command],
                capture_output=True,
                text=True,
                cwd=self.folder,
                env=self.environment,
                timeout=SECONDS,
            )
            if shows(done.stdout, expected):
                return
            said = f"$ {command}\n{done.stdout}{done.stderr}\nthe page says:\n" + "\n".join(
                expected
            )
            assert time.monotonic() < deadline, said
            time.sleep(0.3)

    def until(self, condition):
        deadline = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)

    def stop(self):
        while self.programs:
            program = self.programs.pop()
            program.send_signal(signal.SIGINT)
            program.wait(30)


def commands(content):
    """The commands of a block, each with the lines that it is to show."""
    found = []
    for line in content.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line.startswith("> "):
            found[-1] = (f"{found[-1][0]}\n{line[2:]}", found[-1][1])
        else:
            found[-1][1].append(line)
    return found


def shows(output, expected):
    """Whether the lines are there, in their order; `...` stands for any others."""
    lines = iter([alike(line) for line in output.splitlines()])
    return all(alike(line) in lines for line in expected if line != "...")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_tutorial_does_what_it_says(page, tmp_path):
    reader = Reader(tmp_path)
    try:
        reader.follow(page)
    finally:
        reader.stop()


def test_a_line_that_is_not_there_would_be_seen():
    assert shows("a 1.2 ms\nb ███ 3 ms\nc", ["a 7.5 ms", "...", "c"])
    assert not shows("a\nb", ["b", "a"])
    assert not shows("a\nb", ["d"])
