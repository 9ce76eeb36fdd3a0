"""What tracing adds to a cold start on Lambda: python tests/bench/cold_start.py [--check]

Fresh processes with Lambda's variables import boto3, then a tracing SDK, and have it patch
botocore; interleaved, with compiled files. The figure is the median of the whole minus that of
boto3 alone, in milliseconds of wall time. --check: exit with 1 if xtrace takes more than 15 ms.
The first run makes a virtual environment in .bench/.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from statistics import median

from environments import python_of, variables

ENVIRONMENT = "cold-start"
TIMES = 25
MOST_MILLISECONDS = 15.0
ON_LAMBDA = {
    "LAMBDA_TASK_ROOT": "/var/task",
    "AWS_LAMBDA_FUNCTION_NAME": "f",
    "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
    "AWS_REGION": "eu-west-1",
    "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
    "POWERTOOLS_SERVICE_NAME": "f",
}

BASE = "boto3"
PROGRAMS = {
    BASE: "",
    "xtrace": """
import xtrace
xtrace.patch(PATCHED)
""",
    "official": """
from aws_xray_sdk.core import patch
patch(["botocore"])
""",
    "Powertools": """
from aws_lambda_powertools import Tracer
Tracer(auto_patch=False).patch(["botocore"])
""",
}
TIMED = """
import sys, time
sys.path.pop(0)
begin = time.perf_counter()
import boto3
{program}
print((time.perf_counter() - begin) * 1e3)
"""


def patched() -> list[str]:
    """What xtrace patches: botocore, or urllib3 below it as long as it has no integration for that."""
    code = "from xtrace.integrations import INTEGRATIONS as all; print('botocore' in all)"
    done = subprocess.run(
        [python_of(ENVIRONMENT), "-c", code],
        env=variables(),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return ["botocore"] if done.stdout.strip() == "True" else ["urllib3"]


def milliseconds(program: str) -> float:
    """What a program takes in a fresh process, with the import of boto3."""
    done = subprocess.run(
        [python_of(ENVIRONMENT), "-c", TIMED.format(program=program)],
        env=variables(**ON_LAMBDA),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(done.stdout)


def main() -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(prog="python tests/bench/cold_start.py")
    parser.add_argument("--check", action="store_true", help="exit with 1 if the bar is missed")
    parser.add_argument("--times", type=int, default=TIMES, help="processes of each kind")
    options = parser.parse_args()
    names = patched()
    programs = {name: code.replace("PATCHED", repr(names)) for name, code in PROGRAMS.items()}
    found: dict[str, list[float]] = {name: [] for name in programs}
    for number in range(options.times + 1):
        for name, program in programs.items():
            value = milliseconds(program)
            if number:  # the first one compiles
                found[name].append(value)
    base = median(found[BASE])
    print(f"{BASE:<12}{base:8.1f} ms")
    for name, values in found.items():
        if name != BASE:
            print(f"{name:<12}{median(values) - base:+8.1f} ms")
    print(f"xtrace patched {', '.join(names)}")
    return 1 if options.check and median(found["xtrace"]) - base > MOST_MILLISECONDS else 0


if __name__ == "__main__":
    sys.exit(main())
