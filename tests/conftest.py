"""The databases under test: a fresh SQLite file and a fresh PostgreSQL database for every test."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings
from sqlalchemy.engine import URL

import database
from benchmarks.support import databases
from database import Database
from tests.support.service import Grok, faked

# A busy machine is no defect.
settings.register_profile("any_machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any_machine")


def pytest_configure() -> None:
    """Make signals and log lines the same, whoever runs the tests."""
    # A shell starts what it puts into the background with SIGINT ignored, and every child inherits that: Ctrl-C
    # would be tried on programs that never hear of it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # By default structlog paints every frame of an exception with its variables: 0.1 s of CPU each time.
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[structlog.stdlib.add_log_level, plain])


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[URL]:
    """An empty server's address: TEST_DATABASE_URL, else one that pip installed, started here."""
    with databases.postgresql() as url:
        yield url


@pytest.fixture(scope="session")
def template(postgresql_server: URL) -> str:
    """A migrated database that the tests' own are copied from: 30 ms instead of 300."""
    name = "template_of_tests"
    asyncio.run(_migrated(postgresql_server, name))
    return name


@pytest.fixture(scope="session")
def template_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for SQLite: 46 ms of CPU until it is open instead of 110."""
    url = databases.sqlite(tmp_path_factory.mktemp("template"))
    asyncio.run(_opened(url))
    return Path(str(url.database))


@pytest.fixture(scope="session")
def names() -> Iterator[str]:
    return (f"test_{os.getpid()}_{number}" for number in count())


async def _migrated(server: URL, name: str) -> None:
    await databases.administer(server, f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}")
    await _opened(server.set(database=name))


async def _opened(url: URL) -> None:
    async with database.opened(url):
        pass


@pytest.fixture(params=databases.KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path, names: Iterator[str]) -> Iterator[URL]:
    """An address of an empty database, once of each kind."""
    if request.param == databases.SQLITE:
        url = databases.sqlite(tmp_path)
        shutil.copyfile(request.getfixturevalue("template_file"), str(url.database))
        yield url
        return
    server = request.getfixturevalue("postgresql_server")
    template = request.getfixturevalue("template")
    with databases.created(server, next(names), f"TEMPLATE {template} STRATEGY file_copy") as url:
        yield url


@pytest.fixture
async def db(database_url: URL) -> AsyncIterator[Database]:
    """An open, empty, migrated database, once of each kind."""
    async with database.opened(database_url) as opened:
        yield opened


@pytest.fixture
def grok() -> Iterator[Grok]:
    """A fake Grok on a port of its own."""
    with faked() as fake:
        yield fake
