"""Insights as they are written: replaced, deleted, and found again by their text."""

from typing import Any

from sqlalchemy import Connection, Row, func, select

import models
from database import Database
from models import insight_topics, topics
from store.insights import names, writing
from store.insights.cached_answers import CachedAnswer, cached_answers
from store.insights.windows import Selection
from store.insights.writing import Insight
from tests.support.in_memory import in_memory, steps
from tests.support.insight_data import (
    AN_HOUR,
    NOON,
    UNSURE_ANALYSIS,
    an_analysis,
    an_insight,
    store_conversation,
    total_of,
    tried,
)

KEY, OTHER = b"k" * 32, b"o" * 32
EVER = Selection(0, 2 * NOON)


def the_row(connection: Connection, number: int = 1) -> Row[Any] | None:
    statement = select(models.insights).where(models.insights.c.conversation == number)
    return connection.execute(statement).one_or_none()


def put(connection: Connection, *new: Insight) -> None:
    known = set(connection.scalars(select(models.conversations.c.number)))
    for number in sorted({each.conversation for each in new} - known):
        store_conversation(connection, number)
    writing.store_insights(connection, new)


async def test_an_insight_is_stored_as_it_was_given(db: Database) -> None:
    given = an_insight(
        1,
        analysis=an_analysis(2_001, 7, ("delay", "über_uns"), "It says „hallo“."),
        revision=3,
        author="customer123",
        analyzer="offline",
        model="vader",
        cached=True,
        partial=True,
        analysed_at=NOON + 5,
        call=9,
        cache_key=KEY,
    )

    def check(connection: Connection) -> None:
        put(connection, given)
        row = the_row(connection)

        assert row is not None
        assert (row.score, row.sentiment, row.confidence) == (2_001, 1, 7)
        assert writing.parse_clusters(row.clusters) == ("delay", "über_uns")
        for name in ("timestamp", "author", "revision", "analyzer", "model", "cached", "partial"):
            assert getattr(row, name) == getattr(given, name)
        assert (row.analysed_at, row.call, row.cache_key) == (NOON + 5, 9, KEY)
        assert (row.reasoning, row.raw) == ("It says „hallo“.", "{}")

    await tried(db, check)


async def test_a_second_insight_takes_the_place_of_the_first(db: Database) -> None:
    def check(connection: Connection) -> None:
        put(connection, an_insight(1, analysis=an_analysis(-6_500, 90, ("delay", "refund"))))
        put(connection, an_insight(1, analysis=an_analysis(9_000, 80, ("praise",)), revision=2))
        row = the_row(connection)

        assert row is not None
        assert (row.revision, row.score) == (2, 9_000)
        assert total_of(connection, EVER) == 1
        assert total_of(connection, Selection(0, 2 * NOON, cluster="delay")) == 0
        assert total_of(connection, Selection(0, 2 * NOON, cluster="praise")) == 1
        assert connection.scalar(select(func.count()).select_from(insight_topics)) == 1

    await tried(db, check)


async def test_of_two_insights_in_one_batch_the_last_counts(db: Database) -> None:
    def check(connection: Connection) -> None:
        put(
            connection,
            an_insight(1, analysis=an_analysis(-6_500)),
            an_insight(1, analysis=an_analysis(9_000)),
        )
        row = the_row(connection)

        assert row is not None
        assert row.score == 9_000
        assert total_of(connection, EVER) == 1

    await tried(db, check)


async def test_nothing_to_store_or_delete_is_no_statement(db: Database) -> None:
    def check(connection: Connection) -> None:
        writing.store_insights(connection, [])
        writing.delete_insights(connection, [])
        writing.delete_insights(connection, [404])
        writing.adjust_skipped(connection, [], 1)

        assert cached_answers(connection, []) == {}
        assert total_of(connection, EVER) == 0

    await tried(db, check)


async def test_a_deleted_insight_leaves_its_neighbours(db: Database) -> None:
    def check(connection: Connection) -> None:
        put(connection, an_insight(1), an_insight(2), an_insight(3, NOON + AN_HOUR))
        writing.delete_insights(connection, [1, 3])

        assert the_row(connection, 1) is None
        assert the_row(connection, 2) is not None
        assert total_of(connection, EVER) == 1
        assert list(connection.scalars(select(insight_topics.c.conversation))) == [2]

    await tried(db, check)


async def test_a_topic_keeps_its_number(db: Database) -> None:
    def check(connection: Connection) -> None:
        put(connection, an_insight(1, analysis=an_analysis(clusters=("delay", "refund"))))
        before = names.topic_numbers(connection, ["delay", "refund", "never_seen"])
        put(connection, an_insight(2, analysis=an_analysis(clusters=("praise", "delay"))))

        assert names.topic_numbers(connection, ["delay", "refund"]) == before
        assert connection.scalar(select(func.count()).select_from(topics)) == 3

    await tried(db, check)


async def test_a_text_that_was_analysed_is_known_by_its_key(db: Database) -> None:
    def check(connection: Connection) -> None:
        first, second = an_analysis(-100), an_analysis(-200, clusters=("refund", "delay"))
        put(
            connection,
            an_insight(1, analysis=second, cache_key=KEY, analysed_at=NOON + 2, partial=True),
            an_insight(2, analysis=first, cache_key=KEY, analysed_at=NOON + 1),
            an_insight(3, analysis=UNSURE_ANALYSIS, cache_key=OTHER, analyzer="offline", model="vader"),
            an_insight(4, analysis=first),
        )
        known = cached_answers(connection, {KEY, OTHER, b"?" * 32})

        assert known == {
            KEY: CachedAnswer(second, "grok", "grok-4.3", partial=True),
            OTHER: CachedAnswer(UNSURE_ANALYSIS, "offline", "vader", partial=False),
        }

    await tried(db, check)


async def test_a_text_is_forgotten_with_the_last_insight_of_it(db: Database) -> None:
    def check(connection: Connection) -> None:
        put(connection, an_insight(1, cache_key=KEY), an_insight(2, cache_key=KEY, cached=True))
        writing.delete_insights(connection, [1])
        assert KEY in cached_answers(connection, [KEY])
        writing.delete_insights(connection, [2])
        assert cached_answers(connection, [KEY]) == {}

    await tried(db, check)


async def test_any_number_of_texts_can_be_looked_up(db: Database) -> None:
    def check(connection: Connection) -> None:
        keys = [number.to_bytes(32) for number in range(1, 151)]
        put(connection, *(an_insight(number, cache_key=key) for number, key in enumerate(keys, 1)))
        assert cached_answers(connection, keys).keys() == set(keys)

    await tried(db, check)


def test_a_common_text_is_looked_up_without_reading_every_insight_of_it() -> None:
    """Reading the entries of one key takes over 10,000 instructions."""
    common = [an_insight(number, cache_key=KEY, analysed_at=number) for number in range(1, 3_001)]

    with in_memory() as connection:
        put(connection, *common)
        known, taken = steps(connection, lambda: cached_answers(connection, [KEY]))

    assert known.keys() == {KEY}
    assert taken < 4_000
