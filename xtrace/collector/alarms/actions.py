"""What state changes lead to: a POST to a webhook, a program. On a thread of its own, one by one."""

from __future__ import annotations

import json
import logging
import subprocess
from queue import Full, Queue
from threading import Lock, Thread
from typing import TYPE_CHECKING
from urllib.request import HTTPRedirectHandler, Request, build_opener

from .settings import Webhook

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .settings import Command

log = logging.getLogger("xtrace.collector.alarms")

MAX_WAITING = 100
"""Actions that wait for the one that is being done; more are dropped and counted."""


class Actions:
    """Does what is configured for state changes. Whoever tells it of one isn't kept waiting."""

    def __init__(self, actions: Sequence[Webhook | Command]) -> None:
        self._actions = actions
        self._waiting: Queue[tuple[int, bytes] | None] = Queue(MAX_WAITING)
        self._lock = Lock()
        self._thread: Thread | None = None
        self._counts = [{"done": 0, "failed": 0, "dropped": 0} for _ in actions]
        self._last_error: list[str | None] = [None for _ in actions]

    def tell(self, state: str, message: dict[str, Any]) -> None:
        """Do, soon, what is configured for a change to this state. message: what is told, JSON."""
        body = json.dumps(message).encode()
        for number, action in enumerate(self._actions):
            if state not in action.on:
                continue
            self._start()
            try:
                self._waiting.put_nowait((number, body))
            except Full:
                self._counts[number]["dropped"] += 1
                log.error("Alarms: %s is too slow, a state change isn't told to it", action)

    def as_list(self) -> list[dict[str, Any]]:
        """What became of them, as plain data: done, failed, dropped, the last error."""
        return [
            {"action": str(action), **counts, "last_error": error}
            for action, counts, error in zip(
                self._actions, self._counts, self._last_error, strict=True
            )
        ]

    def stop(self, timeout: float) -> None:
        """Do what waits, for so many seconds at most."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is None:
            return
        try:
            self._waiting.put(None, timeout=timeout)
        except Full:
            return
        thread.join(timeout)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = Thread(target=self._run, name="xtrace-alarm-actions", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            item = self._waiting.get()
            if item is None:
                return
            number, body = item
            action = self._actions[number]
            try:
                _do(action, body)
            except Exception as error:  # whatever it is, the next state change has its chance
                self._counts[number]["failed"] += 1
                self._last_error[number] = f"{type(error).__name__}: {error}"
                log.error("Alarms: %s failed: %s", action, self._last_error[number])
            else:
                self._counts[number]["done"] += 1


class _NoRedirects(HTTPRedirectHandler):
    """A POST that is redirected would arrive as a GET, without its body."""

    def redirect_request(self, *_: Any) -> None:
        return None


_opener = build_opener(_NoRedirects)


def _do(action: Webhook | Command, body: bytes) -> None:
    if isinstance(action, Webhook):
        headers = {"Content-Type": "application/json", "User-Agent": "xtrace"}
        request = Request(action.url, body, headers)
        with _opener.open(request, timeout=action.timeout_seconds):
            return
    subprocess.run(
        action.argv,
        input=body,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=action.timeout_seconds,
        check=True,
    )
