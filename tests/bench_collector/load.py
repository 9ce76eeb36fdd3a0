"""Documents as a system of fifty services would send them, and a client that sends them over UDP."""

from __future__ import annotations

import argparse
import json
import random
import socket
import time

SERVICES = 50
SEGMENTS_PER_TRACE = 8
HEADER = b'{"format":"json","version":1}\n'
SIZE = 1500
"""Bytes of a document, about."""


def trace(number: int, start: float, chance: random.Random) -> list[bytes]:
    """The documents of a trace: each service calls two others or databases; 2 % of them with a fault."""
    trace_id = f"1-{int(start):08x}-{number:024x}"
    names = [f"service-{number % 5 * 10}"]  # five services face the clients
    names += [
        f"service-{(number % 5 * 10 + place * 7 + number // 5) % SERVICES}"
        for place in range(1, SEGMENTS_PER_TRACE)
    ]
    names += [f"db-{(number + place) % 10}" for place in range(SEGMENTS_PER_TRACE + 1)]
    made: list[bytes] = []
    faulty = chance.random() < 0.02
    callers: list[tuple[str, float, float]] = []  # id, start, length; breadth first
    for place in range(SEGMENTS_PER_TRACE):
        id = f"{number:012x}{place:04x}"
        parent, begin, length = (
            callers[place - 1] if place else ("", start, 0.02 + chance.random() * 0.3)
        )
        took = length * 0.8
        calls = []
        for call in range(2):
            child = f"{number:012x}{place:03x}{call + 8:x}"
            at = begin + took * 0.1 * (call + 1)
            calls.append(
                {
                    "id": child,
                    "name": names[place * 2 + call + 1],
                    "namespace": "remote",
                    "start_time": at,
                    "end_time": at + took * 0.8,
                    "http": {
                        "request": {"method": "GET", "url": f"http://service/items/{number % 100}"},
                        "response": {"status": 500 if faulty else 200, "content_length": 512},
                    },
                }
            )
            callers.append((child, at, took * 0.7))
        document = {
            "trace_id": trace_id,
            "id": id,
            "name": names[place],
            "start_time": begin,
            "end_time": begin + took,
            "http": {
                "request": {
                    "method": "GET",
                    "url": f"http://{names[place]}/items/{number % 100}",
                    "user_agent": "bench/1.0",
                    "client_ip": "10.0.0.1",
                },
                "response": {"status": 500 if faulty else 200},
            },
            "annotations": {"tenant": f"tenant-{number % 20}", "items": number % 7},
            "user": f"user-{number % 500}",
            "aws": {"xray": {"sdk": "bench", "sdk_version": "1.0"}},
            "service": {"version": "1.0", "runtime": "CPython", "runtime_version": "3.11"},
            "subsegments": calls,
        }
        if parent:
            document["parent_id"] = parent
        if faulty:
            document["fault"] = True
        text = json.dumps(document)
        document["metadata"] = {"default": {"note": "x" * max(0, SIZE - len(text) - 35)}}
        made.append(json.dumps(document).encode())
    return made


def main() -> None:
    """Send so many documents a second for so long; prints how many were sent and in what time."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("rate", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    templates = [trace(number, 1_000_000_000.0, chance) for number in range(200)]
    count = int(arguments.rate * arguments.seconds)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", arguments.port))
        begun = time.perf_counter()
        sent = 0
        number = arguments.seed << 32
        while sent < count:
            for data in renumbered(templates[number % len(templates)], number, time.time()):
                sender.send(HEADER + data)
                sent += 1
            number += 1
            ahead = begun + sent / arguments.rate - time.perf_counter()
            if ahead > 0.001:
                time.sleep(ahead)
        print(json.dumps({"sent": sent, "seconds": time.perf_counter() - begun}))


def renumbered(documents: list[bytes], number: int, now: float) -> list[bytes]:
    """Documents of a template as those of another trace that begins now; cheap to make.

    The template began at 1,000,000,000 s, within a second of which all its times lie.
    """
    old = number % 200
    second = int(now)
    return [
        data.replace(b"1-3b9aca00-%024x" % old, b"1-%08x-%024x" % (second, number))
        .replace(b": 1000000000", b": %d" % second)
        .replace(b'"%012x' % old, b'"%012x' % (number & 0xFFFFFFFFFFFF))
        for data in documents
    ]


if __name__ == "__main__":
    main()
