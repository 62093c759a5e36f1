"""What the process knows of its queue."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from sqlalchemy import func, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks.support.locks import locked
from benchmarks.support.waiting import eventually
from core.clock import SECOND
from core.errors import NotWritable
from core.metrics import Metrics
from database import Database
from domain.analysis import Usage
from llm.hold import Hold
from models import messages
from services.capacity import RATE_OVER, Capacity
from store.conversations.records import delete_conversation
from store.engine.faults import Fault
from store.engine.readers import PooledReaders
from store.money import spending
from tests.support.rows import LATE, NOW, claim, complete, distinct, new, take_in


class Clock:
    """UTC microseconds that a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now


def capacity(db: Database, clock: Clock | None = None) -> Capacity:
    ticking = clock or Clock()
    return Capacity(db, Metrics(), Hold(ticking), ticking, max_bytes=10**9)


def gauge(watching: Capacity, name: str) -> float | None:
    return watching.metrics.registry.get_sample_value(name)


async def test_an_empty_queue_has_no_depth_and_no_age(db: Database) -> None:
    watching = capacity(db)
    await watching.count()

    assert (watching.depth, watching.oldest_seconds, watching.drain_seconds) == (0, 0.0, 0.0)
    assert watching.database_ok


async def test_what_fits_in_is_what_the_limit_leaves_and_never_less_than_nothing(db: Database) -> None:
    watching = capacity(db)
    await watching.count()
    used = watching.used_bytes

    assert gauge(watching, "storage_free_bytes") == 10**9 - used
    watching.max_bytes = used - 1
    watching.show()
    assert gauge(watching, "storage_free_bytes") == 0


async def test_depth_counts_what_has_not_ended_held_or_not(db: Database) -> None:
    watching = capacity(db)
    await db.write(lambda connection: take_in(connection, *distinct(5), new("short", "ok")))
    claimed = await db.write(lambda connection: claim(connection, limit=2))
    await watching.count()
    assert watching.depth == 6
    assert gauge(watching, "processing_queue_depth") == 6

    await db.write(lambda connection: complete(connection, claimed.work))
    await db.write(lambda connection: claim(connection, "b"))
    await watching.count()
    assert watching.depth == 3


async def test_the_age_is_that_of_the_oldest_that_has_not_ended(db: Database) -> None:
    clock = Clock()
    watching = capacity(db, clock)
    old = new("old", received_at=NOW - 60 * SECOND)
    await db.write(lambda connection: take_in(connection, old, new("young", f"{LATE} Now!")))
    await watching.count()
    assert watching.oldest_seconds == 60
    assert gauge(watching, "oldest_queued_age_seconds") == 60

    await db.write(lambda connection: delete_conversation(connection, "old"))
    clock.now += 5 * SECOND
    await watching.count()
    assert watching.oldest_seconds == 5


async def test_the_time_to_drain_follows_from_how_fast_conversations_end(db: Database) -> None:
    clock = Clock()
    watching = capacity(db, clock)
    await db.write(lambda connection: take_in(connection, *distinct(30)))
    await watching.count()
    assert watching.drain_seconds is None, "one count is no rate"

    for _ in range(4):
        clock.now += SECOND
        watching.count_ended(["one", "two", "three"])
        await watching.count()

    assert watching.ended == 12
    assert watching.drain_seconds == pytest.approx(30 / 3)


async def test_a_queue_that_does_not_move_for_half_a_minute_never_drains(db: Database) -> None:
    clock = Clock()
    watching = capacity(db, clock)
    await db.write(lambda connection: take_in(connection, *distinct(1)))
    await watching.count()
    watching.count_ended(["one"] * 100)

    for _ in range(RATE_OVER):
        clock.now += SECOND
        await watching.count()

    assert watching.drain_seconds is None


async def test_it_counts_until_it_is_cancelled(db: Database) -> None:
    watching = capacity(db)
    run = asyncio.create_task(watching.run())
    await db.write(lambda connection: take_in(connection, *distinct(2)))
    await eventually(lambda: watching.depth == 2)
    await db.write(lambda connection: delete_conversation(connection, "c0"))
    await eventually(lambda: watching.depth == 1)

    run.cancel()
    await asyncio.wait([run])


@asynccontextmanager
async def elsewhere(db: Database, url: URL) -> AsyncIterator[Database]:
    """A database whose readers look for it at another address."""
    engine = create_async_engine(url)
    yield Database(PooledReaders(engine), db.writers, db.background)
    await engine.dispose()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("gone", ["server", "database"])
async def test_a_database_that_is_gone_is_noted_and_not_raised(
    db: Database, database_url: URL, gone: str
) -> None:
    url = (
        database_url.set(database="no_such_database")
        if gone == "database"
        else URL.create("postgresql+asyncpg", "nobody", host="127.0.0.1", port=1)
    )
    await db.write(lambda connection: take_in(connection, *distinct(2)))
    watching = capacity(db)
    await watching.count()

    async with elsewhere(db, url) as lost:
        watching.database = lost
        await watching.count()
        assert not watching.database_ok
        assert watching.depth == 2, "what was known last"

    watching.database = db
    await watching.count()
    assert watching.database_ok


async def failed_write(db: Database) -> None:
    with suppress(DBAPIError):
        await db.write(lambda connection: take_in(connection, new("refused")))


async def test_after_a_write_that_failed_analysis_is_held_until_one_succeeds(
    db: Database, database_url: URL
) -> None:
    watching = capacity(db)
    async with locked(database_url):
        await failed_write(db)
        await watching.count()

        assert watching.refusal is Fault.UNAVAILABLE
        assert watching.hold.reason == "the database accepts no writes"
        with pytest.raises(NotWritable):
            watching.ensure_writable()

    await watching.count()
    assert watching.refusal is None
    assert watching.hold.reason is None
    watching.ensure_writable()


async def test_a_write_that_failed_by_itself_refuses_nothing_and_a_trial_leaves_nothing(db: Database) -> None:
    watching = capacity(db)
    with pytest.raises(DBAPIError):
        await db.write(lambda connection: connection.exec_driver_sql("SELECT nonsense"))
    assert db.write_failed

    await watching.count()

    assert not db.write_failed
    assert watching.refusal is None
    assert (
        await db.read(lambda connection: connection.scalar(select(func.count()).select_from(messages))) == 0
    )


async def test_a_table_that_is_gone_is_noted_and_not_raised(db: Database) -> None:
    watching = capacity(db)
    await db.write(lambda connection: connection.exec_driver_sql("ALTER TABLE conversations RENAME TO other"))

    await watching.count()

    assert not watching.database_ok


async def test_room_that_another_process_makes_in_the_budget_is_noticed(db: Database) -> None:
    """Else a process with no call in flight would wait for the next day."""
    watching, day = capacity(db), spending.day_of(NOW)
    assert await db.write(lambda connection: spending.reserve(connection, day, 700, budget=1_000))
    await watching.count()
    watching.hold.budget_spent(NOW + SECOND, watching.hold.settlements)
    await watching.count()
    assert watching.hold.spent_seconds == 1

    await db.write(lambda connection: spending.record(connection, day, reserved=700, cost=1, usage=Usage()))
    await watching.count()

    assert watching.hold.reason is None
