"""What was deleted stands in SQLite's files no more, a moment later."""

import asyncio
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlalchemy.engine import URL

import database
from benchmarks.support import databases
from benchmarks.support.waiting import eventually
from database import Database
from services.deletion import remove
from services.erasure import Erasure
from store.search import erasure
from tests.support.chat_data import added, said
from tests.support.chat_sockets import post
from tests.support.search_data import entries, found
from tests.support.service import running

SECRET = "zzconfidential"
MOST_SECONDS = 60


def in_files(url: URL) -> int:
    """How often the secret word stands in the file and its journals, in upper or lower case."""
    file = Path(url.database or "")
    files = [path for path in file.parent.iterdir() if path.name.startswith(file.name)]
    return sum(path.read_bytes().lower().count(SECRET.encode()) for path in files)


def log_bytes(url: URL) -> int:
    """The size of the write-ahead log."""
    return Path(f"{url.database}-wal").stat().st_size


def fill(connection: Connection, first: int, chats: int = 100) -> None:
    """Chats in the index, in a segment of their own."""
    added(connection, *[said(f"c{at}", f"late parcel number{at} " * 9) for at in range(first, first + chats)])


async def at_once(_: float) -> None:
    """Wait for nothing, but let others run."""
    await asyncio.sleep(0)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> URL:
    return databases.sqlite(tmp_path)


@pytest.mark.parametrize("others", [0, 1, 2, 3, 9, 60])
async def test_after_a_round_a_deleted_word_is_in_no_file(sqlite_url: URL, others: int) -> None:
    async with database.opened(sqlite_url) as db:
        for number in range(others):
            await db.write(partial(fill, first=number * 100))
        await db.write(
            lambda connection: added(connection, said("secret", f"It is {SECRET}, {SECRET.upper()}"))
        )
        await db.write(partial(fill, first=100_000, chats=1))
        assert in_files(sqlite_url) > 0
        assert await remove(db, "secret")

        await Erasure(db, at_once).round()

        assert in_files(sqlite_url) == 0
        assert not await db.read(erasure.is_needed)
        assert await db.read(lambda connection: len(found(connection, "number0"))) == min(1, others)
        assert await db.write(entries) == others * 100 + 1
    assert in_files(sqlite_url) == 0


@pytest.mark.parametrize("large", [1, 2, 3])
async def test_a_few_large_segments_are_merged_to_the_end(sqlite_url: URL, large: int) -> None:
    """FTS5 itself would leave so few segments alone, but it goes on with a merge that was begun."""

    def fill_much(connection: Connection, first: int) -> None:
        texts = (" ".join(map(str, range(at * 100, at * 100 + 60))) for at in range(first, first + 300))
        added(connection, *[said(f"c{first + at}", each) for at, each in enumerate(texts)])

    async with database.opened(sqlite_url) as db:
        for number in range(large):
            await db.write(partial(fill_much, first=number * 1_000))
        await db.write(lambda connection: added(connection, said("secret", SECRET)))
        await remove(db, "secret")
        steps: list[float] = []

        async def sleep(seconds: float) -> None:
            steps.append(seconds)

        await Erasure(db, sleep).round()

        assert len(steps) > 1
        assert in_files(sqlite_url) == 0


async def test_what_is_written_and_deleted_during_a_round_is_found_and_erased_too(sqlite_url: URL) -> None:
    async with database.opened(sqlite_url) as db:
        await db.write(lambda connection: added(connection, said("secret", SECRET), said("later", SECRET)))
        for number in range(30):
            await db.write(partial(fill, first=number * 100))
        await remove(db, "secret")
        steps = 0

        async def meanwhile(_: float) -> None:
            nonlocal steps
            steps += 1
            await db.write(partial(fill, first=steps * 100_000, chats=3))
            if steps == 2:
                await remove(db, "later")

        await Erasure(db, meanwhile).round()
        assert steps > 2
        assert await db.read(erasure.is_needed)
        await Erasure(db, at_once).round()

        assert in_files(sqlite_url) == 0
        assert await db.write(entries) == 3_000 + 3 * steps


async def test_a_round_that_was_cut_off_is_made_up_for_after_the_restart(sqlite_url: URL) -> None:
    async with database.opened(sqlite_url) as db:
        await db.write(lambda connection: added(connection, said("secret", SECRET)))
        for number in range(30):
            await db.write(partial(fill, first=number * 100))
        await remove(db, "secret")
        assert await db.write(erasure.begin)
    async with database.opened(sqlite_url) as db:
        assert in_files(sqlite_url) > 0
        await Erasure(db, at_once).round()
        assert in_files(sqlite_url) == 0


async def test_nothing_is_written_where_nothing_was_deleted(sqlite_url: URL) -> None:
    async with database.opened(sqlite_url) as db:
        await db.write(partial(fill, first=0))
        await db.read(lambda connection: connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").all())
        await Erasure(db, at_once).round()

        assert log_bytes(sqlite_url) == 0


async def test_a_reader_that_takes_long_delays_the_end_of_a_round(sqlite_url: URL) -> None:
    async with database.opened(sqlite_url) as db:
        await db.write(lambda connection: added(connection, said("secret", SECRET)))
        reads, goes_on = asyncio.Event(), asyncio.Event()

        async def release(seconds: float) -> None:
            if seconds == 1:
                assert await db.read(erasure.is_needed)
                goes_on.set()
            await asyncio.sleep(0)

        reader = asyncio.create_task(_hold_snapshot(db, reads, goes_on))
        await reads.wait()
        await remove(db, "secret")
        await asyncio.wait_for(Erasure(db, release).round(), 30)
        await reader

        assert in_files(sqlite_url) == 0


async def _hold_snapshot(db: Database, reads: asyncio.Event, goes_on: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def read(connection: Connection) -> None:
        entries_ = connection.exec_driver_sql("SELECT count(*) FROM messages").scalar()
        assert entries_ == 1
        loop.call_soon_threadsafe(reads.set)
        asyncio.run_coroutine_threadsafe(goes_on.wait(), loop).result(30)

    await db.read(read)


@pytest.mark.parametrize("path", ["/chats/c1", "/api/v1/conversations/c1"])
async def test_a_minute_after_the_answer_nothing_of_a_chat_is_readable(sqlite_url: URL, path: str) -> None:
    async with running(sqlite_url) as service:
        await post(service, f"My {SECRET} is late and nobody answers me")
        await post(service, "Another chat", chat="c2")
        await service.get("/api/v1/conversations/c1?wait=20")
        assert in_files(sqlite_url) > 0
        assert (await service.http.delete(path)).status_code == 204

        async def is_gone() -> bool:
            return in_files(sqlite_url) == 0

        await eventually(is_gone, MOST_SECONDS)
    assert in_files(sqlite_url) == 0
