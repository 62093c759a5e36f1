"""The processor by itself, at the moments that no running service can be brought to on purpose."""

import asyncio
from contextlib import AsyncExitStack
from typing import TypeVar

from batch_processor import BatchProcessor
from benchmarks.support.waiting import eventually
from core.metrics import Metrics
from core.priority import PrioritySemaphore
from database import Database
from llm.gateway import OfflineGateway
from llm.hold import Hold
from store.engine.writers import Transaction, Writers
from store.queue.clock import ProcessClock
from tests.support.rows import NOW, POLICY, new, stored, take_in
from tests.support.scripted import Scripted
from worker.accounting import Accounting
from worker.packing import BatchSize
from worker.settlement import Quarantine

Result = TypeVar("Result")


class Watched(OfflineGateway):
    """A gate that tells when somebody begins to wait for it."""

    def __init__(self, hold: Hold) -> None:
        super().__init__(Scripted(), hold)
        self.waited_for = asyncio.Event()

    async def until_free(self) -> None:
        if self.blocked is not None:
            self.waited_for.set()
        await super().until_free()


class Hesitant:
    """A writer whose transactions begin when the test says so."""

    def __init__(self, writers: Writers) -> None:
        self._writers = writers
        self.asked = asyncio.Event()
        self.begins = asyncio.Event()
        self.written = 0

    async def write(self, fn: Transaction[Result], *, urgent: bool) -> Result:
        self.asked.set()
        await self.begins.wait()
        result: Result = await self._writers.write(fn, urgent=urgent)
        self.written += 1
        return result


async def test_what_is_claimed_while_calls_are_being_stopped_goes_back(db: Database) -> None:
    """Else it would be held, and look as if it were under way, for as long as an outage lasts."""
    await db.write(lambda connection: take_in(connection, new("c0")))
    writers = Hesitant(db.writers)
    gateway = Watched(Hold(lambda: NOW))
    processor = BatchProcessor(
        Database(db.readers, writers, db.background),
        gateway,
        BatchSize.fixed(5),
        POLICY,
        Accounting(Metrics(), ended=lambda _: None, summarised=lambda _: None),
        PrioritySemaphore(8),
        Quarantine(4),
        clock=ProcessClock(lambda: NOW),
        token=lambda: "a",
    )
    async with AsyncExitStack() as stack:
        running = asyncio.create_task(processor.run())
        stack.callback(running.cancel)
        await writers.asked.wait()
        gateway.hold.paused = True
        await gateway.waited_for.wait()
        writers.begins.set()

        await eventually(lambda: writers.written == 2)  # the claim, and the giving back
        row = await db.read(lambda connection: stored(connection, "c0"))

    assert (row.status, row.lease, row.attempts) == ("queued", None, 0)
