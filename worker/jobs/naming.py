"""Has groups named by the model, through the same gate, cap and budget as every other call."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from core.priority import BATCHES, PrioritySemaphore
from core.tasks import Once, uninterrupted
from database import Database
from domain.analysis import CallFailed
from domain.naming import GroupName, Nameless, Namer
from llm.budget import Budget, End, OverBudget, Reservation, usage_of
from llm.gateway import Gateway
from llm.paid_gateway import PaidGateway
from worker.accounting import Accounting
from worker.settlement import persist

log = structlog.get_logger()

AT_ONCE = 20
"""Groups in one call."""


@dataclass(frozen=True)
class Naming:
    """Asks for names. Where none can be had, a group keeps the name that its words make."""

    database: Database
    gateway: Gateway
    accounting: Accounting
    in_flight: PrioritySemaphore

    @property
    def analyzer(self) -> str | None:
        """Whose names they are now; None if nobody can be asked: offline, paused, or out of money."""
        via = self.gateway.current
        is_open = isinstance(via, PaidGateway) and isinstance(via.analyzer, Namer) and via.blocked is None
        return via.analyzer.name if is_open else None

    async def names(self, groups: Sequence[Nameless]) -> tuple[list[GroupName | None], int]:
        """A name for each group that got one, and what it cost in ticks."""
        found: list[GroupName | None] = []
        ticks = 0
        for first in range(0, len(groups), AT_ONCE):
            some = groups[first : first + AT_ONCE]
            try:
                names, cost = await self._asked(some)
            except CallFailed as fault:
                log.warning("groups_not_named", reason=str(fault))
                names, cost = [None] * len(some), 0
            found += names
            ticks += cost
        return found, ticks

    async def _asked(self, groups: Sequence[Nameless]) -> tuple[Sequence[GroupName | None], int]:
        via = self.gateway.current
        if not isinstance(via, PaidGateway) or not isinstance(via.analyzer, Namer):
            return [None] * len(groups), 0
        async with self.in_flight.taken(BATCHES):
            reservation = await self._reserve(via.budget, via.analyzer, groups)
            left = Once(lambda: None)
            try:
                given = await via.name_groups(groups, left)
            except CallFailed as fault:
                await self._end(via, reservation, fault, sent=left.done)
                raise
            except asyncio.CancelledError:
                await uninterrupted(self._end(via, reservation, None, sent=left.done))
                raise
            cost = await uninterrupted(self._end(via, reservation, given, sent=True))
            return given.names, cost

    async def _reserve(self, budget: Budget, namer: Namer, groups: Sequence[Nameless]) -> Reservation:
        worst = budget.cost_of_worst(namer.worst_naming(groups))
        reservation = await self.database.write(
            lambda connection: budget.reserve(connection, worst, conversations=0)
        )
        if reservation is None:
            raise OverBudget
        return reservation

    async def _end(self, via: PaidGateway, reservation: Reservation, end: End, *, sent: bool) -> int:
        budget = via.budget
        await persist(
            self.database,
            via.hold,
            lambda connection: budget.record(connection, reservation, end, sent=sent),
        )
        cost = budget.cost(reservation, end, sent=sent)
        self.accounting.call_ended(usage_of(end), cost)
        via.hold.reservation_settled()
        return cost
