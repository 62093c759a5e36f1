"""What a kind of long job is, and the job that it runs.

A kind is a coroutine function that takes a `RunningJob` and returns when everything is done. It changes the database
only in `RunningJob.step`, which stores how far the job has come in the same transaction. After a restart, or a pause,
the function is called anew and finds that in `RunningJob.progress`; what it did outside a step is lost. It needs no
code for a cancelled or paused job: its next step raises, and what it awaits between steps is cancelled. A job that
cannot be done raises JobFailed with a reason for the client, one that has spent what it may spend JobCapped.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from sqlalchemy import Connection

from core.errors import JobStopped
from database import Database
from store.queue import long_jobs
from store.queue.clock import ProcessClock
from store.queue.long_jobs import Json, LongJob, Progress

LEASE = 60_000_000
"""Microseconds for which a job is held at a time; it is renewed by every step, and by the processor in between."""
Step = Callable[[Connection], Progress]
"""What is done in one transaction; it gives how far the job has come with it."""


@dataclass
class RunningJob:
    """A job that this process holds."""

    job: LongJob
    database: Database
    clock: ProcessClock
    progress: Progress = field(init=False)
    """How far it has come."""

    def __post_init__(self) -> None:
        self.progress = self.job.progress

    @property
    def parameters(self) -> Json:
        """What was asked for, as whoever created the job gave it."""
        return self.job.parameters

    async def step(self, do: Step) -> Progress:
        """Do something in a transaction in which the job is held. Raises JobStopped if it is not any more."""

        def run(connection: Connection) -> Progress:
            if not long_jobs.renew(connection, self.job, until=self.clock.now(connection) + LEASE):
                raise JobStopped
            progress = do(connection)
            long_jobs.keep(connection, self.job, progress)
            return progress

        self.progress = await self.database.write(run)
        return self.progress


def _nothing(_connection: Connection, _job: LongJob, _now: int) -> None:
    """Most kinds leave nothing behind that a cancelled job would have to take away."""


@dataclass(frozen=True)
class LongJobKind:
    """A kind of long job."""

    name: str
    run: Callable[[RunningJob], Awaitable[None]]
    cancelled: Callable[[Connection, LongJob, int], None] = _nothing
    """Called in the transaction that cancels a job, with the time in UTC microseconds.

    It takes away, in no more than a few rows, what the job began.
    """
