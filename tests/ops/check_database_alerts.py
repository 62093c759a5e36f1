"""A database that is locked, taken away, slow, or that breaks what works beside the requests."""

import asyncio
import shutil
from pathlib import Path

import pytest
from sqlalchemy.engine import URL

from benchmarks.support.databases import sqlite
from benchmarks.support.locks import locked
from core.clock import SECOND, now
from tests.ops.prometheus import Monitor
from tests.ops.watched import LATE, repeated, under_posts, watched
from tests.support.access import closed
from tests.support.service import Grok, running

MONTH = 30 * 86_400 * SECOND
BROKEN = "CREATE TRIGGER broken BEFORE UPDATE ON conversations BEGIN SELECT RAISE(ABORT, 'broken'); END"
DAWDLE = """
    CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_sleep(0.7); RETURN NULL; END $$
"""
AT_COMMIT = """
    CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON conversations
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION dawdle()
"""


async def test_a_lock_that_somebody_else_holds(monitor: Monitor, tmp_path: Path) -> None:
    """Writes are refused, the audit log cannot be written, and retention dies of what it cannot delete."""
    url = sqlite(tmp_path)
    async with watched(monitor, "locked", closed(url, retention_days=1)) as service:
        monitor.give_key(service.keys["viewer"])
        await monitor.is_scraped("locked")
        await service.ended(await service.post(LATE))
        await service.rows(
            "UPDATE conversations SET received_at = :old, updated_at = NULL", old=now() - MONTH
        )
        viewer = service.bearing("viewer")
        async with locked(url):
            async with (
                under_posts(service),
                repeated(lambda: service.http.get("/api/v1/keys", headers=viewer)),
            ):
                await monitor.fires("locked", "WritesRefused", "ServerErrors", "AuditFails")
            await monitor.fires("locked", "TaskDies")
            await monitor.fires("locked", "RetentionStops", seconds=150)
        await monitor.stops("locked", "WritesRefused", "RetentionStops")


async def test_a_file_that_is_taken_away(monitor: Monitor, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    async with watched(monitor, "vanished", running(sqlite(folder))):
        await monitor.is_scraped("vanished")
        shutil.move(folder, tmp_path / "away")
        await monitor.fires("vanished", "DatabaseDown")
        shutil.move(tmp_path / "away", folder)
        await monitor.stops("vanished", "DatabaseDown")


async def test_a_processor_that_dies_of_each_conversation(
    monitor: Monitor, grok: Grok, tmp_path: Path
) -> None:
    """A trigger in the database stands for a defect: whatever the processor claims, it falls over it."""
    async with watched(monitor, "dying", running(sqlite(tmp_path), grok)) as service:
        await monitor.is_scraped("dying")
        await service.rows(BROKEN)
        await service.post(LATE)
        await monitor.fires("dying", "WorkerDies", "TaskDies")
        await service.rows("DROP TRIGGER broken")
        await monitor.stops("dying", "WorkerDies")


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_database_that_is_slow(monitor: Monitor, grok: Grok, database_url: URL) -> None:
    """Each commit of a conversation takes 0.7 s, and reads wait for a lock of 1.3."""
    async with watched(monitor, "slow", running(database_url, grok)) as service:
        for statement in (DAWDLE, AT_COMMIT):
            await service.rows(statement)
        async with under_posts(service):
            await monitor.fires("slow", "CommitsSlow", "PostsSlow")
        await service.rows("DROP TRIGGER dawdle ON conversations")

        async def read_behind_a_lock() -> None:
            async with locked(database_url):
                read = asyncio.create_task(service.http.get("/chats"))
                await asyncio.sleep(1.3)
            await read

        async with repeated(read_behind_a_lock):
            await monitor.fires("slow", "ReadsSlow")
