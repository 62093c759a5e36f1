"""The outbound cap of all processes on a PostgreSQL server, and what the gateway asks of any pacer."""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from typing import NamedTuple, Protocol

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from core import logs
from core.clock import SECOND
from core.pause import Pause
from core.priority import BATCHES, Lane, PrioritySemaphore
from core.tasks import TaskSet
from domain.analysis import Departed
from rate_limiter import Clock, Pace
from store.engine.open_transactions import OpenTransaction, OpenTransactions
from store.queue.outbound import lock_departures, stamp_departure

log = structlog.get_logger()

SHORTEST_GAP = 0.5
"""Of an even gap. With 0.8, each call that left 20 ms late or more would cost a part of the cap."""
MOST_SLEPT = 0.25
"""Seconds to sleep with the row locked, at most. Whoever has to wait longer leaves the row to others meanwhile."""
LEAD = 0.02
"""Seconds before a call is due at which the database is asked for the last time. A later answer delays the call."""
MOST_HELD = 0.5
"""Seconds that a call may take to leave. Connections that open more slowly would stop all processes."""
TURN_SECONDS = 5.0
"""How long the database may take to give the turn: a connection may hang."""
TRIES = 5
"""How often the row may be found locked: with dozens of processes, a turn is longer than the lock's time-out."""
LOCKED = "55P03"
LONGEST_REST = 2.0
"""Seconds after which the database is asked again after a fault, at the latest."""

Refresh = Callable[[Connection], None]
"""Reads what all processes know of the provider."""


class Pacer(Protocol):
    """The outbound cap: says when a call may leave, of those that wait in its lanes."""

    pause: Pause
    """A time in which no call leaves."""

    async def slot(self, patience: float = math.inf, lane: Lane = BATCHES) -> Departed | None:
        """Wait for a slot. The caller must send its request at once, and say when it has left.

        Return None, without a slot, if there is a pause of more than `patience` seconds, or if nobody can say whose
        turn it is.
        """
        ...

    @property
    def withheld(self) -> str:
        """Why `slot` gave none."""
        ...


class SharedPacer:
    """The outbound cap of all processes. The row of the last departures is locked until the call has left.

    A call that is only booked in advance leaves when its process gets to it: four busy processes had 12 calls in a
    second that way. Only the process whose own turn it is waits for the row, so at most one call of each does.
    """

    def __init__(
        self,
        provider: str,
        rate: float,
        turns: OpenTransactions,
        pause: Pause,
        refresh: Refresh,
        clock: Clock = time.monotonic,
        turn_seconds: float = TURN_SECONDS,
    ) -> None:
        self.pause = pause
        self._turn_seconds = turn_seconds
        self._provider = provider
        self._pace = Pace.of(rate, SHORTEST_GAP)
        self._turns = turns
        self._refresh = refresh
        self._clock = clock
        # Taken from the first question until the call has left.
        self._own_turn = PrioritySemaphore(1)
        self._fault = ""
        self._again_at = clock()
        self._leaving = TaskSet()

    @property
    def withheld(self) -> str:
        """Why `slot` gave none."""
        return self._fault or self.pause.reason

    @property
    def idle_ms(self) -> int:
        """After so many milliseconds without a word the server takes the row from a process.

        A period and a second: when the row is free again, a call that left unnoticed is too old to count.
        """
        return round((self._pace.period + 1) * 1000)

    async def slot(self, patience: float = math.inf, lane: Lane = BATCHES) -> Departed | None:
        """Wait for a slot, as `Pacer` says. A caller that gives up or is cancelled uses up no slot."""
        async with AsyncExitStack() as held:
            await held.enter_async_context(self._own_turn.taken(lane))
            await asyncio.sleep(max(0.0, self._again_at - self._clock()))
            try:
                turn = await self._ask_until_due(held, patience)
            except (SQLAlchemyError, OSError) as error:
                self._note(error)
                return None
            if turn is None:
                return None
            left = asyncio.Event()
            self._leaving.start(self._stamp(turn, left, held.pop_all()))
            return left.set

    async def close(self) -> None:
        """Wait until every call has left that has its slot."""
        await self._leaving.ended()

    def _note(self, error: Exception) -> None:
        # A call may have left whose stamp was lost. After a period it no longer counts.
        self._again_at = self._clock() + min(self._pace.period, LONGEST_REST)
        is_late = isinstance(error, TimeoutError)
        why = f"no answer within {self._turn_seconds:g} s" if is_late else logs.named(logs.root(error))
        self._fault = f"the database does not say whose turn it is: {why}"
        log.warning("no_turn", provider=self._provider, reason=self._fault)

    async def _ask_until_due(self, held: AsyncExitStack, patience: float) -> "_Turn | None":
        """The turn, once the call is due, which `held` keeps; None if a pause is longer than the patience."""
        self._fault, wait, refusals = "", 0.0, 0
        while self.pause.left() <= patience:
            await asyncio.sleep(wait)
            try:
                async with asyncio.timeout(self._turn_seconds), AsyncExitStack() as asked:
                    turn = await self._locked(await asked.enter_async_context(self._turns.begun()))
                    if (wait := await self._wait(turn)) <= 0:
                        held.push_async_exit(asked.pop_all())
                        return turn
            except DBAPIError as error:
                refusals += 1
                if refusals == TRIES or getattr(error.orig, "sqlstate", None) != LOCKED:
                    raise
        return None

    async def _locked(self, transaction: OpenTransaction) -> "_Turn":
        last = await transaction.run(lock_departures, self._provider, idle_ms=self.idle_ms)
        now, times = last.now / SECOND, [each / SECOND for each in last.times]
        due = self._clock() + self._pace.wait(times, now)
        return _Turn(transaction, due, [round(each * SECOND) for each in self._pace.recent(times, now)])

    async def _wait(self, turn: "_Turn") -> float:
        """Sleep until the call is due. More than 0 if it is not to leave then: after so many seconds, ask again."""
        wait = max(self.pause.left(), turn.due - self._clock())
        if wait > MOST_SLEPT:
            return wait - MOST_SLEPT / 2
        await asyncio.sleep(wait - LEAD)
        await turn.transaction.run(self._refresh)
        if (paused := self.pause.left()) > 0:
            return paused
        await asyncio.sleep(turn.due - self._clock())
        # A process that was frozen meanwhile has lost its turn.
        return LEAD if self._clock() - turn.due > MOST_HELD else 0.0

    async def _stamp(self, turn: "_Turn", left: asyncio.Event, held: AsyncExitStack) -> None:
        """Note when the call left, and let the next one have its turn."""
        try:
            # The commit, too, may get no answer.
            async with asyncio.timeout(MOST_HELD + self._turn_seconds), held:
                with suppress(TimeoutError):
                    await asyncio.wait_for(left.wait(), MOST_HELD)
                await turn.transaction.run(stamp_departure, self._provider, turn.kept)
        except (SQLAlchemyError, OSError) as error:
            self._note(error)


class _Turn(NamedTuple):
    """The locked row: when the next call is due, by the pacer's clock, and the departures before it."""

    transaction: OpenTransaction
    due: float
    kept: Sequence[int]
