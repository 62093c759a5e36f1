"""The loop of the batches at the provider: begins one where something waits for it, and looks after those there are."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from core.clock import SECOND
from core.tasks import TaskSet, grace_period, uninterrupted
from core.waiters import wait_at_most
from domain.analysis import CallFailed
from models import DAY
from store.queue import batches, waiting
from store.queue.batches import Batch
from store.reanalysis import queue as again
from store.reanalysis import runs
from worker.lane.gate import KEPT, LaneGate
from worker.lane.tools import BatchLost, LaneTools
from worker.lane.turn import BatchTurn, pause_after

log = structlog.get_logger()

POLL_SECONDS = 1.0
AT_ONCE = 4
"""Batches that a process looks after at the same time."""
MOST_OPEN = 50
"""Batches at once, so that what is refused or lost is never all of it."""
SWEEP_EVERY = 600 * SECOND


@dataclass
class LaneProcessor:
    """Looks after batches until it is cancelled. `token` makes the token of a lease.

    Without `tools` there are none: batches need a provider that takes them.
    """

    tools: LaneTools | None
    gate: LaneGate
    token: Callable[[], str]
    _under_way: TaskSet = field(default_factory=TaskSet)
    _running: int = 0
    _due: asyncio.Event = field(default_factory=asyncio.Event)
    _swept_at: int = 0

    def wake(self) -> None:
        """Something changed: look now instead of at the next poll."""
        self._due.set()

    async def run(self) -> None:
        """Begin and look until cancelled. Turns under way are left to `finish`."""
        if self.tools is None:
            await asyncio.Event().wait()
            return
        while True:
            self._due.clear()
            for batch in await self._claimed(self.tools):
                self._running += 1
                self._under_way.start(self._turn(self.tools, batch))
            await wait_at_most(self._due, POLL_SECONDS)

    async def finish(self, grace: float) -> None:
        """Wait `grace` seconds for turns under way; what is not over by then is given back."""
        await self._under_way.cancel_after(grace)
        async with grace_period():
            await self._under_way.ended()

    async def _claimed(self, tools: LaneTools) -> list[Batch]:
        # Looked at first, because a commit for nothing each second would keep disks awake.
        if not await tools.database.read(partial(self._has_work, tools)):
            return []
        return await tools.database.write(partial(self._claim, tools))

    def _has_work(self, tools: LaneTools, connection: Connection) -> bool:
        now = tools.clock()
        return (
            batches.is_due(connection, now=now)
            or self._swept_at + SWEEP_EVERY <= now
            or bool(self._wanted(tools, connection))
        )

    def _wanted(self, tools: LaneTools, connection: Connection) -> list[int | None]:
        """Whose batch is to be begun: None is the analysis queue, a number is a re-analysis."""
        if not tools.gate.is_open or tools.gateway.hold.reason is not None or tools.is_spent():
            return []
        wanted: list[int | None] = []
        if waiting.is_waiting(connection, DAY, now=tools.clock()) and not batches.has_filling(
            connection, None
        ):
            wanted.append(None)
        run = runs.running(connection)
        if run is not None and again.is_due(connection, now=tools.clock(), freshness=DAY):
            wanted += [] if batches.has_filling(connection, run.job) else [run.job]
        return wanted if wanted and batches.count_open(connection) < MOST_OPEN else []

    def _claim(self, tools: LaneTools, connection: Connection) -> list[Batch]:
        now = tools.clock.now(connection)
        if self._swept_at + SWEEP_EVERY <= now and not batches.sweep_batches(connection, now=now):
            self._swept_at = now
        for reanalysis in self._wanted(tools, connection):
            batches.begin_batch(
                connection,
                model=tools.analyzer.model,
                prompt_version=tools.analyzer.prompt_version,
                reanalysis=reanalysis,
                now=now,
                deadline=now + tools.times.deadline,
                kept=KEPT,
            )
        room = AT_ONCE - self._running
        until = now + tools.lease
        return batches.claim(connection, now=now, token=self.token(), until=until, limit=room) if room else []

    async def _turn(self, tools: LaneTools, batch: Batch) -> None:
        try:
            await self._take(tools, batch)
        except asyncio.CancelledError:
            await uninterrupted(self._release(tools, batch, tools.clock(), batch.failures))
            raise
        except BatchLost:
            log.info("batch_lost_to_another", batch=batch.id)
        except (SQLAlchemyError, OSError) as error:
            # It is held until its lease ends, and looked at again then.
            log.warning("batch_not_stored", batch=batch.id, exc_info=error)
        except Exception as error:
            # A defect of ours. It is looked at again, and over at its deadline.
            log.error("batch_turn_failed", batch=batch.id, exc_info=error)
            await self._release(tools, batch, tools.clock() + tools.times.longest_look, batch.failures + 1)
        finally:
            self._running -= 1
            self.wake()

    async def _take(self, tools: LaneTools, batch: Batch) -> None:
        turn, failures = BatchTurn(tools), 0
        try:
            next_at = await turn.take(batch)
        except CallFailed as fault:
            now = await tools.change(batch)
            failures = now.failures + 1
            log.info("batch_call_failed", batch=batch.id, outcome=fault.outcome, failures=failures)
            next_at = await turn.refused(now, fault)
            if next_at == 0:
                first, longest = tools.times.first_look, tools.times.longest_look
                next_at = tools.clock() + pause_after(fault, failures, first, longest)
        if next_at is not None:
            await self._release(tools, batch, next_at, failures)

    async def _release(self, tools: LaneTools, batch: Batch, next_at: int, failures: int) -> None:
        """If the database does not answer, the lease ends by itself."""
        with suppress(SQLAlchemyError, OSError):
            release = partial(batches.release_batch, batch=batch, run_at=next_at, failures=failures)
            await tools.database.write(release)
