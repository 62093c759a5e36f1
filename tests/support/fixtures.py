"""A fresh SQLite file and an empty PostgreSQL database for every test; a fake Grok; programs that need no import."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import certifi
import pytest
from sqlalchemy.engine import URL

import database
from benchmarks.support import databases
from database import Database
from tests.support.emptied import Copies
from tests.support.forks import Forks, forking
from tests.support.partitioned import PARTITIONED, SPLITS, partition
from tests.support.poolers import POOLER, pooled
from tests.support.service import Grok, faked


@pytest.fixture(scope="session", autouse=True)
def one_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A single authority of certificates: every service that starts reads all, 22 ms of CPU for the usual ones."""
    end = "-----END CERTIFICATE-----"
    first, _, _ = Path(certifi.where()).read_text(encoding="ascii", errors="replace").partition(end)
    file = tmp_path_factory.mktemp("authorities") / "one.pem"
    file.write_text(f"{first}{end}\n", encoding="ascii", errors="replace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(file))
        yield


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[URL]:
    """An empty server's address: TEST_DATABASE_URL, else one that pip installed, started here."""
    with databases.postgresql() as url:
        yield url


@pytest.fixture(scope="session")
def template(postgresql_server: URL) -> str:
    """A migrated database that the tests' own are copied from."""
    name = "template_of_tests"
    asyncio.run(_migrated(postgresql_server, name))
    return name


@pytest.fixture(scope="session")
def copies(postgresql_server: URL, template: str, names: Iterator[str]) -> Iterator[Copies]:
    """Copies of it, which tests use one after another."""
    made = Copies(postgresql_server, template, names)
    yield made
    made.drop_all()


@pytest.fixture(scope="session")
def pooler(postgresql_server: URL) -> Iterator[URL]:
    """The server's address through the pooler that TEST_POOLER asks for, else the server's own."""
    if not POOLER:
        yield postgresql_server
        return
    with pooled(postgresql_server, POOLER, size=20) as url:
        yield url


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
    if PARTITIONED:
        await partition(server.set(database=name), SPLITS)


async def _opened(url: URL) -> None:
    async with database.opened(url):
        pass


@pytest.fixture(params=databases.KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[URL]:
    """An address of an empty database, once of each kind."""
    yield from an_empty(request, tmp_path)


@pytest.fixture
def server_url(database_url: URL, postgresql_server: URL) -> URL:
    """The address of a PostgreSQL database at its server, whatever stands before it."""
    return postgresql_server.set(database=database_url.database)


@pytest.fixture(scope="module", params=databases.KINDS)
def shared_database_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[URL]:
    """The same for all tests of a module that share it, as those can that are only refused."""
    yield from an_empty(request, tmp_path_factory.mktemp("shared"))


def an_empty(request: pytest.FixtureRequest, folder: Path) -> Iterator[URL]:
    """The address of an empty database of the kind that is the request's parameter."""
    if request.param == databases.SQLITE:
        url = databases.sqlite(folder)
        shutil.copyfile(request.getfixturevalue("template_file"), str(url.database))
        yield url
        return
    copies: Copies = request.getfixturevalue("copies")
    front: URL = request.getfixturevalue("pooler")
    with copies.lent() as url:
        yield front.set(database=url.database)


@pytest.fixture
async def db(database_url: URL) -> AsyncIterator[Database]:
    """An open, empty, migrated database, once of each kind."""
    async with database.opened(_patient(database_url)) as opened:
        yield opened


def _patient(url: URL) -> URL:
    """The address of a server that waits for a test inside a transaction: a busy machine has kept one away for 3 s."""
    if url.get_backend_name() == databases.SQLITE or "TEST_POOLER" in os.environ:
        return url
    return url.update_query_dict({"options": "-c idle_in_transaction_session_timeout=60s"})


@pytest.fixture
def grok() -> Iterator[Grok]:
    """A fake Grok on a port of its own."""
    with faked() as fake:
        yield fake


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """Programs that are not imported anew for every run."""
    with forking() as made:
        yield made
