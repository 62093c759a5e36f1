"""What every step of a batch's life needs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection

from core.errors import InsightsError
from core.priority import BATCH_API
from database import Database
from domain.analysis import BeforeSend, Departed
from grok_client import GrokClient
from llm.batches.client import XaiBatches
from llm.budget import Budget
from llm.paid_gateway import PaidGateway
from models import DAY
from store.queue import batches, waiting
from store.queue.batches import Batch
from store.queue.clock import ProcessClock
from store.reanalysis import queue as again
from worker.accounting import Accounting
from worker.lane.gate import LaneGate, LaneTimes
from worker.lane.waiting import WaitingConversations
from worker.outcomes import Policy
from worker.reanalysis.source import ReanalysedConversations
from worker.sources import AnalysisSource

Result = TypeVar("Result")


class BatchLost(InsightsError):
    """Whoever looked after a batch does not hold it any more."""


@dataclass(frozen=True, slots=True)
class HeldUntil(Policy):
    """The policy of what a batch holds."""

    until: int = 0

    def lease_end(self, at: int, calls: int = 1) -> int:
        """When the batch holds it no longer."""
        return self.until


def before_send_by(gateway: PaidGateway) -> BeforeSend:
    """What the client awaits before each request: the calls about batches keep the cap like all others."""

    async def before_send() -> Departed:
        departed, _ = await gateway.turn(BATCH_API)
        return departed

    return before_send


@dataclass(frozen=True)
class LaneTools:
    """The parts that work together, and how they hold a batch."""

    database: Database
    clock: ProcessClock
    gateway: PaidGateway
    analyzer: GrokClient
    client: XaiBatches
    policy: Policy
    accounting: Accounting
    gate: LaneGate
    times: LaneTimes
    most_packed: int
    """Conversations of a request."""
    spent_until: list[int] = field(default_factory=lambda: [0])
    """When the money for batches is looked at again, UTC microseconds."""

    def is_spent(self) -> bool:
        """Whether there was too little money for a request a moment ago."""
        return self.clock() < self.spent_until[0]

    @property
    def budget(self) -> Budget:
        """What requests of batches are booked with."""
        return self.gateway.budget.of_batches

    def source_of(self, batch: Batch) -> AnalysisSource:
        """Where a batch gets conversations from, and where its answers go."""
        common = {each.name: getattr(self.policy, each.name) for each in fields(Policy)}
        policy = HeldUntil(**common, until=batch.deadline + self.hold)

        def wanted() -> Sequence[str]:
            return (DAY,)

        def token() -> str:
            return batch.holder

        kind = WaitingConversations if batch.reanalysis is None else ReanalysedConversations
        return kind(self.gateway, policy, self.clock, token, wanted=wanted)

    def goes_live(self, connection: Connection, batch: Batch, numbers: Sequence[int]) -> None:
        """These are not put into a batch again."""
        if batch.reanalysis is None:
            waiting.goes_live(connection, numbers)
        else:
            again.goes_live_again(connection, numbers)

    def held(self, connection: Connection, batch: Batch) -> Batch:
        """The batch as it is now, held for longer. Raises BatchLost."""
        until = self.clock.now(connection) + self.lease
        found = batches.renewed(connection, batch, until=until)
        if found is None:
            raise BatchLost(batch.id)
        return found

    @property
    def lease(self) -> int:
        """For how long whoever looks after a batch holds it: two calls, and a margin."""
        return self.policy.lease_end(0, calls=2)

    @property
    def hold(self) -> int:
        """How long after its deadline a batch holds its conversations, if nobody looks after it.

        Whoever looks after it may be killed: on PostgreSQL nobody does before that lease has ended.
        """
        return self.times.hold + self.lease

    async def hold_on(self) -> None:
        """At a start: what batches hold, nobody else may have before they were looked at."""
        hold_on = partial(batches.hold_on, until=self.clock() + self.hold)
        while await self.database.write(hold_on):
            pass

    async def change(self, batch: Batch, **values: Any) -> Batch:
        """Store something of a batch. Raises BatchLost, SQLAlchemyError."""

        def change(connection: Connection) -> Batch:
            found = self.held(connection, batch)
            if values:
                batches.put_batch(connection, found.number, **values)
            return found._replace(**{name: values[name] for name in values.keys() & {*Batch._fields}})

        return await self.database.write(change)

    async def write(self, batch: Batch, step: Callable[[Connection, Batch], Result]) -> Result:
        """Do a step in a transaction that finds the batch held. Raises BatchLost, SQLAlchemyError."""
        return await self.database.write(lambda connection: step(connection, self.held(connection, batch)))
