"""Who goes next where two kinds of calls wait: a summary somebody waits for, or a batch. Policy, and a queue for it."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from enum import Enum


class Lane(Enum):
    """The kinds of calls."""

    SUMMARIES = "summaries"
    BATCHES = "batches"


class Alternation:
    """Summaries go ahead of batches, but never two in a row while a batch waits.

    So of any two turns that follow each other while both wait one is a batch's: neither starves.
    """

    def __init__(self) -> None:
        self._last = Lane.BATCHES

    def next(self, waiting: Collection[Lane]) -> Lane:
        """Whose turn it is, of the lanes in which somebody waits; at least one."""
        turn = Lane.BATCHES if self._last is Lane.SUMMARIES else Lane.SUMMARIES
        if turn not in waiting:
            (turn,) = set(waiting)
        self._last = turn
        return turn


class PrioritySemaphore:
    """A semaphore with lanes: who waits is served in order of arrival within a lane, lanes by `Alternation`."""

    def __init__(self, turns: int) -> None:
        """`turns` is how many may be held at once."""
        self._free = turns
        self._policy = Alternation()
        self._waiting: dict[Lane, deque[asyncio.Future[None]]] = {lane: deque() for lane in Lane}

    async def take(self, lane: Lane) -> None:
        """Wait for a turn and keep it until `give_back`. Who is cancelled while it waits has taken none."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[lane].append(turn)
        self._serve()
        try:
            await turn
        except asyncio.CancelledError:
            # It may have been served in the moment in which it gave up.
            if turn.done() and not turn.cancelled():
                self.give_back()
            raise

    def give_back(self) -> None:
        """End a turn."""
        self._free += 1
        self._serve()

    @asynccontextmanager
    async def taken(self, lane: Lane) -> AsyncIterator[None]:
        """Hold a turn inside the block."""
        await self.take(lane)
        try:
            yield
        finally:
            self.give_back()

    def _serve(self) -> None:
        while self._free and (lanes := [lane for lane in Lane if self._somebody_waits(lane)]):
            self._free -= 1
            self._waiting[self._policy.next(lanes)].popleft().set_result(None)

    def _somebody_waits(self, lane: Lane) -> bool:
        waiting = self._waiting[lane]
        while waiting and waiting[0].done():  # cancelled
            waiting.popleft()
        return bool(waiting)
