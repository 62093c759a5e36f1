"""What a connection to PostgreSQL is given, through the parameters that managed services write into a URL."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

import database
from benchmarks.support.locks import locked
from core.database_url import checked
from store.engine.faults import Fault, database_fault
from store.engine.limits import BEGIN_SECONDS
from store.engine.postgresql import CONNECTIONS
from store.engine.writers import PooledWriters
from tests.support.log_lines import captured
from tests.support.relay import hanging

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

SETTINGS = (
    "application_name",
    "idle_in_transaction_session_timeout",
    "jit",
    "lock_timeout",
    "statement_timeout",
)


def with_parameters(url: URL, written: str) -> URL:
    """The address with parameters, as an operator writes it and the settings read it."""
    address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return make_url(checked(f"{address}{'&' if url.query else '?'}{written}"))


def settings(connection: Connection) -> dict[str, tuple[str, str]]:
    query = text("SELECT name, setting, source FROM pg_settings WHERE name = ANY(:names)")
    return {
        row.name: (row.setting, row.source) for row in connection.execute(query, {"names": list(SETTINGS)})
    }


def store(connection: Connection) -> None:
    connection.execute(text("INSERT INTO switches (name, is_on) VALUES ('test', true)"))


def stored(connection: Connection) -> int:
    return int(connection.scalar(text("SELECT count(*) FROM switches WHERE name = 'test'")) or 0)


@pytest.mark.parametrize(
    "written",
    [
        "sslmode=disable",
        "sslmode=prefer&connect_timeout=10",
        "target_session_attrs=read-write",
        "target_session_attrs=primary&application_name=x",
        "options=-c%20default_transaction_read_only%3Don%20-c%20default_transaction_read_only%3Doff",
    ],
)
async def test_parameters_of_the_url_leave_reads_and_writes_working(database_url: URL, written: str) -> None:
    async with database.opened(with_parameters(database_url, written)) as db:
        await db.write(store)

        assert await db.read(stored) == 1
        assert await db.read_in_background(stored) == 1


async def test_a_reader_cannot_write(database_url: URL) -> None:
    async with database.opened(with_parameters(database_url, "target_session_attrs=read-write")) as db:
        with pytest.raises(DBAPIError, match="read-only transaction"):
            await db.read(store)


async def test_settings_are_set_in_the_session_because_a_pooler_drops_those_of_the_start(
    database_url: URL,
) -> None:
    url = with_parameters(database_url, "application_name=mine&options=-c%20statement_timeout%3D7s")
    async with database.opened(url) as db:
        for found in (await db.read(settings), await db.write(settings)):
            assert found == {
                "application_name": ("mine", "session"),
                # Longer than the wait for a lock: else a frozen process's sessions hold one in turn.
                "idle_in_transaction_session_timeout": ("3000", "session"),
                "jit": ("off", "session"),
                "lock_timeout": ("2000", "session"),
                "statement_timeout": ("7000", "session"),
            }


async def test_another_process_on_the_database_is_told_of_once(database_url: URL) -> None:
    with captured("INFO") as lines:

        def told() -> list[dict[str, Any]]:
            return [line for line in lines.events() if line["event"] == "not_alone"]

        async with database.opened(database_url):
            assert not told()
            async with database.opened(database_url):
                (line,) = told()
                assert line["other_processes"] == 1
                assert "inbound limits" in line["meaning"]
        async with database.opened(database_url):
            assert len(told()) == 1, "the others are gone"


def hold_switches(connection: Connection) -> None:
    connection.execute(text("LOCK TABLE switches IN ACCESS EXCLUSIVE MODE"))


async def test_a_process_that_stops_inside_a_transaction_loses_its_locks(database_url: URL) -> None:
    impatient = with_parameters(database_url, "options=-c%20idle_in_transaction_session_timeout%3D300ms")
    async with database.opened(impatient) as frozen, database.opened(database_url) as other:
        assert isinstance(frozen.writers, PooledWriters)
        async with frozen.writers.engine.connect() as connection:
            await connection.run_sync(hold_switches)
            # It is waited for, and not refused.
            await other.write(store)

            with pytest.raises(DBAPIError) as woken:
                await connection.execute(text("SELECT 1"))
        await frozen.write(lambda connection: None)

    assert database_fault(woken.value) is Fault.UNAVAILABLE


async def test_a_start_goes_on_after_its_session_was_ended(database_url: URL) -> None:
    tries: list[None] = []

    def once(connection: Connection) -> None:
        tries.append(None)
        if len(tries) == 1:
            connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        store(connection)

    async with database.opened(database_url) as db:
        await db.write_at_start(once)

        assert await db.read(stored) == 1


async def test_a_server_that_says_nothing_more_is_given_up(database_url: URL) -> None:
    """As behind a cable that was cut, or a pooler that has lost its server and lets clients wait."""
    async with hanging(database_url) as relay:
        url = relay.url.update_query_dict({"connect_timeout": "1"})
        async with database.opened(url) as db:
            assert await db.read(stored) == 0
            relay.hang()
            with pytest.raises((SQLAlchemyError, OSError)) as met:
                async with asyncio.timeout(4 * BEGIN_SECONDS) as limit:
                    await db.write(store)
            relay.go_on()

            assert await db.read(stored) == 0
            await db.write(store)

    assert not limit.expired()
    assert database_fault(met.value) is Fault.UNAVAILABLE


async def test_whatever_holds_the_other_writers_up_a_post_finds_a_connection(database_url: URL) -> None:
    async with database.opened(database_url) as db:
        async with locked(database_url, "switches"):
            settling = [asyncio.create_task(db.write(store)) for _ in range(CONNECTIONS)]
            await asyncio.sleep(0)
            await db.write(lambda connection: None, urgent=True)

            assert not any(each.done() for each in settling)
        done = await asyncio.gather(*settling, return_exceptions=True)

    assert done.count(None) == 1, "the name is unique"


async def test_a_start_waits_for_a_lock_that_somebody_holds_for_longer_than_others_wait(
    database_url: URL,
) -> None:
    impatient = with_parameters(database_url, "options=-c%20lock_timeout%3D100ms")
    async with database.opened(impatient) as db:
        async with locked(database_url, "switches"):
            with pytest.raises(DBAPIError):
                await db.write(store)
            starting = asyncio.create_task(db.write_at_start(store))
            await asyncio.sleep(0.3)

            assert not starting.done()
        await starting
