"""After a start the newest days are read into memory."""

import asyncio

from sqlalchemy import Connection

from database import Database
from services.warming import Warming
from store.insights.topic_days import TopicDays, newest_days
from tests.support.in_memory import in_memory, steps
from tests.support.insight_data import A_DAY, NOON, an_insight, store


def some_days(connection: Connection) -> None:
    store(connection, [an_insight(number, NOON - number * A_DAY) for number in range(1, 31)])


async def test_the_newest_days_are_read_and_then_nothing(db: Database) -> None:
    await db.write(some_days)
    days, pauses = TopicDays(most=20), []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    task = asyncio.create_task(Warming(db, days, sleep).run())
    async with asyncio.timeout(30):
        while len(pauses) < 20:
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task])
    assert len(pauses) == 20
    assert await db.read(lambda connection: newest_days(connection, 3)) == [
        NOON // A_DAY - n for n in (1, 2, 3)
    ]


def test_a_day_that_was_kept_is_not_read_again() -> None:
    with in_memory() as connection:
        some_days(connection)
        days, window = TopicDays(), ((NOON // A_DAY - 20) * A_DAY, NOON // A_DAY * A_DAY)
        _, cold = steps(connection, lambda: TopicDays().sums(connection, window))
        for day in newest_days(connection, 30):
            days.keep(connection, day)
        _, warm = steps(connection, lambda: days.sums(connection, window))

    assert warm < cold / 3
