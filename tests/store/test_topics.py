"""Topics: stored from a list, found by whatever name, listed, and told to analyzers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import Connection, insert, select, update
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from database import Database
from domain.topics import label_of
from models import topic_names, topics
from services.topics import FollowedTopics, followed
from store.insights import names
from store.insights.topic_names import names_near
from store.topics import catalogue
from store.topics.catalogue import Topic
from store.topics.seeding import seed
from tests.support.insight_data import NOON, an_analysis, an_insight, store, tried

LISTED = {"late": "not in time", "bill": "what was charged"}


def by_slug(connection: Connection) -> dict[str, Topic]:
    return {topic.slug: topic for topic in catalogue.page(connection, limit=1_000)}


def change(connection: Connection, slug: str, **values: object) -> None:
    connection.execute(update(topics).where(topics.c.slug == slug).values(edited=True, **values))


async def test_a_list_becomes_topics_that_analyzers_are_told(db: Database) -> None:
    def play(connection: Connection) -> None:
        assert seed(connection, LISTED, now=NOON) == []
        found = by_slug(connection)
        assert [(t.slug, t.description, t.origin, t.state, t.created_at) for t in found.values()] == [
            ("bill", "what was charged", "built_in", "active", NOON),
            ("late", "not in time", "built_in", "active", NOON),
        ]
        assert list(catalogue.told_topics(connection).items()) == list(LISTED.items())
        assert catalogue.changes(connection) == 1
        seed(connection, LISTED, now=NOON + 1)
        assert (by_slug(connection), catalogue.changes(connection)) == (found, 1)

    await tried(db, play)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_start_that_changes_nothing_waits_for_nobody_who_files(
    db: Database, database_url: URL
) -> None:
    def again(connection: Connection) -> None:
        assert seed(connection, LISTED, now=NOON) == []

    await db.write(again)
    async with filing(database_url):
        await db.write(again)
        with pytest.raises(DBAPIError):
            await db.write(lambda connection: seed(connection, LISTED | {"new": "another"}, now=NOON))


@asynccontextmanager
async def filing(database: URL) -> AsyncIterator[None]:
    """Another process is in the middle of a transaction that files insights."""
    engine = create_async_engine(database, poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.run_sync(names.hold)
        yield
    await engine.dispose()


async def test_a_topic_that_is_listed_no_longer_is_hidden_until_it_is_again(db: Database) -> None:
    def play(connection: Connection) -> None:
        seed(connection, LISTED, now=NOON)
        assert seed(connection, {"late": "after the time said"}, now=NOON) == ["bill"]
        assert dict(catalogue.told_topics(connection)) == {"late": "after the time said"}
        assert by_slug(connection)["bill"].state == "hidden"
        seed(connection, LISTED, now=NOON)
        assert dict(catalogue.told_topics(connection)) == LISTED
        assert catalogue.changes(connection) == 3

    await tried(db, play)


async def test_what_a_person_has_changed_stays_whatever_the_list_says(db: Database) -> None:
    def play(connection: Connection) -> None:
        seed(connection, LISTED, now=NOON)
        change(connection, "late", state="hidden")
        change(connection, "bill", description="invoices")
        assert seed(connection, {"late": "x"}, now=NOON) == []
        assert dict(catalogue.told_topics(connection)) == {"bill": "invoices"}

    await tried(db, play)


async def test_what_an_analyzer_proposed_is_told_once_it_is_listed_or_described(db: Database) -> None:
    def play(connection: Connection) -> None:
        store(connection, [an_insight(1, analysis=an_analysis(clusters=("late", "app", "web")))])
        seed(connection, LISTED, now=NOON)
        assert {slug: topic.origin for slug, topic in by_slug(connection).items()} == {
            "app": "proposed",
            "bill": "built_in",
            "late": "built_in",
            "web": "proposed",
        }
        change(connection, "app", description="the app")
        assert {*catalogue.told_topics(connection)} == {"app", "late", "bill"}

    await tried(db, play)


async def test_a_topic_is_found_by_id_slug_alias_and_label(db: Database) -> None:
    def play(connection: Connection) -> None:
        seed(connection, LISTED, now=NOON)
        number = by_slug(connection)["late"].number
        connection.execute(insert(topic_names).values(name="delay", topic=number, is_filed=False))
        change(connection, "late", label="Späte Lieferung!", label_slug="späte_lieferung")
        names = (f"top_{number}", "late", "LATE", "delay", "Späte lieferung")
        assert [catalogue.number_of(connection, name) for name in names] == [number] * len(names)
        assert [catalogue.number_of(connection, name) for name in ("top_999", "lately", "top_0", "!")] == [
            None
        ] * 4
        assert by_slug(connection)["late"].aliases == ["delay"]
        assert names_near(connection, "dela") == ["delay"]
        assert names_near(connection, "delay") is None

    await tried(db, play)


async def test_topics_are_listed_a_page_at_a_time(db: Database) -> None:
    def play(connection: Connection) -> None:
        seed(connection, dict.fromkeys(("c", "a", "über", "b"), ""), now=NOON)
        change(connection, "b", state="hidden")
        assert [topic.slug for topic in catalogue.page(connection, limit=2, after="a")] == ["b", "c"]
        assert [topic.slug for topic in catalogue.page(connection, limit=9, state="active")] == [
            "a",
            "c",
            "über",
        ]

    await tried(db, play)


async def test_every_process_hears_of_a_change(db: Database) -> None:
    mine, theirs = await followed(db, LISTED, lambda: NOON), FollowedTopics(db)
    await theirs.refresh()
    assert dict(theirs.told) == dict(mine.told) == LISTED

    def hide(connection: Connection) -> None:
        change(connection, "late", state="hidden")
        catalogue.note_change(connection)

    await db.write(hide)
    await theirs.refresh()
    assert (dict(theirs.told), dict(mine.told)) == ({"bill": "what was charged"}, LISTED)


async def test_an_insight_makes_the_name_it_is_filed_under_one_that_is_used(db: Database) -> None:
    def play(connection: Connection) -> None:
        seed(connection, LISTED, now=NOON)
        store(connection, [an_insight(1, analysis=an_analysis(clusters=("late",)))])
        used = connection.execute(select(topic_names.c.name).where(topic_names.c.is_filed)).scalars()
        assert list(used) == ["late"]

    await tried(db, play)


def test_a_label_is_made_of_a_slug() -> None:
    assert label_of("late_delivery") == "Late delivery"
