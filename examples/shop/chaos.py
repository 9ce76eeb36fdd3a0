"""Chaos: what goes wrong in a service, how often, and always the same for the same seed.

It is put around a service from outside; no service knows of it.
"""

from __future__ import annotations

import io
import json
import random
import sys
import threading
import time
from collections import Counter
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields

SLOW_SECONDS = 0.2
SLOW_TAIL_SECONDS = 0.1
SLOWEST_SECONDS = 0.6
TIMEOUT_SECONDS = 1.5
"""Longer than the second that callers wait for."""


@dataclass(frozen=True)
class Chaos:
    """What may go wrong; the rates are shares of requests, 0 to 1.

    slow_catalog: catalogservice takes some 300 ms longer, sometimes much longer. throttle: the
    table refuses. broken_recommender: recommenderservice raises. timeout: catalogservice takes
    longer than its callers wait. kill: about every so many seconds a service is killed, and comes
    back. clock_skew: milliseconds that recommenderservice's clock is ahead.
    """

    slow_catalog: float = 0.10
    throttle: float = 0.05
    broken_recommender: float = 0.03
    timeout: float = 0.01
    kill: float = 75.0
    clock_skew: float = 0.0
    seed: int | None = None

    def as_json(self) -> str:
        return json.dumps(asdict(self))


NONE = Chaos(**{field.name: 0.0 for field in fields(Chaos) if field.name != "seed"})


class Broken(Exception):
    """What recommenderservice raises."""


class Dice:
    """Decides whether something strikes: for each kind and subject the first time, the second...

    So it is the same in every run with the same seed, however many requests of other subjects
    come between.
    """

    def __init__(self, seed: int | None) -> None:
        self._seed = random.random() if seed is None else seed
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def strikes(self, kind: str, rate: float, subject: str) -> random.Random | None:
        """If it does, what further chances are taken from."""
        key = f"{kind} {subject}"
        with self._lock:
            self._counts[key] += 1
            chance = random.Random(f"{self._seed} {key} {self._counts[key]}")
        return chance if chance.random() < rate else None


def load(load_service, options):
    """The module of a service, with chaos around it. options: the members of Chaos."""
    chaos = Chaos(**options)
    dice = Dice(chaos.seed)
    name = sys.argv[1]
    if name == "recommenderservice" and chaos.clock_skew:
        clock = time.time
        time.time = lambda: clock() + chaos.clock_skew / 1000  # before anybody looks at it
    if name == "catalogservice":
        throttle_dynamodb(chaos, dice)
    module = load_service()
    if name == "catalogservice":
        module.app.before_request(lambda: slow_down(chaos, dice))
    if name == "recommenderservice":
        module.app.before_request(lambda: break_down(chaos, dice))
    return module


def slow_down(chaos: Chaos, dice: Dice) -> None:
    from flask import request

    if not request.path.startswith("/api/v1/product"):
        return
    chance = dice.strikes("slow", chaos.slow_catalog, request.path)
    if chance:
        seconds = SLOW_SECONDS + chance.expovariate(1 / SLOW_TAIL_SECONDS)
        with subsegment("## simulate slow query"):
            time.sleep(min(seconds, SLOWEST_SECONDS))
    if dice.strikes("timeout", chaos.timeout, request.path):
        with subsegment("## simulate lost query"):
            time.sleep(TIMEOUT_SECONDS)


def break_down(chaos: Chaos, dice: Dice) -> None:
    from flask import request

    if "recommender" in request.path and dice.strikes(
        "broken", chaos.broken_recommender, request.path
    ):
        raise Broken("the model of what goes together is empty")


def subsegment(name: str):
    """A subsegment, if the service is traced."""
    xtrace = sys.modules.get("xtrace")
    return xtrace.in_subsegment(name) if xtrace else nullcontext()


def throttle_dynamodb(chaos: Chaos, dice: Dice) -> None:
    """Answer some GetItem in the table's place, as a table does that has no capacity left."""
    import boto3
    from botocore.awsrequest import AWSResponse

    refusal = json.dumps(
        {
            "__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
            "message": "The level of configured provisioned throughput for the table was exceeded.",
        }
    ).encode()

    class Body(io.BytesIO):
        def stream(self, amount=-1, decode_content=None):
            yield self.read()

    def answer(request, **details):
        subject = json.loads(request.body)["Key"]["id"]["S"]
        if not dice.strikes("throttle", chaos.throttle, subject):
            return None
        xtrace = sys.modules.get("xtrace")
        if xtrace:
            xtrace.current_segment().put_annotation("throttled", True)
        return AWSResponse(
            request.url, 400, {"x-amzn-requestid": "chaos", "content-type": "json"}, Body(refusal)
        )

    boto3.setup_default_session()
    boto3.DEFAULT_SESSION.events.register("before-send.dynamodb.GetItem", answer)
