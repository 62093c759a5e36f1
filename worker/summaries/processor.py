"""The loop of the summary queue: claims summaries that are due and has them written.

Policy only: SQL is in `store`, HTTP behind the gateway.
"""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

from sqlalchemy import Connection

from core.tasks import Once, TaskSet, grace_period
from core.waiters import wait_at_most
from store.queue import summaries
from store.queue.summaries import SummaryJob
from worker.settlement import Quarantine
from worker.summaries.calls import SummaryCalls
from worker.summaries.dispatch import SummaryDispatch

DEPARTING = 2
"""Summaries between claim and call, as with the batches."""
POLL_SECONDS = 1.0
"""How long a summary may wait that fell due without a wake-up: one given back, or asked for in another process."""


class SummaryProcessor:
    """Writes the summaries that are asked for until it is cancelled. `token` makes the token of a lease."""

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
                    # From here on the permits are the task's; until here a restarted loop must find them free.
                    permits.pop_all()
                    self._quarantine.begin(job.error is not None)
                    self._under_way.start(self._write(job))
            if job is None:
                await wait_at_most(self._due, POLL_SECONDS)

    async def finish(self, grace: float) -> None:
        """Wait `grace` seconds for what is under way; give back what is not written by then."""
        await self._under_way.cancel_after(grace)
        async with grace_period():
            await self._under_way.ended()

    async def _claim(self) -> SummaryJob | None:
        token, suspects = self._token(), not self._quarantine.are_full

        def claim(connection: Connection) -> SummaryJob | None:
            now = self._calls.clock.now(connection)
            until = self._calls.policy.lease_end(now)
            return summaries.claim(connection, now=now, token=token, until=until, suspects=suspects)

        return await self._calls.database.write(claim)

    async def _write(self, job: SummaryJob) -> None:
        try:
            await self._dispatch.write(job, Once(self._departing.release))
        finally:
            self._quarantine.end(job.error is not None)
            self._at_once.release()
            self.wake()
