"""PgBouncer between the service and PostgreSQL, in each of its modes: several processes, settings, nothing left behind.

`make test-pooler` runs this, and then the tests of store and service with TEST_POOLER=transaction. PgBouncer is the
Debian package of that name.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.engine import URL

import database
from benchmarks.support.process import POSTS, Json, Process, address, client
from core.errors import BackupRefused
from store.engine.dumps import dump, load
from store.engine.seal_access import PostgresqlAccess
from store.engine.vault import Vault
from tests.fake_grok.server import KEY
from tests.support.log_lines import captured
from tests.support.poolers import pooled
from tests.support.service import Grok, rows, running

pytestmark = [
    pytest.mark.parametrize("database_url", ["postgresql"], indirect=True),
    pytest.mark.skipif(shutil.which("pgbouncer") is None, reason="apt-get install pgbouncer"),
]

LATE = "My parcel is three days late and nobody answers"
SETTINGS = ("lock_timeout", "jit", "statement_timeout", "search_path", "default_transaction_read_only")
POOL = 20
EACH = 30
AT_ONCE = 4


def settings(connection: Connection) -> list[str]:
    return [str(connection.scalar(text(f"SHOW {name}"))) for name in SETTINGS]


@asynccontextmanager
async def another_client(url: URL) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Some other program behind the same pooler."""
    where = {"host": url.host, "port": url.port, "user": url.username, "database": url.database}
    connection = await asyncpg.connect(statement_cache_size=0, **where)  # type: ignore[arg-type]
    async with connection.transaction():
        yield connection
    await connection.close()


@pytest.mark.parametrize("mode", ["transaction", "session"])
async def test_each_transaction_has_its_settings_and_the_next_client_has_none(
    database_url: URL, mode: str
) -> None:
    options = {"options": "-c statement_timeout=7s -c search_path=public,pg_catalog"}
    with pooled(database_url, mode, size=2 * POOL) as url, captured("INFO") as lines:
        async with database.opened(url.update_query_dict(options)) as db:
            for found in (await db.read(settings), await db.write(settings)):
                assert found == ["2s", "off", "7s", "public,pg_catalog", "off"]
        (line,) = lines.events()
        async with another_client(url) as other:
            left = [await other.fetchval(f"SHOW {name}") for name in SETTINGS]
            prepared = await other.fetchval("SELECT count(*) FROM pg_prepared_statements")

    assert line["event"] == "pooler"
    assert left == ["0", "on", "0", '"$user", public', "off"]
    assert prepared == 0


async def test_a_direct_connection_keeps_its_statements_prepared(server_url: URL) -> None:
    """What a pooler costs is not paid where there is none."""
    count = text("SELECT count(*) FROM pg_prepared_statements")
    with captured("INFO") as lines:
        async with database.opened(server_url) as db:
            assert await db.read(lambda connection: connection.scalar(count))
    assert not lines.events()


@pytest.mark.parametrize("size", [2, POOL])
async def test_one_service_works_whatever_the_pool_holds(database_url: URL, grok: Grok, size: int) -> None:
    with pooled(database_url, "transaction", size, robin=1) as url:
        async with running(url, grok) as service:
            ids = await service.post_all(f"{LATE} {number}" for number in range(EACH))
            await service.all_ended(ids)
            assert (await service.get("/health"))["status"] == "ok"


async def test_three_processes_share_a_pool(database_url: URL, grok: Grok, tmp_path: Path) -> None:
    """Names of prepared statements are counted by each process, so that two would get in each other's way."""
    with pooled(database_url, "transaction", POOL) as url, ExitStack() as stack:
        environ: Json = {
            "DATABASE_URL": address(url),
            "GROK_BASE_URL": grok.url,
            "GROK_API_KEY": KEY,
            "INBOUND_RPS": 0,
        }
        services = [stack.enter_context(Process(tmp_path, **environ)) for _ in range(3)]
        codes = await asyncio.gather(*map(used, services))
        drained = [service.drained(60) for service in services]
        logged = [line for service in services for line in service.errors]

    assert not logged
    assert set().union(*codes) == {200, 202}
    assert all(drained)
    (found,) = await rows(
        database_url, "SELECT count(*), count(*) FILTER (WHERE status = 'completed') FROM conversations"
    )
    assert tuple(found) == (3 * EACH, 3 * EACH)


async def used(service: Process) -> set[int]:
    """What it answers to posts and reads, a few at the same time."""
    codes: set[int] = set()
    few = asyncio.Semaphore(AT_ONCE)
    async with client(service.url) as http:

        async def use(number: int) -> None:
            async with few:
                posted = await http.post(POSTS, json={"text": f"{LATE} {service.port} {number}"})
                found = [await http.get(f"/api/v1/{path}") for path in ("insights/recent", "trends")]
            codes.update(answer.status_code for answer in (posted, *found))

        await asyncio.gather(*map(use, range(EACH)))
    return codes


async def test_statement_mode_is_refused_in_a_line(database_url: URL, tmp_path: Path) -> None:
    with pooled(database_url, "statement") as url:
        service = Process(tmp_path, wait=False, DATABASE_URL=address(url))
        service.start()
        assert service.exit_code() == 2

    (line,) = [each for each in service.said.splitlines() if "cannot start" in each]
    assert "transaction blocks not allowed in statement pooling mode" in line


async def test_a_backup_is_refused_because_it_would_empty_the_search_path_of_others(
    database_url: URL, tmp_path: Path
) -> None:
    with pooled(database_url, "transaction") as url:
        for copy in (dump, load):
            with pytest.raises(BackupRefused, match="pooler"):
                await asyncio.to_thread(copy, url, tmp_path / "copy")


async def test_programs_find_a_service_that_runs_behind_the_pooler(database_url: URL) -> None:
    def found(_: Connection, is_served: bool) -> None:
        seen.append(is_served)

    seen: list[bool] = []
    with pooled(database_url, "transaction", POOL) as url:
        program = PostgresqlAccess(url, Vault())
        async with database.opened(url):
            await program.begin(found)
            assert "stop the service" in await program.clean()
        await program.begin(found)
        assert "VACUUM FULL" in await program.clean()
        async with database.opened(url):
            pass

    assert seen == [True, False]
