"""Big tables by month on PostgreSQL: the same answers as without, each id once over all months, and months that go."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

import database
from benchmarks.support.waiting import eventually
from core.clock import parse
from database import Database
from domain.months import first_number, month_of
from models import conversations, metadata
from services.months import Months
from services.retention import Retention
from store.conversations.by_id import has_id
from store.conversations.intake import Accepted, NewConversation, accept
from store.conversations.records import delete_conversation, get_conversation
from store.conversations.storage import delete_expired, expired
from store.engine.partitions import CALLS, CONVERSATIONS, FAMILIES, drop_emptied, partitions, turn_month
from store.money import calls
from tests.store.test_deletion import everything, index
from tests.support.chat_data import added, said
from tests.support.emptied import Copies
from tests.support.insight_data import thorough
from tests.support.partitioned import PARTITIONED, partition
from tests.support.rows import NOW, assert_rolled_up, claim, complete, new, stored

pytestmark = pytest.mark.skipif(PARTITIONED, reason="makes partitions itself")
A, B = b"a" * 32, b"b" * 32
NOVEMBER, DECEMBER, JANUARY = (
    parse(f"{day}T12:00:00Z") for day in ("2026-11-30", "2026-12-02", "2027-01-03")
)
MINUTE = 60 * 1_000_000
Op = tuple[Any, ...]


# --- the same answers ---------------------------------------------------------------------------------------

few = st.integers(0, 3)
posts = st.tuples(
    few,
    st.none() | few,
    st.none() | few,
    st.sampled_from([A, B]),
    st.sampled_from(["", "ann"]),
    st.booleans(),
)
series = st.lists(
    st.one_of(
        st.tuples(st.just("post"), st.lists(posts, min_size=1, max_size=5)),
        st.tuples(st.just("say"), few, st.integers(1, 3)),
        st.tuples(st.just("analyse"), st.integers(1, 4)),
        st.tuples(st.just("index")),
        st.tuples(st.just("delete"), few),
        st.tuples(st.just("retain"), st.integers(0, 8)),
    ),
    min_size=1,
    max_size=8,
)


def row(post: tuple[int, int | None, int | None, bytes, str, bool], at: int) -> NewConversation:
    own, external, key, content, owner, has_hash = post
    return new(
        f"c{own}",
        received_at=NOW + at * MINUTE,
        external_id=None if external is None else f"e{external}",
        idempotency_key=None if key is None else f"k{key}",
        content_hash=content if has_hash or external is not None or key is not None else None,
        owner=owner,
    )


def done(connection: Connection, op: Op, at: int) -> object:
    """Carry out one of the series; what the caller is told."""
    match op:
        case "post", some:
            return accept(connection, [row(each, at) for each in some])
        case "say", chat, number:
            return added(connection, *[said(f"c{chat}") for _ in range(number)], now=NOW + at * MINUTE)
        case "analyse", limit:
            work = claim(connection, now=NOW + at * MINUTE, limit=limit).work
            return len(complete(connection, work, now=NOW + at * MINUTE))
        case "delete", chat:
            return delete_conversation(connection, f"c{chat}")
        case "retain", before:
            old = expired(connection, NOW + before * MINUTE, after=0, limit=50)
            return old, delete_expired(connection, [each.id for each in old], NOW + before * MINUTE)
    index(connection)
    return None


async def told(db: Database, ops: Sequence[Op]) -> list[object]:
    """What is answered to a series, and what is stored after each; nothing is left behind."""
    heard: list[object] = []

    def play(connection: Connection) -> None:
        connection.execute(text("SELECT setval('conversations_number_seq', 1, false)"))
        connection.execute(text("SELECT setval('people_number_seq', 1, false)"))
        for at, op in enumerate(ops):
            heard.append(done(connection, op, at))
            heard.append(everything(connection))
        assert_rolled_up(connection)
        raise Undone

    with pytest.raises(Undone):
        await db.write(play)
    return heard


class Undone(Exception):
    pass


@settings(thorough, max_examples=30)
@given(ops=series)
async def test_a_partitioned_database_answers_every_series_as_a_plain_one(
    pair: tuple[Database, Database], ops: Sequence[Op]
) -> None:
    plain, partitioned = pair

    assert await told(partitioned, ops) == await told(plain, ops)


@pytest.fixture
def two(copies: Copies) -> Iterator[tuple[URL, URL]]:
    with copies.lent() as one, copies.lent() as other:
        yield one, other


@pytest.fixture
async def pair(two: tuple[URL, URL]) -> AsyncIterator[tuple[Database, Database]]:
    await partition(two[1], splits=(3, 5, 7))
    async with database.opened(two[0]) as plain, database.opened(two[1]) as partitioned:
        yield plain, partitioned


# --- each id once -------------------------------------------------------------------------------------------


@pytest.fixture
def url(copies: Copies) -> Iterator[URL]:
    with copies.lent() as lent:
        yield lent


@pytest.fixture
async def db(url: URL) -> AsyncIterator[Database]:
    """A database that is partitioned from November on."""
    await partition(url, now=NOVEMBER)
    async with database.opened(url) as opened:
        yield opened


async def look(db: Database, now: int) -> None:
    """What is done once a minute."""
    await Months(db, lambda: now).look()


async def months_of(db: Database, *ids: str) -> list[int]:
    """The months in which conversations are stored; 0 is before there were partitions."""
    numbers = await db.read(lambda connection: [stored(connection, id_).number for id_ in ids])
    return [number // first_number(1) for number in numbers]


async def test_an_id_is_known_in_the_months_after(db: Database) -> None:
    post = new("first", external_id="e", idempotency_key="k", content_hash=A)
    await db.write(partial(accept, group=[post]))
    await look(db, NOVEMBER)
    await db.write(partial(accept, group=[new("second", external_id="f", content_hash=A)]))
    await look(db, DECEMBER)

    again = [post._replace(id="again"), new("third", external_id="g", content_hash=A)]
    answers = await db.write(partial(accept, group=again))

    assert answers == [Accepted("first", created=False), Accepted("third", created=True)]
    assert await months_of(db, "first", "second", "third") == [0, month_of(NOVEMBER), month_of(DECEMBER)]


WAITS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


async def test_of_two_transactions_with_one_id_the_second_waits_and_stores_nothing(
    db: Database, url: URL
) -> None:
    """Although a month begins in between, so that they would store it in two partitions."""
    engine = create_async_engine(url)
    one, other = (new(id_, external_id="e", content_hash=A) for id_ in ("one", "other"))
    async with engine.begin() as first:
        assert await first.run_sync(accept, [one]) == [Accepted("one", created=True)]
        await db.write(partial(turn_month, now=NOVEMBER))
        second = asyncio.ensure_future(db.write(partial(accept, group=[other])))
        await eventually(lambda: db.read(lambda connection: connection.scalar(WAITS)))
    assert await second == [Accepted("one", created=False)]
    await engine.dispose()


# --- months that come and go --------------------------------------------------------------------------------


def settled(connection: Connection, ids: Sequence[str], now: int) -> None:
    """Conversations that were taken in and answered then, by a call."""
    accept(connection, [new(id_, external_id=id_, content_hash=A, received_at=now) for id_ in ids])
    calls.start(connection, provider="grok", model="m", conversations=len(ids), reserved=0, now=now)
    complete(connection, claim(connection, now=now).work, now=now)


def names(connection: Connection) -> list[str]:
    return [each.name for each in partitions(connection, CONVERSATIONS)]


TABLES = text("SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE :like ORDER BY relname")


def tables_of(connection: Connection, month: str) -> Sequence[str]:
    return connection.scalars(TABLES, {"like": f"%{month}"}).all()


async def at_once(_: float) -> None:
    pass


async def test_a_month_that_is_over_is_dropped_when_retention_has_left_nothing_in_it(db: Database) -> None:
    await db.write(partial(settled, ids=["first"], now=NOVEMBER))
    await look(db, NOVEMBER)
    await db.write(partial(settled, ids=["new"], now=NOVEMBER))
    await look(db, DECEMBER)
    await db.write(partial(settled, ids=["newest"], now=DECEMBER))
    assert await db.read(names) == ["before", "2026_11", "2026_12", "2027_01"]
    assert len(await db.read(partial(tables_of, month="2026_11"))) == len(CONVERSATIONS.tables) + 1

    await Retention(db, 33, lambda: JANUARY, at_once).sweep()
    await look(db, JANUARY)

    assert await db.read(names) == ["2026_12", "2027_01", "2027_02"]
    assert await db.read(partial(tables_of, month="2026_11")) == []
    assert await db.read(partial(tables_of, month="before")) == []
    of_calls = await db.read(partial(partitions, family=CALLS))
    assert [each.name for each in of_calls] == ["2026_12", "2027_01", "2027_02"]
    await db.write(assert_rolled_up)
    # Its id is free again.
    await db.write(partial(settled, ids=["new"], now=JANUARY))
    await db.write(assert_rolled_up)
    assert await months_of(db, "newest", "new") == [month_of(DECEMBER), month_of(JANUARY)]


async def test_a_month_in_which_something_is_left_stays(db: Database) -> None:
    await look(db, NOVEMBER)
    await db.write(partial(accept, group=[new("waits", received_at=NOVEMBER)]))

    await Retention(db, 33, lambda: JANUARY, at_once).sweep()
    await look(db, JANUARY)

    assert await db.read(names) == ["2026_11", "2027_01", "2027_02"]
    assert await db.read(partial(get_conversation, id_="waits")) is not None


async def test_a_month_in_which_somebody_is_storing_stays(db: Database, url: URL) -> None:
    """A transaction that began before the month was over, and is not seen yet."""
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(accept, [new("late")])
        await db.write(partial(turn_month, now=NOVEMBER))
        dropping = asyncio.ensure_future(db.write(partial(drop_emptied, now=NOVEMBER)))
        await eventually(lambda: dropping.done() or db.read(lambda reading: reading.scalar(WAITS)))
    with suppress(DBAPIError):  # the lock was not to be had in time
        assert await dropping == []
    assert await db.read(partial(get_conversation, id_="late")) is not None
    await engine.dispose()


async def test_nothing_is_refused_where_nobody_has_made_the_months(db: Database) -> None:
    """All workers are down for a while: what comes goes on in the last month that had begun."""
    await look(db, NOVEMBER)
    await db.write(partial(settled, ids=["late"], now=JANUARY))
    await look(db, JANUARY)
    await db.write(partial(settled, ids=["new"], now=JANUARY))
    await look(db, NOVEMBER)  # a clock that goes back
    await db.write(partial(settled, ids=["newest"], now=JANUARY))

    months = await months_of(db, "late", "new", "newest")
    assert months == [month_of(NOVEMBER), month_of(JANUARY), month_of(JANUARY)]
    assert await db.read(names) == ["2026_11", "2027_01", "2027_02"]


# --- the shape ----------------------------------------------------------------------------------------------

INDEXES = text("""
    SELECT regexp_replace(pg_get_indexdef(indexrelid), '^.* USING ', '') FROM pg_index
    WHERE indrelid = to_regclass(:table) AND (indisprimary OR NOT indisunique OR :table NOT LIKE 'conversations_%')
""")
KEYS = text(
    "SELECT contype, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = to_regclass(:table)"
)
STORAGE = text("SELECT reloptions FROM pg_class WHERE oid = to_regclass(:table)")


def shape(connection: Connection, table: str, partition: str) -> set[str]:
    """What a partition has beside its columns."""
    given = {"table": f"{table}_{partition}"}
    keys = {
        definition.replace(f"_{partition}", "")
        for kind, definition in connection.execute(KEYS, given)
        if kind != b"u"
    }
    return keys | {*connection.scalars(INDEXES, given)} | {str(connection.scalar(STORAGE, given))}


async def test_a_month_has_all_that_the_plain_tables_had(db: Database) -> None:
    def check(connection: Connection) -> None:
        for family in FAMILIES:
            for table in family.tables:
                assert shape(connection, table, "2026_12") == shape(connection, table, "before"), table

    await db.read(check)


def test_whatever_refers_to_a_partitioned_table_is_partitioned_with_it() -> None:
    for family in FAMILIES:
        for table in metadata.tables.values():
            referred = {key.column.table.name for key in table.foreign_keys}
            assert not referred & {*family.tables} or table.name in family.tables, table.name


async def test_an_id_leads_to_one_partition(db: Database) -> None:
    await look(db, NOVEMBER)
    await db.write(partial(settled, ids=["one"], now=NOVEMBER))
    found = select(conversations.c.status).where(has_id("one"))

    def read(connection: Connection) -> set[str]:
        sql = found.compile(connection.engine, compile_kwargs={"literal_binds": True})
        plan = connection.exec_driver_sql(f"EXPLAIN ANALYZE {sql}").scalars()
        scans = (line for line in plan if " on conversations_" in line and "never executed" not in line)
        return set(re.findall(r" on (conversations_\d\w+)", " ".join(scans)))

    assert await db.write(read) == {"conversations_2026_11"}
