"""Earlier versions of insights: which are kept, sealed like the insight, and gone with it."""

from collections.abc import Iterator, Sequence
from functools import partial

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, select
from sqlalchemy.engine import URL

import database
from core.crypto import MARK, KeyRing
from database import Database
from models import conversations, insight_versions
from store.conversations.records import delete_conversation
from store.engine import migration
from store.engine.conversion import seal_some
from store.insights import writing
from store.insights.versions import versions_of
from store.insights.writing import Insight
from store.queue.renewal import renew
from tests.support.emptied import Copies
from tests.support.insight_data import NOON, an_analysis, an_insight, store, tried
from tests.support.partitioned import PARTITIONED, partition


def told(connection: Connection, number: int = 1) -> list[tuple[str, int, str]]:
    """Who made the versions, newest first, what score they have, and why."""
    found = versions_of(connection, [number]).get(number, ())
    return [(each.row.analyzer, each.row.score, each.row.reasoning) for each in found]


def analysed(connection: Connection, insights: Sequence[Insight]) -> None:
    """One after the other."""
    store(connection, insights[:1])
    for each in insights[1:]:
        writing.store_insights(connection, [each])


FIRST = an_insight(1, analysis=an_analysis(-100, reasoning="Cross."), analyzer="offline", model="vader")
SECOND = an_insight(
    1, analysis=an_analysis(200, reasoning="Wry."), prompt_version="1-abc", analysed_at=NOON + 9
)
THIRD = an_insight(1, analysis=an_analysis(300), prompt_version="1-def", analysed_at=NOON + 10)


async def test_each_analysis_of_the_same_text_is_kept(db: Database) -> None:
    def check(connection: Connection) -> None:
        analysed(connection, [FIRST, SECOND, THIRD])
        assert told(connection) == [("grok", 200, "Wry."), ("offline", -100, "Cross.")]
        newest, oldest = versions_of(connection, [1])[1]
        assert (oldest.row.made_at, oldest.row.replaced_at, oldest.clusters) == (
            NOON + 1,
            NOON + 9,
            ["delay"],
        )
        assert (newest.row.prompt_version, newest.row.origin, newest.row.made_by) == (
            "1-abc",
            "analysis",
            None,
        )

    await tried(db, check)


async def test_the_insight_of_a_shorter_chat_is_not_kept(db: Database) -> None:
    def check(connection: Connection) -> None:
        analysed(connection, [FIRST, SECOND, THIRD._replace(revision=2)])
        assert told(connection) == [("offline", -100, "Cross.")]

    await tried(db, check)


async def test_versions_go_with_the_conversation_and_when_somebody_is_erased(db: Database) -> None:
    def check(connection: Connection) -> None:
        analysed(connection, [FIRST, SECOND])
        analysed(connection, [FIRST._replace(conversation=2), SECOND._replace(conversation=2)])
        delete_conversation(connection, "conv_1")
        assert [*connection.scalars(select(insight_versions.c.conversation))] == [2]
        row = connection.execute(select(conversations)).one()
        renew(connection, row, now=NOON, due=NOON)
        assert [*connection.scalars(select(insight_versions.c.conversation))] == []

    await tried(db, check)


def ring(*letters: str) -> KeyRing:
    return KeyRing([letter.encode() * 32 for letter in letters])


async def test_versions_are_sealed_and_turned_over_to_a_new_key(database_url: URL) -> None:
    stored = select(insight_versions.c.reasoning)
    async with database.opened(database_url, ring=ring("a")) as db:
        await db.write(partial(analysed, insights=[FIRST, SECOND]))
        assert str(await db.read(lambda connection: connection.scalar(stored))).startswith(MARK)

    async with database.opened(database_url, ring=ring("b", "a")) as db:
        before = await db.read(lambda connection: connection.scalar(stored))
        await db.write(partial(seal_some, table=insight_versions, after=None, limit=9))
        assert await db.read(lambda connection: connection.scalar(stored)) != before
        assert await db.read(told) == [("offline", -100, "Cross.")]


@pytest.fixture
def url(copies: Copies) -> Iterator[URL]:
    with copies.lent() as lent:
        yield lent


@pytest.mark.skipif(PARTITIONED, reason="makes partitions itself")
async def test_a_partitioned_database_of_before_gets_partitioned_versions(url: URL) -> None:
    def again(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(migration.MIGRATIONS))
        config.attributes["connection"] = connection
        command.downgrade(config, "0031")
        migration.migrate(connection)

    await partition(url, splits=(5,))
    async with database.opened(url) as db:
        await db.write(again)
        for number in (1, 7):
            both = [each._replace(conversation=number) for each in (FIRST, SECOND)]
            await db.write(partial(analysed, insights=both))
            assert await db.read(partial(told, number=number)) == [("offline", -100, "Cross.")]
