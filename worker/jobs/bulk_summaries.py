"""The long job that has the conversations of a window summarised: it asks for a few at a time and waits for them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection

from store.insights.windows import Position
from store.queue import bulk_summaries, long_jobs
from store.queue.bulk_summaries import KIND
from store.queue.long_jobs import Progress
from worker.jobs.running import LongJobKind, RunningJob

AT_ONCE = 50
"""Conversations of a step."""
WAITING = 100
"""Summaries that may be waiting before more are asked for, so that one that a person asks for waits behind few."""
LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class BulkSummaries:
    """The kind of job."""

    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    @property
    def kind(self) -> LongJobKind:
        """For the processor of long jobs."""
        return LongJobKind(KIND, self.run)

    async def run(self, job: RunningJob) -> None:
        """Ask step by step, and end when what was asked for has ended."""
        while not (job.progress.state or {}).get("is_asked", False):
            await self._wait(job, WAITING)
            await job.step(partial(_ask, job))
        await self._wait(job, 1)

    async def _wait(self, job: RunningJob, fewer_than: int) -> None:
        """Until so few summaries of the window are pending; tells how many are done."""
        while True:
            pending = await job.database.read(partial(_count, job))
            if pending != _left(job.progress):
                await job.step(partial(_told, job, pending))
            if pending < fewer_than:
                return
            await self.sleep(LOOK_SECONDS)


def _count(job: RunningJob, connection: Connection) -> int:
    given = job.parameters
    return bulk_summaries.count_pending(connection, given["start"], given["end"])


def _left(progress: Progress) -> int:
    return int((progress.state or {}).get("asked", 0)) - progress.done


def _told(job: RunningJob, pending: int, connection: Connection) -> Progress:
    before = job.progress
    asked = int((before.state or {}).get("asked", 0))
    done = max(before.done, asked - pending)
    return Progress(before.state, done, before.total, long_jobs.cost(connection, job.job), done)


def _ask(job: RunningJob, connection: Connection) -> Progress:
    before = job.progress
    state = before.state or {}
    chosen = bulk_summaries.selection_of(job.parameters)
    now = job.clock.now(connection)
    after: Position | None = tuple(state["after"]) if "after" in state else None
    number = job.job.number
    found = bulk_summaries.ask_some(connection, chosen, after=after, limit=AT_ONCE, now=now, job=number)
    asked = int(state.get("asked", 0)) + found.number
    end = {"is_asked": True} if found.next is None else {"after": [*found.next]}
    total = max(asked, before.total or 0) if found.next is not None else asked
    cost = long_jobs.cost(connection, job.job)
    return Progress({"asked": asked, **end}, before.done, total, cost, before.done)
