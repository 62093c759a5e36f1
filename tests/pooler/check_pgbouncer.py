"""PgBouncer between the service and PostgreSQL: session mode works as it comes, transaction mode is refused.

`make test-pooler` runs this; PgBouncer is the Debian package of that name. PostgreSQL's own process user runs it,
because PgBouncer refuses root.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import psutil
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.engine import URL

import database
from benchmarks.support.process import free_port
from store.engine.neighbours import PooledByTransaction, refuse_transaction_pooling
from tests.support.service import running

pytestmark = [
    pytest.mark.parametrize("database_url", ["postgresql"], indirect=True),
    pytest.mark.skipif(shutil.which("pgbouncer") is None, reason="apt-get install pgbouncer"),
]

CONFIG = """
[databases]
* = host={host} port={port} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = {size}
logfile = {folder}/log
server_round_robin = {robin}
"""
LATE = "My parcel is three days late and nobody answers"


def server_user() -> str:
    """Whose process PostgreSQL is."""
    found = (
        each.info["username"]
        for each in psutil.process_iter(["name", "username"])
        if "postgres" in each.name()
    )
    return str(next(found))


@contextmanager
def pooled(url: URL, mode: str, size: int = 40, robin: int = 0) -> Iterator[URL]:
    """The database's address through a PgBouncer of its own."""
    host, port = url.query.get("host") or url.host or "", url.port or 5432
    listen, user = free_port(), url.username or "postgres"
    with TemporaryDirectory(prefix="insights-pooler-") as folder:
        Path(folder).chmod(0o777)
        config = Path(folder) / "pgbouncer.ini"
        config.write_text(
            CONFIG.format(
                host=host,
                port=port,
                user=user,
                listen=listen,
                mode=mode,
                size=size,
                robin=robin,
                folder=folder,
            )
        )
        command = ["pgbouncer", str(config)]
        if not os.geteuid():
            command[1:1] = ["-u", server_user()]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            _until_listening(process, listen)
            yield URL.create("postgresql+asyncpg", user, None, "127.0.0.1", listen, url.database)
            process.terminate()


def _until_listening(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + 20
    while not any(each.laddr.port == port for each in psutil.Process(process.pid).net_connections()):
        assert process.poll() is None, "PgBouncer ended"
        assert time.monotonic() < deadline
        time.sleep(0.05)


async def refused(url: URL) -> None:
    with pytest.raises(PooledByTransaction, match="session mode"):
        async with database.opened(url):
            pass


@pytest.mark.parametrize(
    ("size", "robin"),
    [(40, 0), (40, 1), (2, 1), (1, 0)],
)
async def test_transaction_mode_is_refused(database_url: URL, size: int, robin: int) -> None:
    with pooled(database_url, "transaction", size, robin) as url:
        await refused(url)


@pytest.mark.parametrize(("size", "robin"), [(40, 0), (40, 1), (2, 1), (1, 0)])
async def test_the_sessions_alone_give_it_away(database_url: URL, size: int, robin: int) -> None:
    """As from PgBouncer 1.21 on, which carries prepared statements from session to session."""
    with pooled(database_url, "transaction", size, robin) as url:
        where = {"host": url.host, "port": url.port, "user": url.username, "database": url.database}
        with pytest.raises(PooledByTransaction):
            await refuse_transaction_pooling(partial(asyncpg.connect, statement_cache_size=0, **where))


def lock_timeout(connection: Connection) -> str:
    return str(connection.scalar(text("SHOW lock_timeout")))


async def test_session_mode_works_and_keeps_the_bound_on_locks(database_url: URL) -> None:
    with pooled(database_url, "session") as url:
        async with database.opened(url) as db:
            assert await db.read(lock_timeout) == await db.write(lock_timeout) == "2s"
        async with running(url) as service:
            ids = await service.post_all(f"{LATE} {number}" for number in range(60))
            await service.all_ended(ids)
            assert (await service.get("/health"))["status"] == "ok"


async def test_a_direct_connection_is_not_asked_twice(database_url: URL) -> None:
    async with database.opened(database_url) as db:
        assert await db.read(lock_timeout) == "2s"
