"""A Redis cluster of three nodes, in memory only; the server is the first of them."""

from __future__ import annotations

import shlex
import socket
from pathlib import Path

from tests.helpers import free_port
from tests.marks import password
from tests.servers import Plan, Server, accepts, program

PASSWORD = password("cluster")
NODES = 3
SLOTS = 16_384


def prepare(folder: Path, port: int) -> Plan:
    """Three servers that don't know each other yet; is_ready() introduces them."""
    ports = [port, *(free_port() for _ in range(NODES - 1))]
    commands = []
    for number, each in enumerate(ports):
        (folder / f"node{number}").mkdir()
        settings = {
            "--port": each,
            "--bind": "127.0.0.1",
            "--dir": folder / f"node{number}",
            "--save": "''",
            "--cluster-enabled": "yes",
            "--cluster-port": free_port(),
            "--cluster-node-timeout": "2000",
            "--requirepass": PASSWORD,
            "--masterauth": PASSWORD,
        }
        options = " ".join(f"{name} {value}" for name, value in settings.items())
        commands.append(f"{shlex.quote(program('redis-server'))} {options}")
    server = Server("redis", "127.0.0.1", port, "", PASSWORD, ",".join(map(str, ports)))
    return Plan(
        server=server, serve=["sh", "-c", " & ".join([*commands[:-1], f"exec {commands[-1]}"])]
    )


def is_ready(server: Server) -> bool:
    """Whether all nodes say that the cluster is; makes one of them when they are there."""
    ports = [int(port) for port in server.database.split(",")]
    if not all(accepts(Server("redis", server.host, port)) for port in ports):
        return False
    if "cluster_known_nodes:1\r" in _ask(ports[0], "CLUSTER INFO"):
        for number, port in enumerate(ports):
            first, last = number * SLOTS // NODES, (number + 1) * SLOTS // NODES - 1
            _ask(port, f"CLUSTER ADDSLOTSRANGE {first} {last}")
            _ask(port, f"CLUSTER SET-CONFIG-EPOCH {number + 1}")
        for port in ports[1:]:
            _ask(ports[0], f"CLUSTER MEET 127.0.0.1 {port} {_bus_port(port)}")
    return all(
        "cluster_state:ok" in _ask(port, "CLUSTER INFO")
        and f"cluster_known_nodes:{NODES}\r" in _ask(port, "CLUSTER INFO")
        for port in ports
    )


def _bus_port(port: int) -> str:
    answer = _ask(port, "CONFIG GET cluster-port")
    return answer.split("\r\n")[-2]


def _ask(port: int, command: str) -> str:
    """What a node answers to a command, as it comes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as node:
        node.sendall(f"AUTH {PASSWORD}\r\n{command}\r\nECHO the-end\r\n".encode())
        answer = b""
        while not answer.endswith(b"$7\r\nthe-end\r\n"):
            received = node.recv(65_536)
            assert received, answer
            answer += received
    return answer.decode().removeprefix("+OK\r\n").removesuffix("$7\r\nthe-end\r\n")
