"""Flags and file of the X-Ray daemon, as `xtrace collector` and `xtrace daemon` understand them."""

from __future__ import annotations

import json
import os
from typing import NamedTuple

from ..errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ..collector.forward.targets import Target

SEARCHED = ("/etc/amazon/xray/cfg.yaml", "cfg.yaml")
"""Where `xtrace daemon` looks for a file without -c, as the daemon does."""

MIN_BUFFER_MB = 3
MAX_DEFAULT_BUFFER_MB = 64
_SHARE_OF_MEMORY = 0.01

_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_VERSIONS = (1, 2)
_METADATA_SETTINGS = ("ec2_metadata_service_endpoint", "ec2_metadata_service_endpoint_mode")

# Key of the file -> name below, and the type of its value.
_KEYS: dict[str, Any] = {
    "TotalBufferSizeMB": ("buffer_memory", int),
    "Concurrency": ("concurrency", int),
    "Region": ("region", str),
    "Endpoint": ("endpoint", str),
    "LocalMode": ("local_mode", bool),
    "ResourceARN": ("resource_arn", str),
    "RoleARN": ("role_arn", str),
    "ProxyAddress": ("proxy_address", str),
    "NoVerifySSL": ("no_verify", bool),
    "Version": ("version", int),
    "Socket": {"UDPAddress": ("bind", str), "TCPAddress": ("bind_tcp", str)},
    "Logging": {
        "LogRotation": ("log_rotation", bool),
        "LogLevel": ("log_level", str),
        "LogPath": ("log_file", str),
    },
}
_KINDS = {int: "a whole number", str: "text", bool: "true or false"}


class Forwarding(NamedTuple):
    """What the flags and the file say. See protocol of the daemon's flags."""

    urls: Sequence[str]
    region: str | None
    role_arn: str | None
    resource_arn: str | None
    local_mode: bool
    proxy_address: str | None
    endpoint: str | None
    no_verify: bool
    concurrency: int
    buffer_mb: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the commands take."""
    forwarding = parser.add_argument_group(
        "forwarding", "Flags with one letter, and the file, are those of the X-Ray daemon."
    )
    forwarding.add_argument(
        "--forward",
        metavar="URL",
        action="append",
        default=[],
        help="send what arrives on to xray://eu-west-1, or to otlp+http://host:4318 (can be repeated)",
    )
    forwarding.add_argument(
        "--no-store",
        action="store_true",
        help="keep nothing: be what the X-Ray daemon is (the same as `xtrace daemon`)",
    )
    forwarding.add_argument("-c", "--config", metavar="FILE", help="the daemon's file, in YAML")
    forwarding.add_argument("-n", "--region", help="of X-Ray, where --forward names none")
    forwarding.add_argument(
        "-r", "--role-arn", metavar="ARN", help="a role to be assumed for sending to X-Ray"
    )
    forwarding.add_argument(
        "-a", "--resource-arn", metavar="ARN", help="of what this runs on, told to X-Ray"
    )
    forwarding.add_argument(
        "-o", "--local-mode", action="store_true", help="don't ask EC2 for the region"
    )
    forwarding.add_argument(
        "-p", "--proxy-address", metavar="URL", help="an HTTP proxy on the way to the target"
    )
    forwarding.add_argument(
        "-m",
        "--buffer-memory",
        metavar="MB",
        type=int,
        help="for what waits to be sent, without a store; 0 for 1%% of the memory "
        f"(but {MIN_BUFFER_MB} to {MAX_DEFAULT_BUFFER_MB} MB)",
    )


def read(arguments: argparse.Namespace, searches: bool) -> Forwarding:
    """Put the file and the flags together; what the file says of other flags is put into them.

    searches: look for a file where the daemon does. Raises ConfigurationError.
    """
    path = arguments.config
    if path is None and searches:
        path = next((each for each in SEARCHED if os.path.exists(each)), None)
    said = {} if path is None else _file(path)
    for flag in ("bind", "bind_tcp", "log_file"):
        if getattr(arguments, flag) is None and said.get(flag):
            setattr(arguments, flag, said[flag])
    if arguments.log_level is None:
        arguments.log_level = said.get("log_level") or "prod"
    arguments.log_rotation = said.get("log_rotation", True)
    urls = list(arguments.forward)
    if not urls and arguments.no_store:
        urls = ["xray:"]

    def either(flag: str) -> Any:
        return getattr(arguments, flag) or said.get(flag) or None

    buffer_mb = arguments.buffer_memory
    if buffer_mb is None:
        buffer_mb = said.get("buffer_memory", 0)
    if buffer_mb and buffer_mb < MIN_BUFFER_MB:
        raise ConfigurationError(
            f"--buffer-memory is {buffer_mb}. Write {MIN_BUFFER_MB} (MB) or more, or 0 for 1 % of "
            "the memory."
        )
    return Forwarding(
        urls,
        either("region"),
        either("role_arn"),
        either("resource_arn"),
        bool(either("local_mode")),
        either("proxy_address"),
        said.get("endpoint") or None,
        bool(said.get("no_verify")),
        said.get("concurrency") or 8,
        buffer_mb or default_buffer_mb(),
    )


def targets(forwarding: Forwarding) -> list[Target]:
    """The targets. Raises ConfigurationError."""
    from ..collector.forward.targets import ForwardError, Settings, target_of

    settings = Settings(
        role_arn=forwarding.role_arn,
        proxy=forwarding.proxy_address,
        endpoint=forwarding.endpoint,
        verifies=not forwarding.no_verify,
        concurrency=forwarding.concurrency,
    )
    found = []
    for url in forwarding.urls:
        if url.lower().startswith("xray:") and not url.partition(":")[2].strip("/"):
            settings = settings._replace(region=_region(forwarding))
        try:
            found.append(target_of(url, settings))
        except ForwardError as error:
            raise ConfigurationError(f"--forward {error}") from None
    return found


def default_buffer_mb() -> int:
    """1 % of the memory that this process may have, in MB, but 3 to 64."""
    limits = []
    try:
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):  # no POSIX
        pass
    for path in _CGROUP_LIMITS:
        try:
            with open(path, encoding="ascii") as file:
                limits.append(int(file.read()))
        except (OSError, ValueError):  # none there, or "max"
            pass
    share = min(limits, default=0) * _SHARE_OF_MEMORY / 1e6
    return int(min(max(share, MIN_BUFFER_MB), MAX_DEFAULT_BUFFER_MB))


def _region(forwarding: Forwarding) -> str | None:
    """Where the daemon finds its region, in its order; the last are the AWS configuration's."""
    found = forwarding.region or os.environ.get("AWS_REGION") or _region_of_task()
    if not found and not forwarding.local_mode:
        from botocore.session import get_session
        from botocore.utils import InstanceMetadataRegionFetcher

        try:
            session = get_session()
            config = {name: session.get_config_variable(name) for name in _METADATA_SETTINGS}
            fetcher = InstanceMetadataRegionFetcher(timeout=1, num_attempts=1, config=config)
            found = fetcher.retrieve_region()
        except Exception:  # nobody there: this isn't EC2
            found = None
    return found


def _region_of_task() -> str | None:
    """The region in the metadata file of an ECS task."""
    path = os.environ.get("ECS_CONTAINER_METADATA_FILE")
    if not path:
        return None
    try:
        with open(path, encoding="utf-8") as file:
            arn = json.load(file)["TaskARN"]
        return str(arn.split(":")[3]) or None
    except (OSError, ValueError, KeyError, IndexError, AttributeError, TypeError):
        return None


def _file(path: str) -> dict[str, Any]:
    """What a file of the daemon's says, by the names in _KEYS. Raises ConfigurationError."""
    import yaml

    try:
        with open(path, encoding="utf-8") as file:
            held = yaml.safe_load(file)
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"Can't read {path!r}: {error}") from error
    if not isinstance(held, dict):
        raise ConfigurationError(f"{path!r} has no keys and values, as in Region: eu-west-1.")
    said: dict[str, Any] = {}
    _take(path, held, _KEYS, "", said)
    if said.get("version") not in _VERSIONS:
        raise ConfigurationError(
            f"{path!r} needs Version: 2 (or 1); it says {held.get('Version')!r}."
        )
    return said


def _take(
    path: str, held: Mapping[str, Any], keys: Mapping[str, Any], where: str, said: dict[str, Any]
) -> None:
    for key, value in held.items():
        known = keys.get(key) if isinstance(key, str) else None
        if known is None:
            raise ConfigurationError(
                f"{path!r} has the key {where}{key}, which the daemon doesn't know. Known: "
                f"{', '.join(keys)}."
            )
        if isinstance(known, dict):
            if value is not None and not isinstance(value, dict):
                raise ConfigurationError(f"{path!r}: {where}{key} has no keys of its own.")
            _take(path, value or {}, known, f"{where}{key}.", said)
        elif value is not None:
            name, kind = known
            if type(value) is not kind:
                raise ConfigurationError(
                    f"{path!r}: {where}{key} is {value!r}, which isn't {_KINDS[kind]}."
                )
            said[name] = value
