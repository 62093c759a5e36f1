"""A disk that is full: what was answered 202 is there, the rest is told so, and all goes on when there is room."""

import asyncio
import os
import resource
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import psutil
import pytest
from sqlalchemy import text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

import database
from api.errors import to_api_error
from benchmarks.support.process import POSTS, Json, Process, client
from benchmarks.support.waiting import eventually
from schemas import Code
from store.conversations import storage
from store.engine.disk import under
from tests.fake_grok.server import KEY
from tests.support.log_lines import Lines
from tests.support.rows import new, take_in
from tests.support.service import Grok, Service, running
from tests.support.small_disk import SmallDisk, small_disk

LATE = "My parcel is three days late and nobody answers"
FULL = "storage is full: intake has stopped"
WAITS = "results are waiting to be stored"


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    # Not in pytest's own folder, which other users may not enter: a PostgreSQL server is one.
    with TemporaryDirectory(prefix="insights-disk-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with small_disk(folder / "disk", megabytes=40) as mounted:
            yield mounted


@pytest.fixture
def on_disk(disk: SmallDisk) -> URL:
    return make_url(f"sqlite+aiosqlite:///{disk.folder / 'insights.db'}")


@pytest.fixture
def postgresql_on_disk(
    disk: SmallDisk, postgresql_server: URL, template: str, names: Iterator[str]
) -> Iterator[URL]:
    """A database whose tables are on the small disk, of a server whose own files are not."""
    data = Path(asyncio.run(administer(postgresql_server, "SHOW data_directory")))
    if not data.exists():
        pytest.skip("the PostgreSQL server has no files here")
    tables = disk.folder / "tables"
    tables.mkdir()
    os.chown(tables, data.stat().st_uid, -1)
    name = next(names)
    on_it = f"CREATE TABLESPACE {name} LOCATION '{tables}'"
    copied = f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy TABLESPACE {name}"
    asyncio.run(administer(postgresql_server, on_it, copied))
    yield postgresql_server.set(database=name)
    gone = f"DROP DATABASE {name} WITH (FORCE)", f"DROP TABLESPACE {name}"
    asyncio.run(administer(postgresql_server, *gone))


async def administer(server: URL, *statements: str) -> str:
    """Run statements outside any transaction; the first value that the last one gave."""
    engine = create_async_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    async with engine.connect() as connection:
        results = [await connection.execute(text(statement)) for statement in statements]
        found = str(results[-1].scalar_one()) if results[-1].returns_rows else ""
    await engine.dispose()
    return found


async def attempt(service: Service, number: int, said: str = "") -> httpx.Response:
    return await service.http.post(POSTS, json={"text": f"{LATE} ({number}) {said}"})


def is_refused(answer: httpx.Response) -> bool:
    """Whether the post was told that storage is full, and when to come again."""
    body = answer.json()
    return (
        answer.status_code == 503
        and body["error"] == "storage_full"
        and int(answer.headers["retry-after"]) == body["retry_after"] > 0
    )


async def post_until_refused(service: Service) -> list[str]:
    """Post long texts, and give the ids of those that were taken in before storage was full."""
    taken: list[str] = []
    for number in range(5_000):
        answer = await attempt(service, number, secrets.token_hex(9_000))
        if answer.status_code != 202:
            assert is_refused(answer), answer.text
            return taken
        taken.append(answer.json()["conversation_id"])
    raise AssertionError("it was never full")


async def reasons(service: Service) -> list[str]:
    health: Json = await service.get("/health")
    return list(health["reasons"])


async def waits(service: Service, *others: str) -> Json | None:
    """How the service is, once results are waiting to be stored, for these reasons too."""
    health = await service.get("/health")
    return health if {WAITS, *others} <= {*health["reasons"]} else None


async def told_to_be_full(service: Service) -> Json | None:
    health = await service.get("/health")
    return health if FULL in health["reasons"] else None


async def is_well(service: Service) -> bool:
    return not await reasons(service)


async def test_posts_that_fill_the_disk_leave_room_for_analysis_and_deletion(
    disk: SmallDisk, on_disk: URL, grok: Grok
) -> None:
    disk.take(leave=8 * 2**20)
    async with running(on_disk, grok) as service:
        taken = await post_until_refused(service)
        assert await reasons(service) == [FULL]
        views = await service.all_ended(taken)
        deleted = [await service.http.delete(f"{POSTS}/{id_}") for id_ in taken[:-1]]

        assert {view["status"] for view in views} == {"completed"}
        assert {answer.status_code for answer in deleted} == {204}
        # SQLite's file does not shrink, but what was deleted is room.
        await eventually(lambda: is_well(service))
        assert (await attempt(service, 0)).status_code == 202
        assert "request_failed" not in str(service.logged)


async def test_what_was_paid_for_while_the_disk_was_full_is_stored_when_there_is_room(
    disk: SmallDisk, on_disk: URL, grok: Grok
) -> None:
    grok.latency = 1
    async with running(on_disk, grok, start_batch=5, max_batch=5) as service:
        ids = await service.post_all(f"{LATE} ({number})" for number in range(30))
        await eventually(lambda: len(grok.calls) == 6)
        disk.take()
        waiting = await eventually(lambda: waits(service, FULL))
        refused = [await attempt(service, 100 + number) for number in range(20)]
        disk.give_back()
        views = await service.all_ended(ids)
        await eventually(lambda: is_well(service))
        again = await attempt(service, 200)
        # Its call is reserved in the books until it has ended.
        await service.ended(again.json()["conversation_id"])

        assert waiting["status"] == "degraded"
        assert all(is_refused(answer) for answer in refused)
        assert {view["status"] for view in views} == {"completed"}
        assert again.status_code == 202
        assert (await service.get("/health"))["worker_running"]
        stored = await service.rows("SELECT count(*) FROM conversations")
        assert stored[0][0] == len(ids) + 1
        spent = await service.rows("SELECT spent, reserved FROM spending")
        assert tuple(spent[0]) == (grok.billed_ticks, 0)
    assert max(grok.sent.values()) == 1


async def test_a_log_that_fills_the_disk_is_emptied_when_its_last_reader_has_gone(
    disk: SmallDisk, on_disk: URL
) -> None:
    disk.take(leave=8 * 2**20)
    async with running(on_disk) as service:
        with closing(sqlite3.connect(str(on_disk.database), isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM conversations").fetchone()
            await service.all_ended(await post_until_refused(service))
            grown = under(on_disk).wal_bytes
            assert is_refused(await attempt(service, 0))

        # Nothing is left to be written, so that no commit comes to do it.
        await eventually(lambda: is_well(service))

        assert grown > 2 * 2**20
        # Not always nothing: the trial by which a full database is found to have room again is written too.
        assert under(on_disk).wal_bytes < 2**20
        assert (await attempt(service, 0)).status_code == 202


async def test_a_postgresql_without_room_is_full_and_goes_on_when_there_is_some(
    disk: SmallDisk, postgresql_on_disk: URL
) -> None:
    disk.take(leave=2**20)
    async with running(postgresql_on_disk) as service:
        taken = await post_until_refused(service)
        during = await eventually(lambda: told_to_be_full(service))
        disk.give_back()
        await eventually(lambda: is_well(service))
        again = await attempt(service, 0)
        views = await service.all_ended(taken)

        assert during["status"] == "degraded"
        assert again.status_code == 202
        assert {view["status"] for view in views} == {"completed"}
        assert "53100" in str(service.logged)


async def test_a_trial_finds_a_disk_full_although_a_small_row_has_room(
    disk: SmallDisk, postgresql_on_disk: URL
) -> None:
    async with database.opened(postgresql_on_disk) as db:
        await db.write(lambda connection: take_in(connection, new("before")))
        disk.take()
        await db.write(lambda connection: take_in(connection, new("after")))
        with pytest.raises(DBAPIError) as caught:
            await db.write(storage.try_storing)

    assert to_api_error(caught.value).code is Code.STORAGE_FULL


async def test_files_that_may_not_grow_stop_intake_until_they_may(grok: Grok, tmp_path: Path) -> None:
    """The same where no disk may be mounted; for SQLite this is not a full disk but one that fails."""
    url = make_url(f"sqlite+aiosqlite:///{tmp_path / 'insights.db'}")
    grok.latency = 1
    environ: Json = {"DB_PATH": url.database, "GROK_API_KEY": KEY, "GROK_BASE_URL": grok.url}
    with Process(tmp_path, START_BATCH=5, MAX_BATCH=5, **environ) as process:
        limited = psutil.Process(process.process.pid)
        async with client(process.url) as http:
            service = Service(process.url, http, url, Lines())
            ids = await service.post_all(f"{LATE} ({number})" for number in range(30))
            await eventually(lambda: len(grok.calls) == 6)
            unlimited = limited.rlimit(resource.RLIMIT_FSIZE)
            limited.rlimit(resource.RLIMIT_FSIZE, (under(url).wal_bytes, unlimited[1]))
            await eventually(lambda: waits(service))
            refused = await attempt(service, 100)
            limited.rlimit(resource.RLIMIT_FSIZE, unlimited)
            views = await service.all_ended(ids)
            await eventually(lambda: is_well(service))

            assert (refused.status_code, refused.json()["error"]) == (503, "database_unavailable")
            assert {view["status"] for view in views} == {"completed"}
            assert (await attempt(service, 200)).status_code == 202
    assert max(grok.sent.values()) == 1
