"""What a real database raises, and whether that is an outage, a full disk or a defect of ours."""

import errno
import socket
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

import database
from api.errors import to_api_error
from schemas import Code
from store.engine.faults import database_fault


async def error_of(url: URL | str, *statements: str, **options: Any) -> BaseException:
    """What a real database raises for the statements."""
    engine = create_async_engine(url, **options)
    try:
        async with engine.connect() as connection:
            for statement in statements:
                await connection.execute(text(statement))
    except (SQLAlchemyError, OSError) as error:
        return error
    finally:
        await engine.dispose()
    raise AssertionError("no error")


def code_of(error: BaseException) -> Code | None:
    fault = database_fault(error)
    return None if fault is None else Code(fault)


async def test_a_full_sqlite_is_storage_full(tmp_path: Path) -> None:
    error = await error_of(
        f"sqlite+aiosqlite:///{tmp_path}/a.db",
        "PRAGMA max_page_count=2",
        "CREATE TABLE a (b)",
        "INSERT INTO a VALUES (zeroblob(100000))",
    )

    assert code_of(error) is Code.STORAGE_FULL


def test_a_full_disk_is_storage_full() -> None:
    with pytest.raises(OSError, match="No space left") as caught:
        Path("/dev/full").write_text("x")

    assert code_of(caught.value) is Code.STORAGE_FULL


async def test_a_sqlite_file_that_another_program_locks_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    other = sqlite3.connect(path)
    other.execute("BEGIN EXCLUSIVE")

    error = await error_of(
        f"sqlite+aiosqlite:///{path}", "CREATE TABLE a (b)", connect_args={"timeout": 0.01}
    )
    other.close()

    assert code_of(error) is Code.DATABASE_UNAVAILABLE


async def test_a_sqlite_file_that_is_gone_or_is_none_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "junk").write_bytes(b"junk" * 1_000)

    for name in ("no/such/folder", "junk"):
        error = await error_of(f"sqlite+aiosqlite:///{tmp_path}/{name}", "SELECT * FROM sqlite_master")
        assert code_of(error) is Code.DATABASE_UNAVAILABLE


@pytest.mark.parametrize(
    "statement", ["SELECT * FROM no_such_table", "INSERT INTO a VALUES (1), (1)", "SELEC"]
)
async def test_a_defect_of_ours_is_no_outage_on_either_database(database_url: URL, statement: str) -> None:
    error = await error_of(database_url, "CREATE TABLE a (b INTEGER PRIMARY KEY)", statement)

    assert code_of(error) is None
    assert to_api_error(error).code is Code.INTERNAL_ERROR  # type: ignore[arg-type]


async def test_a_postgresql_that_cannot_be_reached_is_unavailable() -> None:
    error = await error_of("postgresql+asyncpg://nobody:nothing@127.0.0.1:1/nowhere")

    assert code_of(error) is Code.DATABASE_UNAVAILABLE


def test_a_host_whose_name_is_not_known_is_unavailable() -> None:
    with pytest.raises(socket.gaierror) as caught:
        socket.getaddrinfo("no-number", 1, flags=socket.AI_NUMERICHOST)

    assert code_of(caught.value) is Code.DATABASE_UNAVAILABLE


async def test_a_full_postgresql_is_storage_full(postgresql_server: URL) -> None:
    error = await error_of(postgresql_server, "DO $$ BEGIN RAISE EXCEPTION USING errcode = '53100'; END $$")

    assert code_of(error) is Code.STORAGE_FULL


@pytest.mark.parametrize("number", ["53300", "57P03", "40P01", "55P03", "08006"])
async def test_what_passes_on_postgresql_is_unavailable(postgresql_server: URL, number: str) -> None:
    error = await error_of(
        postgresql_server, f"DO $$ BEGIN RAISE EXCEPTION USING errcode = '{number}'; END $$"
    )

    assert code_of(error) is Code.DATABASE_UNAVAILABLE


async def test_a_connection_that_breaks_is_unavailable(postgresql_server: URL) -> None:
    error = await error_of(postgresql_server, "SELECT pg_terminate_backend(pg_backend_pid())", "SELECT 1")

    assert code_of(error) is Code.DATABASE_UNAVAILABLE


def store(connection: Connection) -> None:
    connection.execute(text("INSERT INTO switches (name, is_on) VALUES ('test', true)"))


def raising(sqlstate: str) -> Any:
    """A transaction in which the server raises it."""
    statement = text(f"DO $$ BEGIN RAISE EXCEPTION USING errcode = '{sqlstate}'; END $$")
    return lambda connection: connection.execute(statement)


def server_process(connection: Connection) -> int:
    return int(connection.scalar(text("SELECT pg_backend_pid()")) or 0)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_the_connections_to_a_demoted_primary_are_given_up(database_url: URL) -> None:
    """They answer the pool's ping, so nothing else would ever end them."""
    demote = text("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
    async with database.opened(database_url) as db:
        await db.write(lambda connection: connection.execute(demote))
        with pytest.raises(SQLAlchemyError, match="read-only transaction") as caught:
            await db.write(store)

        await db.write(store)

    assert code_of(caught.value) is Code.DATABASE_UNAVAILABLE


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    ("sqlstate", "is_kept"), [("26000", False), ("42P05", False), ("25P03", False), ("57014", True)]
)
async def test_a_connection_that_a_pooler_mixed_up_is_not_used_again(
    database_url: URL, sqlstate: str, is_kept: bool
) -> None:
    async with database.opened(database_url) as db:
        before = await db.write(server_process)
        with pytest.raises(SQLAlchemyError):
            await db.write(raising(sqlstate))

        assert (await db.write(server_process) == before) is is_kept


async def test_of_several_hosts_none_that_is_the_primary_is_unavailable(postgresql_server: URL) -> None:
    """Between the primary's death and a promotion; here a primary is there, and a standby is asked for."""
    only_a_standby = postgresql_server.update_query_dict({"target_session_attrs": "standby"})
    with pytest.raises(ConnectionError, match="match the target") as caught:
        async with database.opened(only_a_standby):
            pass

    assert code_of(caught.value) is Code.DATABASE_UNAVAILABLE


async def test_a_sqlite_connection_that_somebody_closed_is_unavailable(tmp_path: Path) -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/a.db")
    async with engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        await driver.close()
        with pytest.raises(SQLAlchemyError) as caught:
            await connection.execute(text("SELECT 1"))
    await engine.dispose()

    assert code_of(caught.value) is Code.DATABASE_UNAVAILABLE


def test_a_host_without_a_route_is_unavailable_and_a_missing_file_is_a_defect() -> None:
    assert code_of(OSError(errno.EHOSTUNREACH, "No route to host")) is Code.DATABASE_UNAVAILABLE
    assert code_of(FileNotFoundError(errno.ENOENT, "No such file")) is None


async def test_a_pool_without_a_free_connection_is_unavailable(tmp_path: Path) -> None:
    pool: dict[str, Any] = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 0.01}
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/a.db", **pool)
    async with engine.connect():
        with pytest.raises(SQLAlchemyError) as caught:
            await _connected(engine.connect())
    await engine.dispose()

    assert code_of(caught.value) is Code.DATABASE_UNAVAILABLE


async def _connected(connecting: Any) -> AsyncConnection:
    connection: AsyncConnection = await connecting
    return connection
