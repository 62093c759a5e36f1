"""A PostgreSQL database is used again only as it was made: without rows, numbered from the start, unchanged."""

import asyncio

import pytest
from sqlalchemy import Connection, func, select
from sqlalchemy.engine import URL

import database
from benchmarks.support import databases
from models import conversations, metadata
from tests.support.emptied import Copies
from tests.support.rows import new, take_in
from tests.support.service import rows


def counted(connection: Connection) -> dict[str, int]:
    """The rows of each table, but for those without any."""
    counts = {
        table.name: connection.scalar(select(func.count()).select_from(table)) or 0
        for table in metadata.sorted_tables
    }
    return {name: count for name, count in counts.items() if count}


def number_of_a_new_one(connection: Connection) -> int | None:
    take_in(connection, new("a"))
    return connection.scalar(select(conversations.c.number))


async def _used(url: URL) -> tuple[dict[str, int], int | None]:
    async with database.opened(url) as db:
        return await db.read(counted), await db.write(number_of_a_new_one)


def used(url: URL) -> tuple[dict[str, int], int | None]:
    """What is in a database, and the number of the first conversation that it takes in."""
    return asyncio.run(_used(url))


def test_it_has_no_rows_and_numbers_from_the_start(copies: Copies) -> None:
    with copies.lent() as url:
        first = used(url)
    with copies.lent() as again:
        second = used(again)

    assert again == url
    assert first == second == ({}, 1)


def test_a_number_that_a_refused_row_took_is_given_again(copies: Copies) -> None:
    with copies.lent() as url:
        asyncio.run(rows(url, "SELECT nextval('conversations_number_seq')"))
    with copies.lent() as again:
        assert (again, used(again)) == (url, ({}, 1))


@pytest.mark.parametrize(
    "change",
    [
        "DROP INDEX ix_insights_analysed_at",
        "ALTER TABLE switches ADD COLUMN more text",
        "ALTER TABLE switches RENAME TO gone",
        "ALTER TABLE asking ALTER COLUMN until SET DEFAULT 7",
        "ALTER TABLE asking ADD CHECK (until > 0)",
        "ALTER TABLE asking SET (fillfactor = 50)",
        "UPDATE alembic_version SET version_num = '0001'",
        "ANALYZE alembic_version",
        "CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I CONNECTION LIMIT 9', current_database()); END $$",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = 64', current_database()); END $$",
    ],
)
def test_one_that_was_changed_is_not_used_again(copies: Copies, change: str) -> None:
    with copies.lent() as url:
        asyncio.run(rows(url, change))

    with copies.lent() as other:
        assert other != url
        assert used(other) == ({}, 1)


def test_one_that_is_gone_is_not_used_again(copies: Copies, postgresql_server: URL) -> None:
    with copies.lent() as url:
        asyncio.run(databases.administer(postgresql_server, f"DROP DATABASE {url.database}"))

    with copies.lent() as other:
        assert other != url
