"""One call of a long job to a paid provider: its cost reserved, made in the next free slot, and paid for."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from core.priority import BATCHES, PrioritySemaphore
from core.tasks import Once, uninterrupted
from database import Database
from domain.analysis import CallFailed, Envelope, Usage
from llm.budget import Budget, End, OverBudget, Reservation, usage_of
from llm.gateway import Gateway, OnSent
from llm.paid_gateway import PaidGateway
from worker.accounting import Accounting
from worker.settlement import persist

Answer = TypeVar("Answer", bound=Envelope)
Send = Callable[[OnSent], Awaitable[Answer]]
"""Makes the call; calls OnSent when the request gets its turn."""


@dataclass
class Meter:
    """What calls have cost, in ticks; those that failed too."""

    ticks: int = 0


@dataclass(frozen=True)
class PaidCalls:
    """Makes calls that nobody waits for, as the batches do."""

    database: Database
    gateway: Gateway
    accounting: Accounting
    in_flight: PrioritySemaphore

    async def made(self, via: PaidGateway, worst: Usage, send: Send[Answer], meter: Meter) -> Answer:
        """The answer; `worst` is the most that it may consume. Raises CallFailed."""
        async with self.in_flight.taken(BATCHES):
            reservation = await self._reserve(via.budget, worst)
            left = Once(lambda: None)
            try:
                answer = await send(left)
            except CallFailed as fault:
                await self._end(via, reservation, fault, meter, sent=left.done)
                raise
            except asyncio.CancelledError:
                await uninterrupted(self._end(via, reservation, None, meter, sent=left.done))
                raise
            await uninterrupted(self._end(via, reservation, answer, meter, sent=True))
            return answer

    async def _reserve(self, budget: Budget, usage: Usage) -> Reservation:
        worst = budget.cost_of_worst(usage)
        reservation = await self.database.write(
            lambda connection: budget.reserve(connection, worst, conversations=0)
        )
        if reservation is None:
            raise OverBudget
        return reservation

    async def _end(
        self, via: PaidGateway, reservation: Reservation, end: End, meter: Meter, *, sent: bool
    ) -> None:
        budget = via.budget
        await persist(
            self.database,
            via.hold,
            lambda connection: budget.record(connection, reservation, end, sent=sent),
        )
        cost = budget.cost(reservation, end, sent=sent)
        self.accounting.call_ended(usage_of(end), cost)
        via.hold.reservation_settled()
        meter.ticks += cost
