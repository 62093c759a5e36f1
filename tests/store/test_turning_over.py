"""A PostgreSQL database is partitioned while it is used, and wherever that was cut off it goes on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import pytest
from rich.console import Console
from sqlalchemy import Connection, func, select, text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import create_async_engine

import database
from benchmarks.support.waiting import eventually
from database import Database
from models import conversations, counts, insights, messages, totals
from store.conversations.by_id import conversation_ids
from store.conversations.intake import Accepted, Conflict, accept
from store.conversations.records import delete_conversation
from store.engine import turning_over
from store.engine.partitioning import Partitioning
from store.engine.partitions import is_partitioned
from store.engine.seal_access import DatabaseAccess, access_to
from store.engine.vault import Vault
from tests.support.chat_data import added, said
from tests.support.emptied import Copies
from tests.support.partitioned import PARTITIONED
from tests.support.rows import assert_rolled_up, claim, complete, new

pytestmark = pytest.mark.skipif(PARTITIONED, reason="makes partitions itself")
A, B = b"a" * 32, b"b" * 32
Result = TypeVar("Result")


@pytest.fixture
def two(copies: Copies) -> Iterator[tuple[URL, URL]]:
    with copies.lent() as one, copies.lent() as other:
        yield one, other


class Killed(Exception):
    pass


class Dying(DatabaseAccess):
    """Lets so many transactions be, and undoes the next one, as the end of a process does."""

    def __init__(self, access: DatabaseAccess, after: int) -> None:
        self._access, self._left = access, after

    async def write(self, fn: Callable[[Connection], Result]) -> Result:
        def cut_off(connection: Connection) -> Result:
            done = fn(connection)
            self._left -= 1
            if self._left < 0:
                raise Killed
            return done

        return await self._access.write(cut_off)

    async def begin(self, fn: Any) -> bool:
        raise NotImplementedError

    def connected(self) -> Any:
        raise NotImplementedError

    async def clean(self) -> str:
        raise NotImplementedError


@asynccontextmanager
async def reached(url: URL) -> AsyncIterator[DatabaseAccess]:
    access = access_to(url, Vault())
    async with access.connected():
        yield access


def used(connection: Connection, turn: int) -> list[object]:
    """What a turn of ordinary use is answered."""
    post = new(f"c{turn}", external_id=f"e{turn}", idempotency_key=f"k{turn}", content_hash=A)
    earlier = new(f"d{turn}", external_id=f"e{turn // 2}", content_hash=A if turn % 3 else B)
    told: list[object] = [accept(connection, [post, earlier, post._replace(id="x")])]
    told.append(added(connection, said(f"chat{turn % 4}"), said(f"c{turn // 3}")))
    told.append(len(complete(connection, claim(connection, limit=2).work)))
    told.append(delete_conversation(connection, f"c{turn // 2 * 2 - 3}"))
    return told


def seen(connection: Connection) -> list[object]:
    """All that there is, but for the numbers: those of a partitioned database tell the month."""
    c = conversations.c
    said = select(func.count()).where(messages.c.conversation == c.number).scalar_subquery()
    score = select(insights.c.score).where(insights.c.conversation == c.number).scalar_subquery()
    rows = connection.execute(select(c.id, c.external_id, c.status, said, score).order_by(c.number)).all()
    assert_rolled_up(connection)
    ids = connection.execute(select(conversation_ids.c.id).order_by(conversation_ids.c.number)).scalars()
    assert [*ids] == [row.id for row in rows]
    return [rows, *(sorted(map(tuple, connection.execute(select(table)))) for table in (counts, totals))]


async def test_whoever_is_killed_at_any_step_goes_on(two: tuple[URL, URL]) -> None:
    """At each step once, with ordinary use between; what is answered is what a plain database answers."""
    console, turn, is_done = Console(quiet=True), 0, False
    async with database.opened(two[0]) as plain, database.opened(two[1]) as db, reached(two[1]) as access:
        while not is_done:
            use = partial(used, turn=turn)
            assert await db.write(use) == await plain.write(use), turn
            try:
                await Partitioning(Dying(access, turn), console, rows=3).run()
                is_done = True
            except Killed:
                turn += 1
        assert await db.read(is_partitioned)
        assert turn > 24
        for later in range(turn + 1, turn + 6):
            use = partial(used, turn=later)
            assert await db.write(use) == await plain.write(use)
        assert await db.write(seen) == await plain.write(seen)


@pytest.fixture
def url(copies: Copies) -> Iterator[URL]:
    with copies.lent() as lent:
        yield lent


async def test_ids_of_what_is_deleted_while_they_are_stored_are_not_kept(url: URL) -> None:
    """Neither of what was deleted just before, nor of what is deleted just after."""
    engine = create_async_engine(url)
    async with database.opened(url) as db:
        await db.write(partial(accept, group=[new("before"), new("after")]))
        await db.write(turning_over.keep_ids)
        fill = partial(turning_over.fill_ids, below=None, limit=9)
        async with engine.begin() as first:
            await first.run_sync(delete_conversation, "before")
            filling = asyncio.ensure_future(db.write(fill))
            await eventually(partial(waits, db))
        assert (await filling).rows == 1
        await db.write(lambda connection: connection.execute(text("DELETE FROM filled_ids")))
        async with engine.begin() as second:
            await second.run_sync(fill)
            deleting = asyncio.ensure_future(db.write(partial(delete_conversation, id_="after")))
            await eventually(partial(waits, db))
        assert await deleting
        left = text("SELECT count(*) FROM filled_ids")
        assert await db.read(lambda connection: connection.scalar(left)) == 0
    await engine.dispose()


WAITS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


async def waits(db: Database) -> bool:
    """Whether somebody waits for a lock."""
    return bool(await db.read(lambda connection: connection.scalar(WAITS)))


async def test_the_exchange_waits_for_nobody_for_long(url: URL) -> None:
    """A long read, such as an export, keeps it from the tables; meanwhile others read and write them."""
    engine = create_async_engine(url)
    async with database.opened(url) as db, reached(url) as access:
        async with engine.begin() as reader:
            await reader.execute(select(conversations.c.id))
            partitioning = asyncio.ensure_future(Partitioning(access, Console(quiet=True)).run())
            await eventually(partial(waits, db))
            assert await db.write(partial(accept, group=[new("a")]), urgent=True) == [Accepted("a", True)]
        await partitioning
        assert await db.write(partial(accept, group=[new("a", content_hash=A)])) == [Conflict("a")]
        assert await db.read(is_partitioned)
    await engine.dispose()
