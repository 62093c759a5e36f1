"""The second queue's loop: claims the summaries that are due and has them written.

Policy only: SQL is in `store`, HTTP behind the gate.
"""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

from core.tasks import Once, TaskSet, grace_period
from core.waiters import wait_at_most
from store.queue import summaries
from store.queue.summaries import Job
from worker.settlement import Quarantine
from worker.summaries.calls import SummaryCalls
from worker.summaries.dispatch import SummaryDispatch

DEPARTING = 2
"""Summaries between claim and wire, as with the batches."""
POLL_SECONDS = 1.0
"""How long a summary that fell due without a wake-up may wait: one given back, or another process's."""


class SummaryProcessor:
    """Writes the summaries that are asked for until it is cancelled. `token` makes a lease's name."""

    def __init__(self, calls: SummaryCalls, quarantine: Quarantine, *, token: Callable[[], str]) -> None:
        self._calls = calls
        self._dispatch = SummaryDispatch(calls)
        self._quarantine = quarantine
        self._token = token
        self._due = asyncio.Event()
        self._under_way = TaskSet()
        self._departing = asyncio.Semaphore(DEPARTING)
        self._at_once = asyncio.Semaphore(calls.policy.max_in_flight)

    def wake(self) -> None:
        """Something fell due: look now instead of at the next poll."""
        self._due.set()

    async def run(self) -> None:
        """Claim and write until cancelled. What is under way is left to `finish`."""
        while True:
            await self._calls.gateway.until_free()
            async with AsyncExitStack() as permits:
                await permits.enter_async_context(self._at_once)
                await permits.enter_async_context(self._departing)
                self._due.clear()
                if job := await self._claim():
                    # From here on they are the task's; until here a loop that is started again must find them.
                    permits.pop_all()
                    self._quarantine.begin(job.error is not None)
                    self._under_way.start(self._write(job))
            if job is None:
                await wait_at_most(self._due, POLL_SECONDS)

    async def finish(self, grace: float) -> None:
        """Give what is under way so many seconds; give back what is not written by then."""
        await self._under_way.cancel_after(grace)
        async with grace_period():
            await self._under_way.ended()

    async def _claim(self) -> Job | None:
        now, token, suspects = self._calls.clock(), self._token(), not self._quarantine.are_full
        until = self._calls.policy.lease_end(now)
        return await self._calls.database.write(
            lambda connection: summaries.claim(
                connection, now=now, token=token, until=until, suspects=suspects
            )
        )

    async def _write(self, job: Job) -> None:
        try:
            await self._dispatch.write(job, Once(self._departing.release))
        finally:
            self._quarantine.end(job.error is not None)
            self._at_once.release()
            self.wake()
