"""What programs call most, by the same names in xtrace, in the official SDK and through the layer."""

from __future__ import annotations

import asyncio
from typing import Any

from . import CALLS, METADATA, clock, trivial, trivial_async


class Calls:
    """Calls of a recorder. Subclasses say which, and where they differ."""

    sends_datagrams = True
    recorder: Any
    """Records every segment and sends to the drain."""

    def settle(self) -> None:
        """Everything is sent already, by the calling thread."""

    def async_recorder(self) -> Any:
        """A recorder for the running event loop."""
        raise NotImplementedError

    def capture_async(self, recorder: Any) -> Any:
        """The decorator for coroutine functions."""
        raise NotImplementedError

    # -- traces ------------------------------------------------------------------------------

    def sampled_trace(self, times: int) -> float:
        return self._traces(times, None)

    def unsampled_trace(self, times: int) -> float:
        return self._traces(times, 0)

    def _traces(self, times: int, sampling: int | None) -> float:
        recorder = self.recorder
        begin = clock()
        for _ in range(times):
            with (
                recorder.in_segment("shop", sampling=sampling),
                recorder.in_subsegment("checkout") as part,
            ):
                part.put_annotation("customer", "c-17")
                part.put_annotation("attempt", 1)
                part.put_metadata("cart", METADATA)
                with recorder.in_subsegment("price") as part:
                    part.put_annotation("customer", "c-17")
                    part.put_annotation("attempt", 1)
                    part.put_metadata("cart", METADATA)
                    with recorder.in_subsegment("stock") as part:
                        part.put_annotation("customer", "c-17")
                        part.put_annotation("attempt", 1)
                        part.put_metadata("cart", METADATA)
                        with recorder.in_subsegment("reserve") as part:
                            part.put_annotation("customer", "c-17")
                            part.put_annotation("attempt", 1)
                            part.put_metadata("cart", METADATA)
                            with recorder.in_subsegment("write") as part:
                                part.put_annotation("customer", "c-17")
                                part.put_annotation("attempt", 1)
                                part.put_metadata("cart", METADATA)
        return clock() - begin

    # -- single calls ------------------------------------------------------------------------

    def with_subsegment(self, times: int) -> float:
        recorder = self.recorder
        begin = clock()
        for _ in range(times):
            with recorder.in_segment("shop"):
                for _ in range(CALLS):
                    with recorder.in_subsegment("write"):
                        pass
        return clock() - begin

    def begin_end(self, times: int) -> float:
        recorder = self.recorder
        begin = clock()
        for _ in range(times):
            with recorder.in_segment("shop"):
                for _ in range(CALLS):
                    recorder.begin_subsegment("write")
                    recorder.end_subsegment()
        return clock() - begin

    def put_annotation(self, times: int) -> float:
        recorder = self.recorder
        begin = clock()
        for _ in range(times):
            with recorder.in_segment("shop"):
                for value in range(CALLS):
                    recorder.put_annotation("attempt", value)
        return clock() - begin

    # -- captured functions ------------------------------------------------------------------

    def captured(self, times: int) -> float:
        recorder = self.recorder
        function = recorder.capture("trivial")(trivial)
        begin = clock()
        for _ in range(times):
            with recorder.in_segment("shop"):
                for value in range(CALLS):
                    function(value)
        return clock() - begin

    def captured_async(self, times: int) -> float:
        return asyncio.run(self._captured_async(times))

    async def _captured_async(self, times: int) -> float:
        recorder = self.async_recorder()
        function = self.capture_async(recorder)(trivial_async)
        begin = clock()
        for _ in range(times):
            with recorder.in_segment("shop"):
                for value in range(CALLS):
                    await function(value)
        return clock() - begin
