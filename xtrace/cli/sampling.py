"""`xtrace sampling explain`: which rule decides about a request, and why not the ones before it."""

from __future__ import annotations

import os

from ..daemon import DEFAULT_ADDRESS, endpoint_text, parse
from ..errors import ConfigurationError
from ..sampling.central import CentralSampler
from ..sampling.local import LocalSampler
from ..settings import SETTINGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

_NAMES = {"service_type": "service type", "resource_arn": "resource ARN"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    explain = actions.add_parser("explain", help="say which rule decides about a request, and why")
    explain.add_argument("method", metavar="METHOD", help="GET, POST, ...")
    explain.add_argument("host", metavar="HOST", help="the host that the request is sent to")
    explain.add_argument("path", metavar="PATH", help="the path of its URL")
    explain.add_argument("--service", metavar="NAME", help="the service that is asked")
    explain.add_argument(
        "--service-type", metavar="TYPE", help="what it runs on: AWS::ECS::Container"
    )
    explain.add_argument(
        "--attribute",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="an attribute of the request; may be repeated",
    )
    rules = explain.add_mutually_exclusive_group()
    rules.add_argument("--rules", metavar="FILE", help="local rules")
    rules.add_argument(
        "--daemon",
        metavar="HOST:PORT",
        help="the daemon that hands out rules (without --rules and --daemon: "
        "what XTRACE_SAMPLER and XTRACE_SAMPLING_RULES say)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the explanation. Raises ConfigurationError if there are no rules to explain."""
    request = _request(arguments)
    sampler, source = _sampler(arguments)
    print(f"Rules: {source}")
    print("Request: " + ", ".join(f"{_name(field)} {text}" for field, text in _said(request)))
    print()
    for rule, against in sampler.explain(request):
        if not against:
            print(f"* {rule}")
            print("    decides")
            return 0
        print(f"  {rule}")
        for field, text in against.items():
            pattern = rule.patterns[field]
            print(f"    is for {_name(field)} {pattern!r}, not {_heard(text)}")
    return 0  # never: local rules end with one for everything


def _request(arguments: argparse.Namespace) -> dict[str, Any]:
    attributes = {}
    for text in arguments.attribute:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise ConfigurationError(f"--attribute {text!r} isn't KEY=VALUE, as in tier=gold.")
        attributes[key] = value
    return {
        "method": arguments.method,
        "host": arguments.host,
        "path": arguments.path,
        "service": arguments.service,
        "service_type": arguments.service_type,
        "attributes": attributes,
    }


def _said(request: dict[str, Any]) -> list[tuple[str, str]]:
    said = [(field, text) for field, text in request.items() if isinstance(text, str)]
    return said + [(f"attributes.{key}", text) for key, text in request["attributes"].items()]


def _sampler(arguments: argparse.Namespace) -> tuple[LocalSampler | CentralSampler, str]:
    """The sampler that has the rules, and where they come from. Raises ConfigurationError."""
    if arguments.daemon:
        return _asked(arguments.daemon, "--daemon", LocalSampler())
    path = arguments.rules or os.environ.get(SETTINGS["sampling_rules"].environment or "") or None
    local = LocalSampler(path)
    if arguments.rules is None and SETTINGS["sampler"].value(None) == "central":
        address = os.environ.get("AWS_XRAY_DAEMON_ADDRESS") or DEFAULT_ADDRESS
        return _asked(address, "AWS_XRAY_DAEMON_ADDRESS", local)
    return local, local.source


def _asked(address: str, source: str, local: LocalSampler) -> tuple[CentralSampler, str]:
    where = endpoint_text(parse(address, source).tcp)
    sampler = CentralSampler(local, address)
    sampler.poll()
    if not sampler.rules:
        raise ConfigurationError(
            f"No rules from the daemon at {where}: {sampler.trouble or 'it has none'}. Start one "
            "with `xtrace collector`, or name local rules with --rules. Meanwhile, programs decide "
            f"by local rules ({local.source})."
        )
    left_out = f", {sampler.left_out} more that can't be used" if sampler.left_out else ""
    return sampler, f"{len(sampler.rules)} from the daemon at {where}{left_out}"


def _name(field: str) -> str:
    return _NAMES.get(field, field.replace("attributes.", "attribute "))


def _heard(text: str | None) -> str:
    return "one that isn't said" if text is None else repr(text)
