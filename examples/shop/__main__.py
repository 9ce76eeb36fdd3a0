"""AnyCompany Shop on this machine: seven services, load, and their traces.

    python examples/shop             (make demo)
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import time
from dataclasses import fields
from pathlib import Path

import checks
import httpx
import load
from chaos import NONE, Chaos
from launcher import Shop
from services import SERVICES

SECONDS_AT_A_TERMINAL = 60
SECONDS_OTHERWISE = 15
SECONDS_KILLED = 3
KILLED = [module for module in SERVICES if module != "frontend"]


def arguments_of(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python examples/shop", description="AnyCompany Shop, with load and its traces."
    )
    parser.add_argument("--users", type=int, default=4, help="visitors (default: %(default)s)")
    parser.add_argument(
        "--duration",
        type=float,
        metavar="SECONDS",
        help=f"how long they come (default: {SECONDS_AT_A_TERMINAL}; {SECONDS_OTHERWISE} without "
        "a terminal)",
    )
    parser.add_argument("--forever", action="store_true", help="they come until Ctrl-C")
    parser.add_argument(
        "--seed", type=int, help="the same number: the same visits, and the same chaos"
    )
    parser.add_argument("--sample-all", action="store_true", help="record every request")
    parser.add_argument("--db", metavar="FILE", help="keep the traces in this file")
    parser.add_argument(
        "--services",
        metavar="FOLDER",
        default="traced",
        help="where their files are: traced, plain, or a folder of yours (default: %(default)s)",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="when the load has ended, look whether every trace is as it should be, and end; "
        "implies --sample-all. Without a terminal, this is what happens",
    )
    parser.add_argument(
        "--free-ports", action="store_true", help="take any ports, not 8080 to 8085 and 2000"
    )
    chaos = parser.add_argument_group("chaos", "what goes wrong, and how often")
    chaos.add_argument("--chaos", action=argparse.BooleanOptionalAction, default=False)
    meanings = {
        "slow_catalog": "share of requests that catalogservice is slow for",
        "throttle": "share of reads that the table refuses",
        "broken_recommender": "share of requests that recommenderservice raises for",
        "timeout": "share of requests that catalogservice takes too long for",
        "kill": "seconds between killings of a service; 0 for none",
        "clock_skew": "milliseconds that recommenderservice's clock is ahead",
    }
    for name, meaning in meanings.items():
        default = getattr(Chaos, name)
        chaos.add_argument(
            f"--{name.replace('_', '-')}",
            type=float,
            metavar="N",
            help=f"{meaning} (with --chaos: {default:g})",
        )
    return parser.parse_args(words)


def chaos_of(arguments: argparse.Namespace) -> Chaos | None:
    """What goes wrong: all of it with --chaos, else what is asked for by its own flag."""
    base = Chaos() if arguments.chaos else NONE
    given = {
        field.name: getattr(arguments, field.name)
        for field in fields(Chaos)
        if getattr(arguments, field.name) is not None
    }
    chaos = Chaos(**{**vars(base), **given})
    return None if chaos == Chaos(**{**vars(NONE), "seed": arguments.seed}) else chaos


async def visit(shop: Shop, arguments: argparse.Namespace, totals: load.Totals) -> None:
    """Let the visitors come, with a status line each second and now and then a killing."""
    seconds = float("inf") if arguments.forever else arguments.duration
    status = asyncio.create_task(show_status(shop, totals))
    kills = asyncio.create_task(kill_now_and_then(shop))
    try:
        await load.run(shop.url, arguments.users, seconds, arguments.seed, totals)
    finally:
        status.cancel()
        kills.cancel()
        await asyncio.gather(status, kills, return_exceptions=True)
    async with httpx.AsyncClient(trust_env=False) as client:
        await show(shop, totals, client, time.monotonic())


async def show_status(shop: Shop, totals: load.Totals) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        began = time.monotonic()
        while True:
            await asyncio.sleep(1)
            await show(shop, totals, client, began)


async def show(shop, totals, client, began) -> None:
    try:
        answer = await client.get(f"{shop.collector_url}/api/v1/stats")
        traces = f"{answer.json()['store']['traces']} traces"
    except httpx.TransportError:
        traces = "no collector"
    line = f"{totals.requests} requests, {totals.orders} orders, {traces}, {totals.faults} faults"
    if totals.unanswered:
        line += f", {totals.unanswered} unanswered"
    print(line)


async def kill_now_and_then(shop: Shop) -> None:
    if shop.chaos is None or not shop.chaos.kill:
        return
    chance = random.Random(shop.seed)
    while True:
        await asyncio.sleep(shop.chaos.kill * chance.uniform(0.8, 1.2))
        module = chance.choice(KILLED)
        shop.kill(module)
        print(f"{SERVICES[module].name} killed")
        await asyncio.sleep(SECONDS_KILLED)
        await asyncio.to_thread(shop.start, module)
        print(f"{SERVICES[module].name} is back")


def main(words: list[str]) -> int:
    arguments = arguments_of(words)
    print(arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
