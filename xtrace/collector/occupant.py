"""Who has a port that is taken: another collector says so itself, of others Linux knows the process."""

from __future__ import annotations

import http.client
import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

PROGRAM = "xtrace collector"
"""How a collector calls itself at /health."""

ASK_SECONDS = 0.5


def occupant(endpoint: tuple[str, int]) -> str | None:
    """Who listens on UDP or TCP at an endpoint, in words; None if that can't be known."""
    return _collector(endpoint) or _process(endpoint[1])


def from_here(host: str) -> str:
    """The address by which this machine's programs reach one that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def health(endpoint: tuple[str, int]) -> dict[str, Any] | None:
    """What a collector of ours says of itself at an endpoint; None if there is none."""
    host, port = endpoint
    connection = http.client.HTTPConnection(from_here(host), port, timeout=ASK_SECONDS)
    try:
        connection.request("GET", "/health")
        said = json.loads(connection.getresponse().read(10_000))
        return said if said["program"] == PROGRAM else None
    except (OSError, http.client.HTTPException, ValueError, TypeError, KeyError):
        return None
    finally:
        connection.close()


def _collector(endpoint: tuple[str, int]) -> str | None:
    said = health(endpoint)
    if said is None:
        return None
    return f"another {PROGRAM} (process {said.get('pid')}, storing in {said.get('store')})"


def _process(port: int) -> str | None:
    """The process that has a socket on a port, where /proc tells it to this user."""
    inodes = set(_inodes(port))
    if not inodes or not os.path.isdir("/proc"):
        return None
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if not inodes.isdisjoint(_files(f"/proc/{pid}/fd")):
                with open(f"/proc/{pid}/comm") as name:
                    return f"process {pid} ({name.read().strip()})"
        except OSError:
            continue  # another user's, or gone
    return None


def _files(folder: str) -> Iterator[str]:
    """What the file descriptors in a process's folder stand for."""
    for descriptor in os.listdir(folder):
        try:
            yield os.readlink(f"{folder}/{descriptor}")
        except OSError:
            continue  # closed meanwhile


def _inodes(port: int) -> Iterator[str]:
    """The sockets on a port, as /proc/PID/fd names them."""
    listening = {"tcp": "0A", "tcp6": "0A", "udp": "07", "udp6": "07"}
    for table, state in listening.items():
        try:
            with open(f"/proc/net/{table}") as lines:
                next(lines)
                for line in lines:
                    fields = line.split()
                    if int(fields[1].rpartition(":")[2], 16) == port and fields[3] == state:
                        yield f"socket:[{fields[9]}]"
        except (OSError, StopIteration, ValueError, IndexError):
            continue
