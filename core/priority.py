"""Which of several kinds of calls goes next, and a semaphore that serves them in that order."""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, order=True)
class Lane:
    """A kind of call. A lower rank goes ahead; two lanes of one rank are the same lane."""

    rank: int
    name: str = field(compare=False)
    yields: bool = field(default=False, compare=False)
    """Whether it is served only while no other lane waits."""
    patience: float | None = field(default=None, compare=False)
    """Seconds that a call of it waits for its slot, at most; None is without end."""


SUMMARIES = Lane(10, "summaries")
"""Somebody waits for each of them."""
BATCHES = Lane(20, "batches")
BATCH_API = Lane(25, "batch_api", patience=20.0)
"""The few calls that create, fill and read batches at the provider. Whoever waits for longer tries again later."""
REANALYSES = Lane(30, "reanalyses", yields=True, patience=20.0)
"""Behind everything fresh. Whoever waits for longer gives back what it holds, whose lease would end."""


class Alternation:
    """Whose turn it is. A lane that yields has one only while no other lane waits.

    Of the others, a lane goes ahead of the lanes behind it, but never twice in a row while one of those waits.

    So each lane takes at most every second of the turns that it shares with the lanes behind it, and none starves:
    between two turns of a lane that waits, with `n` lanes ahead of it, there are at most `2 ** (n + 1) - 1` turns of
    others, and `2 ** n - 1` where no lane is behind it.
    """

    def __init__(self) -> None:
        # The lanes that were served more recently than any lane behind them.
        self._yielding: set[Lane] = set()

    def next(self, waiting: Collection[Lane]) -> Lane:
        """Whose turn it is, of the lanes in which somebody waits; there must be at least one."""
        lanes = sorted(lane for lane in waiting if not lane.yields)
        if not lanes:
            return min(waiting)
        turn = next((lane for lane in lanes[:-1] if lane not in self._yielding), lanes[-1])
        self._yielding = {lane for lane in self._yielding if lane > turn} | {turn}
        return turn


class PrioritySemaphore:
    """A semaphore with lanes: first come, first served within a lane, and between lanes by `Alternation`."""

    def __init__(self, turns: int) -> None:
        """`turns` is how many may be held at once."""
        self._free = turns
        self._policy = Alternation()
        self._waiting: defaultdict[Lane, deque[asyncio.Future[None]]] = defaultdict(deque)

    async def take(self, lane: Lane) -> None:
        """Wait for a turn and keep it until `give_back`. A caller cancelled while waiting has taken no turn."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[lane].append(turn)
        self._serve()
        try:
            await turn
        except asyncio.CancelledError:
            # The caller may have been served just before it was cancelled.
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
        while self._free and (lanes := [lane for lane in self._waiting if self._has_waiter(lane)]):
            self._free -= 1
            self._waiting[self._policy.next(lanes)].popleft().set_result(None)

    def _has_waiter(self, lane: Lane) -> bool:
        waiting = self._waiting[lane]
        while waiting and waiting[0].done():  # cancelled
            waiting.popleft()
        return bool(waiting)


class PartOfTurns:
    """A part of a semaphore's turns: whoever takes them here holds at most `turns` at once, and leaves others free.

    Between two of them there are at least `gap` seconds; in each of several processes so many times longer, so that
    all together keep to it. `sharers` gives their number.
    """

    def __init__(
        self, whole: PrioritySemaphore, turns: int, gap: float = 0, sharers: Callable[[], int] = lambda: 1
    ) -> None:
        self._whole = whole
        self._sharers = sharers
        self._own = asyncio.Semaphore(turns)
        self._gap = gap
        self._next = 0.0
        self._one_by_one = asyncio.Lock()

    async def take(self, lane: Lane) -> None:
        """Wait for a turn and keep it until `give_back`. A caller cancelled while waiting has taken no turn."""
        await self._own.acquire()
        try:
            clock = asyncio.get_running_loop().time
            async with self._one_by_one:
                await asyncio.sleep(self._next - clock())
                await self._whole.take(lane)
                self._next = clock() + self._gap * max(1, self._sharers())
        except asyncio.CancelledError:
            self._own.release()
            raise

    def give_back(self) -> None:
        """End a turn."""
        self._whole.give_back()
        self._own.release()
