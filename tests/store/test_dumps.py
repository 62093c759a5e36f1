"""Backups of PostgreSQL: one of an older version takes the place of a newer database, and a broken one of nothing."""

import asyncio
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, inspect, select
from sqlalchemy.engine import URL

from core import clock
from core.errors import BackupRefused
from database import Database
from models import conversations
from store.conversations.intake import Accepted, accept
from store.engine import turning_over
from store.engine.dumps import TABLES, dump, load
from store.engine.migration import NEWEST, migrate
from store.engine.partitions import is_partitioned
from tests.store.test_migrations import BEFORE_PEOPLE, go_back
from tests.support import postgresql_programs
from tests.support.partitioned import PARTITIONED
from tests.support.rows import new, take_in

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture(autouse=True)
def programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", postgresql_programs.PATH)


def seen(connection: Connection) -> tuple[str | None, int, set[str]]:
    """The revision, how many conversations there are, and the tables."""
    revision = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    stored = connection.scalar(select(func.count()).select_from(conversations)) or 0
    return revision, stored, set(inspect(connection).get_table_names())


async def test_a_backup_of_an_older_version_takes_the_place_of_a_newer_database(
    db: Database, server_url: URL, tmp_path: Path
) -> None:
    """Nothing of the newer version is left, so that it can be brought up to date once more."""
    file = tmp_path / "older"
    await db.write(lambda connection: take_in(connection, new("stored before")))
    newest = await db.read(seen)
    await db.write(lambda connection: go_back(connection, BEFORE_PEOPLE))
    before = await db.read(seen)
    await asyncio.to_thread(dump, server_url, file)
    await db.write(migrate)
    await db.write(lambda connection: take_in(connection, new("stored since")))

    await asyncio.to_thread(load, server_url, file)
    after = await db.read(seen)
    await db.write(migrate)

    assert after == before
    assert (before[0], newest[0]) == (BEFORE_PEOPLE, NEWEST)
    assert before[2] < newest[2]
    assert await db.read(seen) == newest


@pytest.mark.parametrize("kept", [0, 30_000])
async def test_a_backup_that_is_cut_off_changes_nothing(
    db: Database, server_url: URL, tmp_path: Path, kept: int
) -> None:
    """Its beginning, too, is read in vain: what lies there is put in place as a whole."""
    file = tmp_path / "cut"
    await db.write(lambda connection: take_in(connection, new("stored")))
    await asyncio.to_thread(dump, server_url, file)
    file.write_bytes(file.read_bytes()[:kept])
    before = await db.read(seen)

    with pytest.raises(BackupRefused, match="pg_restore: "):
        await asyncio.to_thread(load, server_url, file)

    assert await db.read(seen) == before


async def test_what_the_server_refuses_changes_nothing(db: Database, server_url: URL, tmp_path: Path) -> None:
    file = tmp_path / "made"
    await db.write(lambda connection: take_in(connection, new("stored")))
    await asyncio.to_thread(dump, server_url, file)
    # What is no table cannot be dropped as one.
    await db.write(lambda connection: _as_a_view(connection, "jobs"))
    before = await db.read(seen)

    with pytest.raises(BackupRefused, match=r'psql: .*"jobs" is not a table'):
        await asyncio.to_thread(load, server_url, file)

    assert await db.read(seen) == before


@pytest.mark.skipif(PARTITIONED, reason="makes partitions itself")
@pytest.mark.parametrize(("backed_up", "replaced"), [(True, True), (True, False), (False, True)])
async def test_a_backup_brings_its_own_partitions_or_none(
    db: Database, server_url: URL, tmp_path: Path, backed_up: bool, replaced: bool
) -> None:
    file = tmp_path / "made"
    post = new("stored", external_id="e", content_hash=b"a" * 32)
    await db.write(lambda connection: take_in(connection, post))
    if backed_up:
        await db.write(partial(turning_over.at_once, now=clock.now(), splits=(3, 5)))
    await asyncio.to_thread(dump, server_url, file)
    before = await db.read(seen)
    if replaced and not backed_up:
        await db.write(partial(turning_over.at_once, now=clock.now(), splits=(3, 7, 9)))
    if backed_up and not replaced:
        await db.write(
            lambda connection: connection.exec_driver_sql(f"DROP TABLE {TABLES}, conversation_ids CASCADE")
        )
        await db.write(migrate)
    await db.write(lambda connection: accept(connection, [new("since")]))

    await asyncio.to_thread(load, server_url, file)

    assert await db.read(seen) == before
    again = post._replace(id="again")
    answers = await db.write(lambda connection: accept(connection, [again, new("other")]))
    assert answers == [Accepted("stored", created=False), Accepted("other", created=True)]
    assert await db.read(is_partitioned) == backed_up


def _as_a_view(connection: Connection, table: str) -> None:
    connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO renamed")
    connection.exec_driver_sql(f"CREATE VIEW {table} AS SELECT 1 AS one")
