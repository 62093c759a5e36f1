"""Time that tests move themselves: a clock, and a sleep that ends when the clock has got there; a calendar."""

import asyncio
import heapq
from collections.abc import Callable
from itertools import count

from core import clock
from llm.budget import next_day
from store.money.spending import DAY

SETTLE = 10
"""Turns of the event loop in which nobody reads the clock: by then every task waits for something."""


class FakeTime:
    """Monotonic seconds when called. `late` gives how many seconds after its due time a sleep ends."""

    def __init__(self, late: Callable[[], float] = lambda: 0.0) -> None:
        self.now = 1_000.0
        self._late = late
        self._reads = 0
        self._order = count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def __call__(self) -> float:
        self._reads += 1
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Sleep until `run` has moved the clock far enough."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        until = self.now + seconds + self._late()
        heapq.heappush(self._sleepers, (until, next(self._order), woken))
        await woken

    async def run(self, seconds: float) -> None:
        """Let so much time pass, and everything that is due in it happen at its moment."""
        end = self.now + seconds
        await self._settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            until, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                self.now = max(self.now, until)
                woken.set_result(None)
                await self._settle()
        self.now = end

    async def _settle(self) -> None:
        seen = None
        while seen != self._reads:
            seen = self._reads
            for _ in range(SETTLE):
                await asyncio.sleep(0)


class Calendar:
    """UTC microseconds when called, as they pass on the machine; it begins at a noon, and days can be skipped."""

    def __init__(self) -> None:
        self._ahead = next_day(clock.now()) + DAY // 2 - clock.now()

    def __call__(self) -> int:
        return clock.now() + self._ahead

    def turn(self) -> None:
        """Go on to the first moment of the next day."""
        self._ahead += next_day(self()) - self()
