"""What tracing adds to a cold start on Lambda: python tests/bench/cold_start.py [--check]

Fresh processes with Lambda's variables import boto3, then a tracing SDK, and have it patch
botocore; interleaved, with compiled files. The figure is the median of the whole minus that of
boto3 alone, in milliseconds of wall time. --check: exit with 1 if xtrace takes more than 15 ms.
The first run makes virtual environments in .bench/.

ADOT is AWS's distribution of OpenTelemetry, begun as its layer for Lambda begins it: with all of its
instrumentations but the one for the handler, which this has none of.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from statistics import median

from environments import python_of, variables

ENVIRONMENT, WITH_ADOT = "cold-start", "cold-start-adot"
TIMES = 25
MOST_MILLISECONDS = 15.0
ON_LAMBDA = {
    "LAMBDA_TASK_ROOT": "/var/task",
    "AWS_LAMBDA_FUNCTION_NAME": "f",
    "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
    "AWS_REGION": "eu-west-1",
    "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
    "POWERTOOLS_SERVICE_NAME": "f",
    "OTEL_PYTHON_DISTRO": "aws_distro",
    "OTEL_PYTHON_CONFIGURATOR": "aws_configurator",
    "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "aws-lambda",
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
# These need an environment of their own, whose boto3 takes its own time.
ADOT_BASE, ADOT = "boto3, ADOT's", "ADOT"
PROGRAMS_WITH_ADOT = {
    ADOT_BASE: "",
    ADOT: """
from opentelemetry.instrumentation.auto_instrumentation import initialize
initialize()
""",
}
TIMED = """
import os, sys, time
sys.path.pop(0)
begin = time.perf_counter()
import boto3
{program}
print((time.perf_counter() - begin) * 1e3, flush=True)
os._exit(0)
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


def milliseconds(program: str, environment: str) -> float:
    """What a program takes in a fresh process, with the import of boto3."""
    done = subprocess.run(
        [python_of(environment), "-c", TIMED.format(program=program)],
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
    programs = {
        **{name: (code, ENVIRONMENT) for name, code in PROGRAMS.items()},
        **{name: (code, WITH_ADOT) for name, code in PROGRAMS_WITH_ADOT.items()},
    }
    found: dict[str, list[float]] = {name: [] for name in programs}
    for number in range(options.times + 1):
        for name, (code, environment) in programs.items():
            value = milliseconds(code.replace("PATCHED", repr(names)), environment)
            if number:  # the first one compiles
                found[name].append(value)
    medians = {name: median(values) for name, values in found.items()}
    for base, beside in ((BASE, PROGRAMS), (ADOT_BASE, PROGRAMS_WITH_ADOT)):
        print(f"{base:<16}{medians[base]:8.1f} ms")
        for name in beside:
            if name != base:
                print(f"{name:<16}{medians[name] - medians[base]:+8.1f} ms")
    print(f"xtrace patched {', '.join(names)}")
    return 1 if options.check and medians["xtrace"] - medians[BASE] > MOST_MILLISECONDS else 0


if __name__ == "__main__":
    sys.exit(main())
