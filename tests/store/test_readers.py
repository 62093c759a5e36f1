"""Readers of an SQLite file: in threads of their own, few of them, each on one snapshot."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, func, insert, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

import database
from database import Database
from models import topics
from store.engine.readers import ThreadReaders
from store.engine.sqlite import READERS

PATIENT = 30


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    """On SQLite only: on PostgreSQL a function that waits would hold up the event loop."""
    async with database.opened(URL.create("sqlite+aiosqlite", database=str(tmp_path / "x.db"))) as opened:
        yield opened


@pytest.fixture
def one() -> Iterator[ThreadReaders]:
    """A single reader, for whom nobody waits long."""
    threads = ThreadReaders(create_engine("sqlite://"), 1, patience=0.05)
    yield threads
    threads.close()


def how_many(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(topics)) or 0


async def test_as_many_as_there_are_readers_read_at_once(db: Database) -> None:
    together = threading.Barrier(READERS)

    met = await asyncio.gather(*(db.read(lambda _: together.wait(PATIENT)) for _ in range(READERS)))

    assert sorted(met) == list(range(READERS))


async def test_what_is_written_meanwhile_is_not_seen(db: Database) -> None:
    began, written = threading.Event(), threading.Event()

    def twice(connection: Connection) -> tuple[int, int]:
        before = how_many(connection)
        began.set()
        written.wait(PATIENT)
        return before, how_many(connection)

    reading = asyncio.create_task(db.read(twice))
    await asyncio.to_thread(began.wait, PATIENT)
    await db.write(lambda connection: connection.execute(insert(topics).values(slug="delay")))
    written.set()

    assert await reading == (0, 0)
    assert await db.read(how_many) == 1


async def test_nobody_waits_for_ever_for_a_reader(one: ThreadReaders) -> None:
    began, done = threading.Event(), threading.Event()

    def busy(_: Connection) -> bool:
        began.set()
        return done.wait(PATIENT)

    reading = asyncio.create_task(one.read(busy))
    await asyncio.to_thread(began.wait, PATIENT)

    with pytest.raises(PoolTimeout, match=r"0\.05 s"):
        await one.read(lambda _: None)

    done.set()
    assert await reading is True
    assert await one.read(lambda _: "free again") == "free again"


async def test_who_fails_or_leaves_makes_room_for_the_next(one: ThreadReaders) -> None:
    began, done = threading.Event(), threading.Event()

    def fail(_: Connection) -> None:
        raise LookupError

    def busy(_: Connection) -> bool:
        began.set()
        return done.wait(PATIENT)

    with pytest.raises(LookupError):
        await one.read(fail)
    leaving = asyncio.create_task(one.read(busy))
    await asyncio.to_thread(began.wait, PATIENT)
    leaving.cancel()
    await asyncio.wait([leaving])
    done.set()

    assert await one.read(lambda _: "the next") == "the next"


async def test_what_reads_in_the_background_waits_for_no_request(db: Database) -> None:
    free = threading.Event()
    busy = [asyncio.create_task(db.read(lambda _: free.wait(PATIENT))) for _ in range(READERS)]

    assert await db.read_in_background(how_many) == 0
    assert not any(each.done() for each in busy)
    free.set()
    await asyncio.gather(*busy)


async def test_a_background_read_sees_one_snapshot_and_cannot_write(db: Database) -> None:
    with pytest.raises(OperationalError, match="readonly"):
        await db.read_in_background(
            lambda connection: connection.execute(insert(topics).values(slug="delay"))
        )

    await db.write(lambda connection: connection.execute(insert(topics).values(slug="delay")))
    assert await db.read_in_background(how_many) == 1
