"""`xtrace run`: the program is as without it, and traced."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.helpers import eventually

ROOT = Path(__file__).parents[2]


def write(folder, name, text):
    path = folder / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(textwrap.dedent(text))
    return path


def run(folder, *words, **options):
    environment = {**os.environ, **options.pop("env", {})}
    command = [sys.executable, "-m", "xtrace", "run", *map(str, words)]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env=environment, timeout=60, **options
    )


SEEN = """
    import json, os, sys
    print(json.dumps([sys.argv, sys.path, __name__]))
"""


def test_a_program_sees_what_it_would_without(tmp_path):
    program = write(tmp_path, "app.py", SEEN)
    plain = subprocess.run(
        [sys.executable, program, "--port", "8000", "-x"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    traced = run(tmp_path, program, "--port", "8000", "-x")
    assert json.loads(traced.stdout) == json.loads(plain.stdout)
    assert traced.stderr == ""


def test_the_order_of_the_path_stays_with_a_pythonpath_of_the_users(tmp_path):
    program = write(tmp_path, "app.py", SEEN)
    write(tmp_path, "one/django/__init__.py", "")
    env = {"PYTHONPATH": os.pathsep.join([str(tmp_path / "one"), str(tmp_path / "two")])}
    plain = subprocess.run(
        [sys.executable, program],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, **env},
    )
    assert json.loads(run(tmp_path, program, env=env).stdout) == json.loads(plain.stdout)


def test_exit_status_and_error_output_are_the_programs(tmp_path):
    program = write(tmp_path, "app.py", "import sys; sys.stderr.write('no'); sys.exit(7)")
    done = run(tmp_path, program)
    assert (done.returncode, done.stderr) == (7, "no")


def test_signals_reach_the_program(tmp_path):
    program = write(
        tmp_path,
        "app.py",
        """
        import signal, sys, time
        signal.signal(signal.SIGTERM, lambda *a: sys.exit(9))
        print("ready", flush=True)
        while True:
            time.sleep(0.05)
        """,
    )
    command = [sys.executable, "-m", "xtrace", "run", str(program)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout.readline() == "ready\n"
        running.send_signal(signal.SIGTERM)
        assert running.wait(15) == 9


def test_libraries_are_patched(tmp_path):
    program = write(
        tmp_path,
        "app.py",
        """
        import sqlite3
        from xtrace import integrations
        print("sqlite3" in integrations.patched())
        """,
    )
    assert run(tmp_path, program).stdout == "True\n"


COMPAT = """
    import sys
    import aws_xray_sdk.core
    print(aws_xray_sdk.core.__file__.replace("\\\\", "/").endswith("compat/core/__init__.py"))
"""


def test_compat_answers_imports_of_aws_xray_sdk(tmp_path):
    program = write(tmp_path, "app.py", COMPAT)
    assert run(tmp_path, "--compat", program).stdout == "True\n"
    write(tmp_path, "package/__main__.py", COMPAT)
    assert run(tmp_path, "--compat", "-m", "package").stdout == "True\n"
    assert run(tmp_path, "--compat", "package").stdout == "True\n"


def test_children_and_workers_are_reached(tmp_path):
    write(tmp_path, "child.py", COMPAT)
    program = write(
        tmp_path,
        "app.py",
        """
        import multiprocessing, os, subprocess, sys

        def work(number):
            import aws_xray_sdk.core
            return "compat" in aws_xray_sdk.core.__file__

        if __name__ == "__main__":
            subprocess.run([sys.executable, "child.py"], check=True)
            for method in ("spawn", "fork"):
                with multiprocessing.get_context(method).Pool(2) as pool:
                    print(all(pool.map(work, range(4))))
        """,
    )
    done = run(tmp_path, "--compat", program)
    assert done.stdout == "True\nTrue\nTrue\n", done.stderr


def test_prefork_workers_of_gunicorn_are_reached(tmp_path):
    write(
        tmp_path,
        "app.py",
        """
        import os
        import aws_xray_sdk.core

        def app(environ, start_response):
            start_response("200 OK", [])
            return [aws_xray_sdk.core.__file__.encode()]
        """,
    )
    address = tmp_path / "address"
    config = write(
        tmp_path,
        "gunicorn_config.py",
        f"""
        workers = 2
        bind = "127.0.0.1:0"
        def when_ready(server):
            host, port = server.LISTENERS[0].sock.getsockname()
            open({str(address)!r}, "w").write(f"{{host}}:{{port}}")
        """,
    )
    words = ("--compat", "-m", "gunicorn", "-c", str(config), "app:app")
    command = [sys.executable, "-m", "xtrace", "run", *words]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as server:
        try:
            eventually(lambda: address.exists() and address.read_text())
            import urllib.request

            with urllib.request.urlopen(f"http://{address.read_text()}", timeout=15) as answer:
                assert b"compat" in answer.read()
        finally:
            server.terminate()


def test_a_sitecustomize_that_is_there_runs_as_ever(tmp_path):
    write(tmp_path, "site/sitecustomize.py", "import builtins; builtins.was_here = __file__")
    program = write(
        tmp_path, "app.py", "import sitecustomize; print(was_here == sitecustomize.__file__)"
    )
    done = run(tmp_path, program, env={"PYTHONPATH": str(tmp_path / "site")})
    assert done.stdout == "True\n", done.stderr


def test_a_command_is_found_as_a_shell_finds_it(tmp_path):
    command = write(tmp_path, "bin/hello", f"#!{sys.executable}\nimport sqlite3\nprint('hello')\n")
    command.chmod(0o755)
    env = {"PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}"}
    assert run(tmp_path, "hello", env=env).stdout == "hello\n"
    missing = run(tmp_path, "nothing-of-that-name")
    assert missing.returncode == 127
    assert "no program and no file named 'nothing-of-that-name'" in missing.stderr


@pytest.mark.parametrize("words", [(), ("--compat",), ("--nonsense", "app.py")])
def test_mistakes_say_what_to_write(tmp_path, words):
    done = run(tmp_path, *words)
    assert done.returncode == 2
    assert "xtrace run" in done.stderr


def test_help_is_short_and_has_examples(tmp_path):
    assert "xtrace run -m gunicorn app:app" in run(tmp_path, "--help").stdout
    assert (
        "run a program traced"
        in subprocess.run(
            [sys.executable, "-m", "xtrace", "--help"], capture_output=True, text=True, cwd=ROOT
        ).stdout
    )
