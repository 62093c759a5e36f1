"""Who asks about a text: locks that expire, and who waits for them."""

import asyncio

import pytest
from sqlalchemy import Connection, select, update
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from database import Database
from models import asking as table
from models import conversations
from store.queue import single_flight
from tests.support.insight_data import tried
from tests.support.rows import LEASE, NOW, distinct, stored, take_in

K, L, M = (letter * 32 for letter in (b"k", b"l", b"m"))


def lead(connection: Connection, *keys: bytes, token: str = "a", now: int = NOW) -> dict[bytes, int]:
    return {**single_flight.lead(connection, {*keys}, lease=token, until=now + LEASE, now=now)}


def release(connection: Connection, *keys: bytes, token: str = "a", now: int = NOW) -> None:
    single_flight.release(connection, {*keys}, leases={token}, now=now)


def locks(connection: Connection) -> dict[bytes, tuple[str, int]]:
    return {row.cache_key: (row.lease, row.until) for row in connection.execute(select(table))}


def wait_for(connection: Connection, id_: str, key: bytes, until: int) -> None:
    row = update(conversations).where(conversations.c.id == id_)
    connection.execute(row.values(waits_for=key, run_at=until))


async def test_of_two_who_want_to_ask_the_first_leads(db: Database) -> None:
    def play(connection: Connection) -> None:
        assert lead(connection, K, L) == {}
        assert lead(connection, K, M, token="b", now=NOW + 1) == {K: NOW + LEASE}

        assert locks(connection) == {
            K: ("a", NOW + LEASE),
            L: ("a", NOW + LEASE),
            M: ("b", NOW + 1 + LEASE),
        }

    await tried(db, play)


@pytest.mark.parametrize("number", [63, 64, 65, 150])
async def test_of_any_number_of_texts_each_is_held_and_released(db: Database, number: int) -> None:
    keys = [place.to_bytes(32) for place in range(number)]

    def play(connection: Connection) -> None:
        assert lead(connection, *keys) == {}
        assert lead(connection, keys[-1], K, token="b") == {keys[-1]: NOW + LEASE}

        single_flight.extend(connection, keys, leases={"a"}, until=NOW + 9)
        assert locks(connection) == dict.fromkeys(keys, ("a", NOW + 9)) | {K: ("b", NOW + LEASE)}

        release(connection, *keys, K, token="a")
        assert locks(connection) == {K: ("b", NOW + LEASE)}

    await tried(db, play)


async def test_who_has_asked_for_too_long_is_followed_by_another(db: Database) -> None:
    def play(connection: Connection) -> None:
        lead(connection, K)

        assert lead(connection, K, token="b", now=NOW + LEASE - 1) == {K: NOW + LEASE}
        assert lead(connection, K, token="b", now=NOW + LEASE) == {}
        assert locks(connection) == {K: ("b", NOW + 2 * LEASE)}

    await tried(db, play)


async def test_no_text_needs_no_statement(db: Database) -> None:
    def play(connection: Connection) -> None:
        lead(connection, K)
        take_in(connection, *distinct(1))
        wait_for(connection, "c0", K, NOW + LEASE)

        assert lead(connection) == {}
        single_flight.extend(connection, set(), leases={"a"}, until=NOW + 9 * LEASE)
        release(connection)

        assert locks(connection) == {K: ("a", NOW + LEASE)}
        assert stored(connection, "c0").waits_for == K

    await tried(db, play)


async def test_who_goes_on_asking_keeps_his_texts_and_no_others(db: Database) -> None:
    def play(connection: Connection) -> None:
        lead(connection, K, L)
        lead(connection, M, token="b")

        single_flight.extend(connection, {K, M}, leases={"a"}, until=NOW + 5 * LEASE)

        assert {key: until for key, (_, until) in locks(connection).items()} == {
            K: NOW + 5 * LEASE,
            L: NOW + LEASE,
            M: NOW + LEASE,
        }

    await tried(db, play)


async def test_who_stops_asking_makes_room_and_wakes_who_waited(db: Database) -> None:
    def play(connection: Connection) -> None:
        lead(connection, K, L)
        take_in(connection, *distinct(3))
        for id_, key in (("c0", K), ("c1", L), ("c2", K)):
            wait_for(connection, id_, key, NOW + LEASE)

        release(connection, K, now=NOW + 7)

        assert locks(connection) == {L: ("a", NOW + LEASE)}
        waiting = [stored(connection, f"c{at}") for at in range(3)]
        assert [(row.run_at, row.waits_for) for row in waiting] == [
            (NOW + 7, None),
            (NOW + LEASE, L),
            (NOW + 7, None),
        ]
        assert lead(connection, K, token="b") == {}

    await tried(db, play)


async def test_who_was_followed_by_another_does_not_make_room_for_a_third(db: Database) -> None:
    def play(connection: Connection) -> None:
        lead(connection, K, token="slow")
        lead(connection, K, token="b", now=NOW + LEASE)

        release(connection, K, token="slow")

        assert lead(connection, K, token="c", now=NOW + LEASE + 1) == {K: NOW + 2 * LEASE}

    await tried(db, play)


async def test_after_a_restart_nobody_asks_and_nobody_waits(db: Database) -> None:
    def play(connection: Connection) -> None:
        lead(connection, K, L)
        take_in(connection, *distinct(2))
        wait_for(connection, "c0", K, NOW + LEASE)

        single_flight.forget_all(connection, now=NOW + 3)

        assert locks(connection) == {}
        assert (stored(connection, "c0").run_at, stored(connection, "c0").waits_for) == (NOW + 3, None)
        assert stored(connection, "c1").run_at == NOW

    await tried(db, play)


# --- races --------------------------------------------------------------------------------------------------

ASKERS, TEXTS, ROUNDS = 4, 40, 40
KEYS = [bytes([at]) * 32 for at in range(TEXTS)]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_racing_askers_lead_each_text_one_at_a_time_and_never_lock_each_other_out(
    db: Database, server_url: URL
) -> None:
    """Unsorted `lead`, or `release` and `extend` in the order of the heap, and PostgreSQL reports deadlocks."""
    engine = create_async_engine(server_url, pool_size=ASKERS)
    leading: dict[bytes, str] = {}
    together = asyncio.Barrier(ASKERS)

    async def ask(engine: AsyncEngine, token: str) -> int:
        led = 0
        for _ in range(ROUNDS):
            await together.wait()
            async with engine.begin() as connection:
                others = await connection.run_sync(lead, *KEYS, token=token)
            mine = {*KEYS} - others.keys()
            assert not mine & leading.keys()
            leading.update(dict.fromkeys(mine, token))
            led += len(mine)
            async with engine.begin() as connection:
                await connection.run_sync(
                    single_flight.extend, {*KEYS}, leases={token, "nobody"}, until=NOW + 2 * LEASE
                )
            for key in mine:
                del leading[key]
            async with engine.begin() as connection:
                await connection.run_sync(release, *KEYS, token=token)
        return led

    try:
        led = await asyncio.gather(*(ask(engine, f"{at}") for at in range(ASKERS)))
    finally:
        await engine.dispose()
    assert sum(led) >= TEXTS * ROUNDS
    assert await db.read(locks) == {}
