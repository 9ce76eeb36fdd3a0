"""AnyCompany Shop on this machine: seven services, load, and their traces.

python examples/shop             (make demo)
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import fields

import checks
import httpx
import load
from chaos import NONE, Chaos
from launcher import Shop
from services import SERVICES

from xtrace.waterfall import draw

SECONDS_AT_A_TERMINAL = 60
SECONDS_OTHERWISE = 15
SECONDS_KILLED = 3
SECONDS_BETWEEN_LOOKS = 0.3
KILLED = [module for module in SERVICES if module != "frontend"]
PRODUCT_PAGE = ("GET /product/{id}", "known")
ORDER = ("POST /cart/order", "ordered")


def number(kind: type, least: float, most: float | None = None) -> Callable[[str], float]:
    """What reads a number within limits."""

    def read(text: str) -> float:
        value = kind(text)
        if value < least or (most is not None and value > most):
            limits = f"{least} or more" if most is None else f"from {least} to {most}"
            raise argparse.ArgumentTypeError(f"{text} isn't {limits}")
        return value

    read.__name__ = kind.__name__  # "invalid int value"
    return read


def arguments_of(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python examples/shop", description="AnyCompany Shop, with load and its traces."
    )
    parser.add_argument(
        "--users", type=number(int, 0), default=4, help="visitors (default: %(default)s)"
    )
    parser.add_argument(
        "--duration",
        type=number(float, 0),
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
    parser.add_argument("--alarms", metavar="FILE", help="alarms for the collector")
    parser.add_argument(
        "--services",
        metavar="FOLDER",
        default="traced",
        help="where their files are: traced, plain, or a folder of yours, whose services are "
        "started again when you change them (default: %(default)s)",
    )
    parser.add_argument(
        "--compat",
        action="store_true",
        help="recommenderservice as it was written for aws_xray_sdk, on xtrace",
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
        most = 1 if meaning.startswith("share") else None
        chaos.add_argument(
            f"--{name.replace('_', '-')}",
            type=float if name == "clock_skew" else number(float, 0, most),
            metavar="N",
            help=f"{meaning} (with --chaos: {default:g})",
        )
    arguments = parser.parse_args(words)
    if arguments.forever and arguments.check:
        parser.error("--check comes when the load has ended; it never does with --forever")
    arguments.check |= not (sys.stdout.isatty() or arguments.forever or not arguments.users)
    arguments.sample_all |= arguments.check
    if arguments.duration is None:
        arguments.duration = SECONDS_AT_A_TERMINAL if sys.stdout.isatty() else SECONDS_OTHERWISE
    return arguments


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


class Status:
    """A line that says how it is going; on a terminal each takes the place of the one before."""

    def __init__(self) -> None:
        self.is_terminal = sys.stdout.isatty()
        self._is_open = False

    def show(self, line: str) -> None:
        if self.is_terminal:
            print(f"\r\x1b[K{line}", end="", flush=True)
            self._is_open = True
        else:
            print(line, flush=True)

    def say(self, *lines: str) -> None:
        """Something that stays."""
        self.close()
        print(*lines, sep="\n", flush=True)

    def close(self) -> None:
        if self._is_open:
            print()
            self._is_open = False


async def visit(
    shop: Shop, arguments: argparse.Namespace, totals: load.Totals, status: Status
) -> None:
    """Let the visitors come, with a status line each second and now and then a killing."""
    seconds = float("inf") if arguments.forever else arguments.duration
    beside = [
        asyncio.create_task(show_status(shop, totals, status)),
        asyncio.create_task(kill_now_and_then(shop, status)),
    ]
    try:
        await load.run(shop.url, arguments.users, seconds, arguments.seed, totals)
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)


async def show_status(shop: Shop, totals: load.Totals, status: Status) -> None:
    """Each second a line; the first trace as soon as it is there."""
    async with httpx.AsyncClient(trust_env=False) as client:
        is_drawn = False
        while True:
            await asyncio.sleep(1)
            if not is_drawn and (drawn := await asyncio.to_thread(drawing, shop, totals)):
                status.say("", "A product page, through all services that it took:", "", drawn)
                is_drawn = True
            try:
                answer = await client.get(f"{shop.collector_url}/api/v1/stats")
                traces = f"{answer.json()['store']['traces']:,} traces"
            except httpx.TransportError:
                traces = "the collector doesn't answer"
            status.show(counted(totals, traces))


def counted(totals: load.Totals, traces: str) -> str:
    line = f"{totals.requests:,} requests, {totals.orders:,} orders, {totals.faults:,} faults"
    if totals.unanswered:
        line += f", {totals.unanswered:,} unanswered"
    return f"{line}; {traces}"


def drawing(shop: Shop, totals: load.Totals, page: tuple[str, str] = PRODUCT_PAGE) -> str:
    """The latest trace of a kind, if it is complete."""
    latest = totals.latest.get(page)
    if latest is not None:
        for segments in checks.Collected(shop.collector_url, 0).traces([latest.trace_id]):
            if checks.count(segments) == checks.expected(latest):
                columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
                return draw(segments, colour=sys.stdout.isatty(), columns=columns)
    return ""


async def kill_now_and_then(shop: Shop, status: Status) -> None:
    if shop.chaos is None or not shop.chaos.kill:
        return
    chance = random.Random(shop.seed)
    waiting: list[str] = []
    while True:
        await asyncio.sleep(shop.chaos.kill * chance.uniform(0.8, 1.2))
        # Each in its turn before the first comes again: whoever watches should see it everywhere.
        waiting = waiting or chance.sample(KILLED, len(KILLED))
        module = waiting.pop()
        shop.kill(module)
        status.say(f"{SERVICES[module].name} is killed")
        await asyncio.sleep(SECONDS_KILLED)
        await asyncio.to_thread(shop.start, module)
        status.say(f"{SERVICES[module].name} is back")


def announce(shop: Shop, arguments: argparse.Namespace) -> None:
    print(*shop.notes, sep="\n", end="\n" if shop.notes else "")
    print(f"AnyCompany Shop  {shop.url}\nits traces       {shop.collector_url}")
    if arguments.users:
        how_long = "until Ctrl-C" if arguments.forever else f"for {arguments.duration:g} s"
        print(f"{arguments.users} visitors come {how_long}.", end=" ")
    print("Ctrl-C stops everything.", flush=True)


def report(shop: Shop, totals: load.Totals, since: float, traced: bool) -> int:
    """Say what has come of the visits; gives the exit status."""
    collected = checks.Collected(shop.collector_url, since)
    problems = (
        checks.compare(collected, totals.visits, exactly=shop.chaos is None) if traced else []
    )
    if not traced:
        print("The shop isn't traced, so there is nothing to look at.")
        return 0
    if drawn := drawing(shop, totals, ORDER):
        print("", "An order, with the work that it left in the queue:", "", drawn, sep="\n")
    print("\nService graph:")
    services = collected.graph()
    checks.draw_graph(services)
    summaries = collected.summaries()
    faulty = collected.summaries("fault")
    print(
        f"\n{totals.requests:,} requests sent, {totals.faults} answered with a 5xx, "
        f"{totals.unanswered} not answered",
        f"{len(summaries):,} traces stored, {len(faulty)} of them with a fault at the front",
        f"{len({*checks.names_of(services).values()})} nodes and "
        f"{len(checks.edges_of(services))} edges",
        *problems,
        "Nothing is missing." if not problems else "That isn't as it should be!",
        sep="\n",
    )
    return 1 if problems else 0


def stay(shop: Shop, arguments: argparse.Namespace, totals: load.Totals, status: Status) -> None:
    """Leave everything as it is, until Ctrl-C; start again the services that are changed."""
    if drawn := drawing(shop, totals, ORDER):
        status.say("", "An order, with the work that it left in the queue:", "", drawn)
    if arguments.users:
        status.say(
            "",
            "The visitors have gone; the shop is open, and yours.",
            f"AnyCompany Shop  {shop.url}",
            f"its traces       {shop.collector_url}",
            "Ctrl-C stops everything.",
        )
    while True:
        time.sleep(SECONDS_BETWEEN_LOOKS)
        for name in shop.edited():
            shop.end(name)
            try:
                shop.start(name)
                status.say(f"{SERVICES[name].name} is started again, as it is now")
            except SystemExit as error:
                status.say(str(error))  # a slip of the pen; the next change may mend it


def main(words: list[str]) -> int:
    arguments = arguments_of(words)
    # Whoever ends the demo by a signal wants what Ctrl-C does; which a shell that starts it in the
    # background has had ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda number, frame: signal.raise_signal(signal.SIGINT))
    totals = load.Totals(visits=[] if arguments.check else None)
    status = Status()
    since = time.time()
    try:
        with Shop(
            arguments.services,
            compat=arguments.compat,
            chaos=chaos_of(arguments),
            sample_all=arguments.sample_all,
            seed=arguments.seed,
            database=arguments.db,
            alarms=arguments.alarms,
            free_ports=arguments.free_ports,
        ) as shop:
            announce(shop, arguments)
            asyncio.run(visit(shop, arguments, totals, status))
            status.close()
            if arguments.check:
                return report(shop, totals, since, arguments.services != "plain")
            stay(shop, arguments, totals, status)
    except KeyboardInterrupt:
        status.say("Stopped; nothing is left running.")
        return 130 if arguments.check else 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
