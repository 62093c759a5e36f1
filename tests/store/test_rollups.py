"""Roll-ups against a plain recount, and against each other's locks."""

import asyncio
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import create_async_engine

from database import Database
from domain.topics import BUILT_IN
from store.insights import writing
from store.insights.writing import Insight
from tests.support.insight_data import (
    AN_HOUR,
    NOON,
    SLUGS,
    an_analysis,
    an_insight,
    analyses,
    store_conversation,
    store_conversations,
    thorough,
    timestamps,
    tried,
)
from tests.support.recount import assert_counted

CONVERSATIONS = 8
WRITERS, SIZE = 4, 60


numbers = st.integers(1, CONVERSATIONS)
puts = st.tuples(st.just("put"), st.lists(st.tuples(numbers, analyses), max_size=6))
removals = st.tuples(st.just("remove"), st.lists(numbers, max_size=3, unique=True))
slugs = st.lists(st.sampled_from((*SLUGS, "lost_luggage")), max_size=4, unique=True)
renames = st.tuples(st.just("refile"), st.dictionaries(numbers, slugs, max_size=4))
skips = st.tuples(st.just("skip"), st.lists(timestamps(), max_size=3))
unskips = st.tuples(st.just("unskip"), st.integers(0, 3))


def refiled(insight: Insight, names: list[str]) -> Insight:
    return insight._replace(analysis=insight.analysis._replace(clusters=tuple(names)))


@thorough
@given(
    said_at=st.lists(timestamps(), min_size=CONVERSATIONS, max_size=CONVERSATIONS),
    steps=st.lists(st.one_of(puts, removals, renames, skips, unskips), max_size=8),
)
async def test_counts_equal_a_recount_whatever_was_put_again_filed_anew_and_removed(
    db: Database, said_at: list[int], steps: list[tuple[str, Any]]
) -> None:
    def play(connection: Connection) -> None:
        filed: dict[int, Insight] = {}
        skipped: list[int] = []
        for number, at in enumerate(said_at, 1):
            store_conversation(connection, number, at)
        for what, these in steps:
            match what:
                case "put":
                    new = [an_insight(number, said_at[number - 1], analysis) for number, analysis in these]
                    writing.store_insights(connection, new)
                    filed |= {each.conversation: each for each in new}
                case "remove":
                    writing.delete_insights(connection, these)
                    filed = {number: each for number, each in filed.items() if number not in these}
                case "refile":
                    writing.refile(connection, these, at=NOON)
                    filed |= {each: refiled(filed[each], these[each]) for each in filed.keys() & these.keys()}
                case "skip":
                    writing.adjust_skipped(connection, these, 1)
                    skipped += these
                case _:
                    writing.adjust_skipped(connection, skipped[:these], -1)
                    skipped = skipped[these:]
        assert_counted(connection, filed.values(), skipped)

    await tried(db, play)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_racing_writers_neither_deadlock_nor_miscount(database_url: URL) -> None:
    """With `sorted` taken out of the upserts, or out of the new topics, PostgreSQL reports deadlocks here."""
    dice = random.Random(7)  # noqa: S311  nothing is kept secret with it

    def batch(number: int) -> list[Insight]:
        """Of the same six hours as all others; every second round brings new topics, the others none."""
        turn = number // WRITERS
        slugs = [f"topic_{turn}_{each}" for each in range(300)] if turn % 2 else list(BUILT_IN)
        return [
            an_insight(
                each,
                NOON - dice.randrange(6) * AN_HOUR,
                an_analysis(dice.randrange(-10_000, 10_001), dice.randrange(4), dice.sample(slugs, 4)),
            )
            for each in range(1 + SIZE * number, 1 + SIZE * (number + 1))
        ]

    work = [batch(number) for number in range(WRITERS * 10)]
    filed = [insight for some in work for insight in some]
    engine = create_async_engine(database_url, pool_size=WRITERS)
    together = asyncio.Barrier(WRITERS)

    async def write(mine: list[list[Insight]]) -> None:
        for each in mine:
            async with engine.begin() as connection:
                await together.wait()
                await connection.run_sync(writing.store_insights, each)

    try:
        async with engine.begin() as connection:
            await connection.run_sync(store_conversations, filed)
        async with asyncio.TaskGroup() as writers:
            for writer in range(WRITERS):
                writers.create_task(write(work[writer::WRITERS]))
        async with engine.begin() as connection:
            await connection.run_sync(assert_counted, filed, ())
    finally:
        await engine.dispose()
