"""What the applications on asyncio have in common."""

from __future__ import annotations

import asyncio

import xtrace
from tests.integrations.servers.contract import GATE


async def streamed():
    for number in range(3):
        with xtrace.in_subsegment(f"part {number}"):
            await asyncio.sleep(0)
            yield b"%d" % number


async def gated(name):
    yield b"here"
    GATE.arrive(name)
    while not GATE.is_open:
        await asyncio.sleep(0.005)
    with xtrace.in_subsegment(name):
        yield b"there"
