"""Run one service of the shop until it is told to stop.

    python serve.py catalogservice --port 8081
    python serve.py catalogservice --folder traced --chaos '{"throttle": 0.05}'

The launcher starts each service this way, and so do containers.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from services import SERVICES

HERE = Path(__file__).resolve().parent
THREADS = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("service", choices=[*SERVICES, "standins", "collector"])
    parser.add_argument("--folder", type=Path, default=os.environ.get("SERVICES", "traced"))
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int)
    parser.add_argument("--chaos", type=json.loads, default={}, help="JSON; see chaos.py")
    parser.add_argument(
        "--compat", action="store_true", help="it is written for aws_xray_sdk; xtrace answers"
    )
    parser.add_argument(
        "--leash", action="store_true", help="stop when standard input ends: with who started it"
    )
    # What isn't known here is for the collector's own command line.
    arguments, more = parser.parse_known_args()
    if more and arguments.service != "collector":
        parser.error(f"{arguments.service} takes no {more[0]}")
    if arguments.leash:
        threading.Thread(target=follow_parent, daemon=True).start()
    if arguments.service == "collector":
        from xtrace.cli import main as xtrace

        sys.exit(xtrace(["collector", *more]))
    if arguments.service == "standins":
        import standins

        standins.main(arguments.host, arguments.port or 0)
    else:
        serve(arguments)


def follow_parent() -> None:
    """Wait for the end of standard input, which comes when the parent ends, however it does."""
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def serve(arguments: argparse.Namespace) -> None:
    """Load the service and give it a server, or let it run by itself."""
    service = SERVICES[arguments.service]
    log_to_stderr()
    os.environ.setdefault("TEMPLATES", str(HERE / "templates"))
    os.environ.setdefault("PICTURES", str(HERE / "pictures"))
    if arguments.compat:
        from xtrace.compat import aws_xray_sdk

        aws_xray_sdk.install()
    if arguments.chaos:
        import chaos

        module = chaos.load(lambda: load(HERE / arguments.folder, service.module), arguments.chaos)
    else:
        module = load(HERE / arguments.folder, service.module)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    port = arguments.port or service.port
    if port is None:
        module.main()
    elif service.is_asgi:
        import uvicorn

        uvicorn.run(
            module.app, host=arguments.host, port=port, access_log=False, log_level="warning"
        )
    else:
        import waitress

        waitress.serve(module.app, host=arguments.host, port=port, threads=THREADS, ident=None)


def load(folder: Path, name: str):
    """The module in a file; not by import, so that each folder may have one of the same name."""
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def log_to_stderr() -> None:
    """Text for people, or, with LOG_FORMAT=json, lines that say which trace they belong to."""
    handler = logging.StreamHandler()
    if os.environ.get("LOG_FORMAT") == "json":
        from xtrace.integrations.logging import JSONFormatter

        handler.setFormatter(JSONFormatter())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)


if __name__ == "__main__":
    main()
