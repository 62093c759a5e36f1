"""Long jobs: done in steps that are stored as they are made, by whoever holds them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from itertools import count

import pytest
from sqlalchemy import Connection, Row, insert, select, update

from benchmarks.support.waiting import eventually
from core.errors import JobCapped, JobFailed, JobStopped
from database import Database
from models import jobs, switches
from store.queue import long_jobs
from store.queue.clock import ProcessClock
from store.queue.long_jobs import LongJob, Progress
from tests.support.insight_data import NOON
from worker.jobs.processor import JobProcessor
from worker.jobs.running import LEASE, LongJobKind, RunningJob

Work = Callable[[RunningJob], Awaitable[None]]


async def create(db: Database, kind: str = "count", **parameters: object) -> str:
    return await db.write(
        lambda connection: long_jobs.create(connection, kind, parameters, by="operator:x", now=NOON)
    )


async def stored(db: Database, id_: str) -> Row:  # type: ignore[type-arg]
    row = await db.read(lambda connection: long_jobs.get(connection, id_))
    assert row is not None
    return row


async def status(db: Database, id_: str) -> str:
    return str((await stored(db, id_)).status)


async def claimed(db: Database, token: str = "one", now: int = NOON) -> LongJob | None:
    return await db.write(
        lambda connection: long_jobs.claim(
            connection, kinds=["count"], now=now, token=token, until=now + LEASE
        )
    )


@asynccontextmanager
async def processing(db: Database, work: Work, *, now: int = NOON) -> AsyncIterator[JobProcessor]:
    """A processor that runs jobs of the kind `count` with `work`."""
    tokens = count()
    clock = ProcessClock(lambda: now)
    kinds = {"count": LongJobKind("count", work)}
    processor = JobProcessor(db, clock, kinds, lambda: f"token_{next(tokens)}")
    running = asyncio.create_task(processor.run())
    try:
        yield processor
    finally:
        running.cancel()
        await asyncio.wait([running])
        await processor.finish(0)


def counted_to(most: int) -> Work:
    """Counts in steps, from where it was, and notes each of them in the database."""

    async def work(job: RunningJob) -> None:
        while job.progress.done < most:
            done = job.progress.done + 1

            def step(connection: Connection, done: int = done) -> Progress:
                connection.execute(insert(switches).values(name=f"step {done}", is_on=True))
                return Progress({"at": done}, done, most, conversations=done)

            await job.step(step)

    return work


async def test_a_job_is_done_in_steps_and_told_how_far_it_has_come(db: Database) -> None:
    id_ = await create(db, words="late")

    async with processing(db, counted_to(3)):
        await eventually(lambda: _is(db, id_, "completed"))

    row = await stored(db, id_)
    assert (row.done, row.total, row.conversations, row.error) == (3, 3, 3, None)
    assert row.ended_at is not None


async def _is(db: Database, id_: str, wanted: str) -> bool:
    return await status(db, id_) == wanted


@pytest.mark.parametrize(
    ("error", "ending"), [(JobFailed("no such topic"), "failed"), (JobCapped("no such topic"), "capped")]
)
async def test_a_job_that_cannot_be_done_says_why(db: Database, error: Exception, ending: str) -> None:
    id_ = await create(db)

    async def work(_job: RunningJob) -> None:
        raise error

    ends: list[str] = []
    async with processing(db, work) as processor:
        processor.ended = ends.append
        await eventually(lambda: ends)

    assert ends == [ending]
    row = await stored(db, id_)
    assert (row.status, row.error) == (ending, "no such topic")


async def test_a_job_whose_process_died_goes_on_where_it_was(db: Database) -> None:
    """Its lease ends, and whoever claims it finds what the last step stored, and each step once."""
    id_ = await create(db)
    job = await claimed(db)
    assert job is not None
    running = RunningJob(job, db, ProcessClock(lambda: NOON))
    await running.step(lambda connection: _one_step(connection))

    assert await claimed(db, "two", NOON + LEASE - 1) is None
    async with processing(db, counted_to(4), now=NOON + LEASE):
        await eventually(lambda: _is(db, id_, "completed"))

    names = await db.read(lambda connection: sorted(connection.scalars(select(switches.c.name))))
    assert names == [f"step {number}" for number in (1, 2, 3, 4)]
    with pytest.raises(JobStopped):
        await running.step(lambda connection: _one_step(connection))


def _one_step(connection: Connection) -> Progress:
    connection.execute(insert(switches).values(name="step 1", is_on=True))
    return Progress({"at": 1}, 1)


async def test_a_step_of_a_job_that_is_not_held_any_more_changes_nothing(db: Database) -> None:
    id_ = await create(db)
    job = await claimed(db)
    assert job is not None
    await db.write(lambda connection: long_jobs.cancel(connection, id_, now=NOON))

    with pytest.raises(JobStopped):
        await RunningJob(job, db, ProcessClock(lambda: NOON)).step(_one_step)

    assert await db.read(lambda connection: connection.execute(select(switches)).all()) == []
    assert await status(db, id_) == "cancelled"


async def test_a_paused_job_goes_on_when_it_is_resumed(db: Database) -> None:
    id_, reached, release = await create(db), asyncio.Event(), asyncio.Event()

    async def work(job: RunningJob) -> None:
        if job.progress.done == 0:
            await job.step(lambda _: Progress({"at": 1}, 1))
            reached.set()
            await release.wait()
        await job.step(lambda _: Progress({"at": 2}, job.progress.done + 1))

    async with processing(db, work) as processor:
        await reached.wait()
        assert await processor.pause(id_)
        assert not await processor.pause(id_)
        assert (await status(db, id_), (await stored(db, id_)).done) == ("paused", 1)
        assert await processor.resume(id_)
        await eventually(lambda: _is(db, id_, "completed"))
        assert not await processor.resume(id_)

    assert (await stored(db, id_)).done == 2


async def test_cancelling_takes_away_what_a_job_began(db: Database) -> None:
    id_, reached = await create(db), asyncio.Event()

    async def work(job: RunningJob) -> None:
        await job.step(_one_step)
        reached.set()
        await asyncio.Event().wait()

    def cancelled(connection: Connection, job: LongJob, _now: int) -> None:
        assert job.progress.state == {"at": 1}
        connection.execute(switches.delete())

    async with processing(db, work) as processor:
        processor.kinds = {"count": LongJobKind("count", work, cancelled)}
        await reached.wait()
        assert await processor.cancel(id_)
        assert not await processor.cancel(id_)

    assert await status(db, id_) == "cancelled"
    assert await db.read(lambda connection: connection.execute(select(switches)).all()) == []


async def test_a_job_is_given_back_at_the_end_of_the_process(db: Database) -> None:
    id_, reached = await create(db), asyncio.Event()

    async def work(_job: RunningJob) -> None:
        reached.set()
        await asyncio.Event().wait()

    async with processing(db, work):
        await reached.wait()

    assert await status(db, id_) == "queued"


async def test_a_defect_is_tried_again_a_few_times(db: Database) -> None:
    id_, tries = await create(db), []

    async def work(_job: RunningJob) -> None:
        tries.append(1)
        await db.write(lambda connection: connection.execute(update(jobs).values(run_at=NOON)))
        raise LookupError

    async def has_failed() -> bool:
        await db.write(
            lambda connection: connection.execute(
                update(jobs).where(jobs.c.status == "queued").values(run_at=NOON)
            )
        )
        return await _is(db, id_, "failed")

    async with processing(db, work):
        await eventually(has_failed)

    assert len(tries) == 3


async def test_one_job_of_a_kind_is_run_at_a_time_in_the_order_they_were_asked_for(db: Database) -> None:
    ids = [await create(db) for _ in range(3)]
    begun: list[str] = []

    async def work(job: RunningJob) -> None:
        assert [await status(db, id_) for id_ in ids].count("processing") == 1
        begun.append(job.job.id)

    async with processing(db, work):
        await eventually(lambda: _is(db, ids[-1], "completed"))

    assert begun == ids


async def test_kinds_that_a_process_does_not_know_are_left_to_others(db: Database) -> None:
    other = await create(db, "unknown")
    id_ = await create(db)

    async with processing(db, counted_to(1)):
        await eventually(lambda: _is(db, id_, "completed"))

    assert await status(db, other) == "queued"
    assert await db.read(lambda connection: long_jobs.open_job(connection, ["count", "unknown"])) == other


async def test_no_two_processes_run_jobs_of_one_kind_at_once(db: Database) -> None:
    first, second = await create(db), await create(db)

    held = await claimed(db, "one")
    beside = await claimed(db, "two")
    is_due = partial(long_jobs.is_due, kinds=["count"], now=NOON)
    meanwhile = await db.read(is_due)
    taken_over = await claimed(db, "two", NOON + LEASE)

    assert held is not None
    assert (held.id, beside, meanwhile) == (first, None, False)
    assert taken_over is not None, "the one that held a job is dead"
    assert taken_over.id == second, "due for longest"
