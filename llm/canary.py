"""The canary: a call with one built-in sentence that shows whether the provider answers at all."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from database import Database
from domain.analysis import BeforeSend, CallFailed, Departed, Reply
from llm.budget import Budget, End, OverBudget, next_day
from llm.hold import Hold

CANARY = "The parcel came two days late and the box was torn, but support sorted it out quickly."
Analyse = Callable[[Sequence[str], BeforeSend], Awaitable[Reply]]
"""Analyses texts; awaits BeforeSend, then sends the request at once. Raises CallFailed."""


class Canary:
    """Sends the canary and charges it to the budget like any call. The caller decides what the result means."""

    def __init__(self, analyse: Analyse, budget: Budget, hold: Hold, database: Database) -> None:
        self._analyse = analyse
        self._budget = budget
        self._hold = hold
        self._database = database

    async def send(self, wait_for_slot: BeforeSend) -> CallFailed | None:
        """Send a canary once `wait_for_slot` returns; return the error, or None if it succeeded."""
        sent = False

        async def before_send() -> Departed | None:
            nonlocal sent
            departed = await wait_for_slot()
            sent = True
            return departed

        settlements, tomorrow = self._hold.settlements, next_day(self._budget.clock())
        _, reservation = await self._database.write(
            lambda c: self._budget.reserve_for(c, [CANARY], conversations=0)
        )
        if reservation is None:
            self._hold.budget_spent(tomorrow, settlements)
            return OverBudget()
        end: End = None
        try:
            end = await self._analyse([CANARY], before_send)
        except CallFailed as fault:
            end = fault
        finally:
            record = partial(self._budget.record, reservation=reservation, end=end, sent=sent)
            await asyncio.shield(self._database.write(record))
            self._hold.reservation_settled()
        return end if isinstance(end, CallFailed) else None
