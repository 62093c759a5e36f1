"""The loop of the long jobs: claims those that are due and runs them by their kind, one of a kind at a time."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from core.clock import SECOND
from core.errors import JobCapped, JobFailed, JobStopped
from core.tasks import TaskSet, grace_period, uninterrupted
from core.waiters import wait_at_most
from database import Database
from models import CAPPED, COMPLETED, FAILED
from store.engine.faults import database_fault
from store.queue import long_jobs
from store.queue.clock import ProcessClock
from store.queue.long_jobs import LongJob
from worker.jobs.running import LEASE, LongJobKind, RunningJob

log = structlog.get_logger()

POLL_SECONDS = 1.0
"""How long a job may wait that fell due without a wake-up."""
RENEW_SECONDS = LEASE / SECOND / 3
AGAIN_AFTER = 5 * SECOND
"""How long a job waits that met a fault of the database or a defect of ours."""
ATTEMPTS = 3
"""Defects of ours that a job may meet; with the last of them it has failed."""


@dataclass
class JobProcessor:
    """Runs long jobs until it is cancelled. `token` makes the token of a lease; `ended` is given the status of each
    job that has ended by itself.
    """

    database: Database
    clock: ProcessClock
    kinds: Mapping[str, LongJobKind]
    token: Callable[[], str]
    ended: Callable[[str], None] = lambda _: None
    _running: set[str] = field(default_factory=set)
    """The kinds of the jobs under way."""
    _work: dict[str, asyncio.Future[None]] = field(default_factory=dict)
    """What is being done, by the job's id."""
    _under_way: TaskSet = field(default_factory=TaskSet)
    _due: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        """Something fell due: look now instead of at the next poll."""
        self._due.set()

    async def run(self) -> None:
        """Claim and run until cancelled. What is under way is left to `finish`."""
        while True:
            self._due.clear()
            job = await self._claim()
            if job is None:
                await wait_at_most(self._due, POLL_SECONDS)
            else:
                self._running.add(job.kind)
                self._under_way.start(self._run(job))

    async def finish(self, grace: float) -> None:
        """Wait `grace` seconds for what is under way; give back what is not done by then."""
        await self._under_way.cancel_after(grace)
        async with grace_period():
            await self._under_way.ended()

    async def cancel(self, id_: str) -> bool:
        """Cancel a job, and take away what it has begun; False if it has ended, or there is none."""

        def cancel(connection: Connection) -> bool:
            job = long_jobs.cancel(connection, id_, now=self.clock())
            if job is not None and job.kind in self.kinds:
                self.kinds[job.kind].cancelled(connection, job, self.clock())
            return job is not None

        return self._stopped(id_, await self.database.write(cancel))

    async def pause(self, id_: str) -> bool:
        """Stop a job until it is resumed; False if it is neither queued nor running."""
        return self._stopped(id_, await self.database.write(partial(long_jobs.pause, id_=id_)))

    async def resume(self, id_: str) -> bool:
        """Let a paused job go on; False if it is not paused."""
        resumed = await self.database.write(partial(long_jobs.resume, id_=id_, now=self.clock()))
        self.wake()
        return resumed

    def _stopped(self, id_: str, is_stopped: bool) -> bool:
        """End what this process is doing for a job that is not held any more."""
        if is_stopped and id_ in self._work:
            self._work[id_].cancel()
        return is_stopped

    async def _claim(self) -> LongJob | None:
        free = [kind for kind in self.kinds if kind not in self._running]
        if not free or not await self.database.read(partial(self._is_due, free)):
            return None

        def claim(connection: Connection) -> LongJob | None:
            now = self.clock.now(connection)
            return long_jobs.claim(connection, kinds=free, now=now, token=self.token(), until=now + LEASE)

        return await self.database.write(claim)

    def _is_due(self, kinds: Sequence[str], connection: Connection) -> bool:
        """Asked first, because a commit for nothing each second would keep disks awake."""
        return long_jobs.is_due(connection, kinds, now=self.clock())

    async def _run(self, job: LongJob) -> None:
        try:
            await self._held(job)
        except JobStopped:
            log.info("job_stopped", job=job.id, kind=job.kind)
        except asyncio.CancelledError:
            await uninterrupted(self._give_back(job, job.failures, after=0))
            raise
        except Exception as error:  # noqa: BLE001  a kind may fail in any way
            await self._failed(job, error)
        finally:
            self._running.discard(job.kind)
            self.wake()

    async def _held(self, job: LongJob) -> None:
        """Run a job and end it, renewing its lease meanwhile. Raises what its kind does, and JobStopped."""
        running = RunningJob(job, self.database, self.clock)
        work = self._work[job.id] = asyncio.ensure_future(self.kinds[job.kind].run(running))
        try:
            while not work.done():
                await asyncio.wait([work], timeout=RENEW_SECONDS)
                if not work.done():
                    await self._renew(job)
            await work
            await self._end(job, COMPLETED)
        except JobCapped as capped:
            await self._end(job, CAPPED, capped.reason)
        except JobFailed as failed:
            await self._end(job, FAILED, failed.reason)
        finally:
            del self._work[job.id]
            work.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await work

    async def _renew(self, job: LongJob) -> None:
        def renew(connection: Connection) -> bool:
            return long_jobs.renew(connection, job, until=self.clock.now(connection) + LEASE)

        if not await self.database.write(renew):
            raise JobStopped

    async def _end(self, job: LongJob, status: str, error: str | None = None) -> None:
        now = self.clock()
        if await self.database.write(partial(long_jobs.end, job=job, status=status, error=error, now=now)):
            log.info("job_ended", job=job.id, kind=job.kind, status=status)
            self.ended(status)

    async def _failed(self, job: LongJob, error: Exception) -> None:
        """Let a job go on later after a fault of the database, or the first defects of ours."""
        is_ours = database_fault(error) is None
        log.error("job_interrupted", job=job.id, kind=job.kind, exc_info=error)
        failures = job.failures + is_ours
        if failures < ATTEMPTS:
            await self._give_back(job, failures, after=AGAIN_AFTER)
            return
        with suppress(SQLAlchemyError, OSError):
            await self._end(job, FAILED, "an error inside the service; its log has the details")

    async def _give_back(self, job: LongJob, failures: int, *, after: int) -> None:
        """If the database does not answer, the lease ends by itself."""

        def give_back(connection: Connection) -> None:
            run_at = self.clock.now(connection) + after
            long_jobs.give_back(connection, job, run_at=run_at, failures=failures)

        with suppress(SQLAlchemyError, OSError):
            await self.database.write(give_back)
