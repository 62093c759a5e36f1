"""Reads on a standby: as new as the primary for everybody, and on the primary while the standby is away or behind."""

import asyncio
import operator
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.engine import URL

import database
from benchmarks.support.databases import created
from benchmarks.support.waiting import eventually
from core.errors import CannotStart
from database import Database
from store.engine.replica import PATIENCE, Replica
from tests.support.service import Service, running
from tests.support.standbys import DELAY, delayed, paused, standby_of

pytestmark = pytest.mark.skipif("TEST_DATABASE_URL" in os.environ, reason="its folder is not ours to copy")

LATE = "My parcel is three days late and nobody answers"
WRITES = 6
WINDOW = {"start_time": "2020-01-01T00:00:00Z", "end_time": "2029-12-31T00:00:00Z"}


@pytest.fixture(scope="module")
def primary(postgresql_server: URL, template: str, names: Iterator[str]) -> Iterator[URL]:
    """A migrated database."""
    with created(postgresql_server, next(names), f"TEMPLATE {template}") as url:
        yield url


@pytest.fixture(scope="module")
def standby(primary: URL) -> Iterator[URL]:
    """The same on a standby."""
    with standby_of(primary) as url:
        yield url


@asynccontextmanager
async def following(primary: URL, standby: URL) -> AsyncIterator[tuple[Database, Replica]]:
    """The database with a replica that is measured, and has answered."""
    async with database.opened(primary, replica=standby) as db:
        assert db.replica is not None
        measuring = asyncio.create_task(db.replica.run())
        await eventually(lambda: db.replica is not None and db.replica.lag is not None)
        yield db, db.replica
        measuring.cancel()
        await asyncio.wait([measuring])


async def write(db: Database, name: str) -> None:
    insert = text("INSERT INTO switches (name, is_on) VALUES (:name, true)")
    await db.write(lambda connection: connection.execute(insert, {"name": name}))


def seen(connection: Connection) -> tuple[set[str], bool]:
    """The names that are there, and whether a standby says so."""
    names = {str(name) for name in connection.scalars(text("SELECT name FROM switches"))}
    return names, bool(connection.scalar(text("SELECT pg_is_in_recovery()")))


@pytest.mark.parametrize("is_pooled", [False, True])
async def test_what_was_written_is_seen_on_the_standby_at_once(
    primary: URL, standby: URL, is_pooled: bool
) -> None:
    on_standby = 0
    async with following(primary, standby) as (db, replica):
        replica.is_pooled = is_pooled
        for number in range(WRITES):
            name = f"at once {is_pooled} {number}"
            await write(db, name)
            names, is_standby = await db.read_replica(seen)
            assert name in names
            on_standby += is_standby

    assert on_standby > WRITES / 2


async def test_a_standby_that_is_behind_is_left_out_and_its_lag_is_told(primary: URL, standby: URL) -> None:
    lags: list[float] = []
    async with following(primary, standby) as (db, replica):
        replica.noted = lags.append
        await paused(standby, on=True)
        try:
            await write(db, "while it was paused")
            names, is_standby = await db.read_replica(seen)
            await eventually(lambda: replica.lag is not None and replica.lag > 2 * PATIENCE)
            again, _ = await asyncio.wait_for(db.read_replica(seen), PATIENCE)
        finally:
            await paused(standby, on=False)
        await eventually(lambda: replica.lag is not None and replica.lag < PATIENCE)
        later, _ = await db.read_replica(seen)

    assert not is_standby
    assert "while it was paused" in names & again & later
    assert max(lags) > 2 * PATIENCE


async def test_a_standby_thirty_seconds_behind_shows_no_client_less_than_it_has_written_or_seen(
    primary: URL, standby: URL
) -> None:
    """Through either of two processes, also before they know that it is behind."""
    where = standby.render_as_string(hide_password=False)
    async with (
        running(primary, read_database_url=where) as one,
        running(primary, read_database_url=where) as other,
    ):
        for each in (one, other):
            await eventually(partial(lag_is, each, operator.lt))
        seen = await total(one)
        await delayed(standby, "30s")
        try:
            for number in range(3):
                writer, reader = (one, other) if number % 2 else (other, one)
                await writer.ended(await writer.post(f"{LATE}, for the {number}. time"))
                assert await total(reader) == await total(writer) == seen + number + 1
            await eventually(partial(lag_is, one, operator.gt))
        finally:
            await delayed(standby, DELAY)


async def total(service: Service) -> int:
    found = await service.get("/api/v1/insights", **WINDOW)
    return int(found["metadata"]["total_count"])


async def lag_is(service: Service, compared: Callable[[float, float], bool]) -> bool:
    lag = (await service.get("/health"))["replica_lag_seconds"]
    return lag is not None and compared(lag, PATIENCE)


async def test_a_read_that_the_standby_cancels_is_tried_on_the_primary(primary: URL, standby: URL) -> None:
    tried: list[bool] = []

    def read(connection: Connection) -> str:
        is_standby = bool(connection.scalar(text("SELECT pg_is_in_recovery()")))
        tried.append(is_standby)
        if is_standby:
            connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        return "read"

    async with following(primary, standby) as (db, _):
        assert await db.read_replica(read) == "read"

    assert tried == [True, False]


async def test_a_defect_of_ours_is_not_tried_twice(primary: URL, standby: URL) -> None:
    tried: list[None] = []

    def read(connection: Connection) -> None:
        tried.append(None)
        connection.execute(text("SELECT * FROM no_such_table"))

    async with following(primary, standby) as (db, _):
        with pytest.raises(Exception, match="no_such_table"):
            await db.read_replica(read)

    assert len(tried) == 1


async def test_another_database_is_no_replica(primary: URL, postgresql_server: URL) -> None:
    with pytest.raises(CannotStart, match="READ_DATABASE_URL: leads to another database"):
        async with database.opened(primary, replica=postgresql_server):
            pass


async def test_a_standby_that_is_away_leaves_everything_to_the_primary(primary: URL) -> None:
    nowhere = URL.create("postgresql+asyncpg", "nobody", host="127.0.0.1", port=1, database="none")
    async with database.opened(primary, replica=nowhere) as db:
        await write(db, "while it was away")
        names, is_standby = await db.read_replica(seen)

    assert "while it was away" in names
    assert not is_standby


async def test_analysts_read_the_replica_and_health_says_how_it_is(primary: URL, standby: URL) -> None:
    where = standby.render_as_string(hide_password=False)
    async with running(primary, read_database_url=where) as service:

        async def lag() -> float | None:
            told: float | None = (await service.get("/health"))["replica_lag_seconds"]
            return told

        assert await eventually(lag) is not None
        await service.ended(await service.post(LATE))
        insights = await service.get("/api/v1/insights", **WINDOW)
        trends = await service.get("/api/v1/trends", **WINDOW)
        behind = (await service.metrics())["replica_lag_seconds"]

    assert insights["metadata"]["total_count"] > 0
    assert trends
    assert behind >= 0
