"""Transactions as the process sees them, on both databases."""

import asyncio
import threading
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, func, insert, select, text
from sqlalchemy.engine import URL

import database
from benchmarks.support.process import ROOT
from core.errors import AlreadyInUse
from database import Database
from models import metadata, topic_years, topics
from tests.support.insight_data import A_DAY, NOON, an_insight, store
from tests.support.partitioned import needs_plain_tables


def add(slug: str):  # type: ignore[no-untyped-def]
    return lambda connection: connection.execute(insert(topics).values(slug=slug))


def how_many(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(topics)) or 0


async def test_what_was_written_is_read(db: Database) -> None:
    await db.write(add("delay"))

    assert await db.read(how_many) == 1


async def test_a_failing_transaction_leaves_nothing(db: Database) -> None:
    def fail(connection: Connection) -> None:
        add("delay")(connection)
        raise LookupError

    with pytest.raises(LookupError):
        await db.write(fail)

    assert await db.read(how_many) == 0


async def test_a_write_to_a_closed_database_is_refused_at_once(database_url: URL) -> None:
    """A job that was given back too late waited for a writer that had ended, and the process did not stop."""
    async with database.opened(database_url) as db:
        await db.write(add("delay"))

    async with asyncio.timeout(20):
        with pytest.raises(ConnectionError, match="being closed"):
            await db.write(add("billing"))


async def test_a_reader_cannot_write(db: Database) -> None:
    with pytest.raises(Exception, match=r"readonly|read-only"):
        await db.read(add("delay"))


async def test_the_migrated_schema_is_the_one_of_the_models(db: Database) -> None:
    def is_modelled(name: str | None, kind: str, _: object) -> bool:
        # The full-text index is each database's own, and what FTS5 keeps in it has tables as well.
        return not (kind == "table" and (name or "").startswith("search"))

    def differences(connection: Connection) -> list[object]:
        needs_plain_tables(connection, "the models have no partitions")
        context = MigrationContext.configure(connection, opts={"include_name": is_modelled})
        return list(compare_metadata(context, metadata))

    assert await db.read(differences) == []


async def test_years_of_topics_are_made_from_the_months_that_there_are(db: Database) -> None:
    def again(connection: Connection) -> list[tuple[int, ...]]:
        needs_plain_tables(connection, "there is no way back from partitions")
        store(connection, [an_insight(number, NOON - number * 100 * A_DAY) for number in range(8)])
        years = select(topic_years).order_by(topic_years.c.year)
        before = connection.execute(years).all()
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(ROOT / "migrations"))
        command.downgrade(config, "0004-1")
        command.upgrade(config, "head")
        assert connection.execute(years).all() == before
        return [tuple(row) for row in before]

    assert [n for *_, n in await db.write(again)] == [3, 4, 1]


async def test_a_second_process_on_one_sqlite_file_is_refused(tmp_path) -> None:  # type: ignore[no-untyped-def]
    url = URL.create("sqlite+aiosqlite", database=str(tmp_path / "x.db"))

    async with database.opened(url):
        with pytest.raises(AlreadyInUse):
            async with database.opened(url):
                pass

    async with database.opened(url) as again:
        assert await again.read(how_many) == 0


async def test_sqlite_syncs_every_commit(tmp_path) -> None:  # type: ignore[no-untyped-def]
    async with database.opened(URL.create("sqlite+aiosqlite", database=str(tmp_path / "x.db"))) as db:
        full = 2
        assert await db.write(lambda c: c.scalar(text("PRAGMA synchronous"))) == full
        assert await db.write(lambda c: c.scalar(text("PRAGMA journal_mode"))) == "wal"


async def test_a_write_that_is_under_way_when_sqlite_is_closed_is_finished(tmp_path: Path) -> None:
    url = URL.create("sqlite+aiosqlite", database=str(tmp_path / "x.db"))
    begun, go_on = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        begun.set()
        go_on.wait()
        add("delay")(connection)

    async with database.opened(url) as db:
        writing = asyncio.create_task(db.write(slow))
        await asyncio.to_thread(begun.wait)
        # Closing holds up the loop, so that somebody else has to let go.
        threading.Timer(0.1, go_on.set).start()

    assert go_on.is_set(), "the file was given up while somebody still wrote to it"
    with pytest.raises(ConnectionError):
        await writing
    async with database.opened(url) as again:
        assert await again.read(how_many) == 1


async def test_a_migration_leaves_the_loop_free(tmp_path: Path) -> None:
    url = URL.create("sqlite+aiosqlite", database=str(tmp_path / "x.db"))
    turns = asyncio.create_task(counted_turns(opening := asyncio.Event()))

    async with database.opened(url):
        opening.set()

    # Made in the loop's own thread, all tables take one turn of it; here it has thousands.
    assert await turns > 100


async def counted_turns(until: asyncio.Event) -> int:
    turns = 0
    while not until.is_set():
        turns += 1
        await asyncio.sleep(0)
    return turns
