"""The canary: a call with one built-in sentence, which tells whether the provider answers anybody at all."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from database import Database
from domain.analysis import CallFailed, Reply
from llm.budget import Budget, End, OverBudget, next_day
from llm.hold import Hold

CANARY = "The parcel came two days late and the box was torn, but support sorted it out quickly."
Turn = Callable[[], Awaitable[None]]
Ask = Callable[[Sequence[str], Turn], Awaitable[Reply]]
"""Asks about texts; awaits the turn immediately before the request is written. Raises CallFailed."""


class Canary:
    """Sends it, budgeted and booked like any call. What its end means is for others to decide."""

    def __init__(self, ask: Ask, budget: Budget, hold: Hold, database: Database) -> None:
        self._ask = ask
        self._budget = budget
        self._hold = hold
        self._database = database

    async def send(self, turn: Turn) -> CallFailed | None:
        """Gives what went wrong, or None where it came back; it leaves when its turn has come."""
        left = False

        async def before_send() -> None:
            nonlocal left
            await turn()
            left = True

        settlements, tomorrow = self._hold.settlements, next_day(self._budget.clock())
        _, reservation = await self._database.write(
            lambda c: self._budget.reserve_for(c, [CANARY], conversations=0)
        )
        if reservation is None:
            self._hold.budget_spent(tomorrow, settlements)
            return OverBudget()
        end: End = None
        try:
            end = await self._ask([CANARY], before_send)
        except CallFailed as fault:
            end = fault
        finally:
            close = partial(self._budget.record, reservation=reservation, end=end, sent=left)
            await asyncio.shield(self._database.write(close))
            self._hold.reservation_settled()
        return end if isinstance(end, CallFailed) else None
