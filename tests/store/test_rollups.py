"""Roll-ups against a plain recount, and against each other's locks."""

import asyncio
import json
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import create_async_engine

from database import Database
from domain.analysis import Analysis
from domain.topics import BUILT_IN
from store.insights import writing
from store.insights.versions import InsightVersion, versions_of
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
revisions, prompts = st.sampled_from((1, 1, 2)), st.sampled_from(("", "1", "2"))
puts = st.tuples(st.just("put"), st.lists(st.tuples(numbers, analyses, revisions, prompts), max_size=6))
removals = st.tuples(st.just("remove"), st.lists(numbers, max_size=3, unique=True))
slugs = st.lists(st.sampled_from((*SLUGS, "lost_luggage")), max_size=4, unique=True)
renames = st.tuples(st.just("refile"), st.dictionaries(numbers, slugs, max_size=4))
skips = st.tuples(st.just("skip"), st.lists(timestamps(), max_size=3))
unskips = st.tuples(st.just("unskip"), st.integers(0, 3))


@dataclass
class Expected:
    """Takes the steps of a test in the database, and knows what has to be counted afterwards."""

    connection: Connection
    said_at: list[int]
    filed: dict[int, Insight] = field(default_factory=dict)
    skipped: list[int] = field(default_factory=list)
    versions: defaultdict[int, list[Insight]] = field(default_factory=partial(defaultdict, list))
    """The earlier insights of the same text, oldest first."""

    def put(self, these: list[tuple[int, Analysis, int, str]]) -> None:
        new = [
            an_insight(number, self.said_at[number - 1], analysis, revision=revision, prompt_version=prompt)
            for number, analysis, revision, prompt in these
        ]
        writing.store_insights(self.connection, new)
        newest = {each.conversation: each for each in new}
        for number, each in newest.items():
            if number in self.filed and self.filed[number].revision == each.revision:
                self.versions[number].append(self.filed[number])
        self.filed |= newest

    def remove(self, these: list[int]) -> None:
        writing.delete_insights(self.connection, these)
        self.filed = {number: each for number, each in self.filed.items() if number not in these}
        for number in these:
            self.versions.pop(number, None)

    def refile(self, these: dict[int, list[str]]) -> None:
        writing.refile(self.connection, these, at=NOON)
        for number in self.filed.keys() & these.keys():
            analysis = self.filed[number].analysis._replace(clusters=tuple(these[number]))
            self.filed[number] = self.filed[number]._replace(analysis=analysis)

    def skip(self, these: list[int]) -> None:
        writing.adjust_skipped(self.connection, these, 1)
        self.skipped += these

    def unskip(self, count: int) -> None:
        writing.adjust_skipped(self.connection, self.skipped[:count], -1)
        self.skipped = self.skipped[count:]


@thorough
@given(
    said_at=st.lists(timestamps(), min_size=CONVERSATIONS, max_size=CONVERSATIONS),
    steps=st.lists(st.one_of(puts, removals, renames, skips, unskips), max_size=8),
)
async def test_counts_equal_a_recount_whatever_was_put_again_filed_anew_and_removed(
    db: Database, said_at: list[int], steps: list[tuple[str, Any]]
) -> None:
    def play(connection: Connection) -> None:
        expected = Expected(connection, said_at)
        for number, at in enumerate(said_at, 1):
            store_conversation(connection, number, at)
        for what, these in steps:
            getattr(expected, what)(these)
        assert_counted(connection, expected.filed.values(), expected.skipped)
        assert {
            number: [(*told(each), each.row.replaced_at) for each in found]
            for number, found in versions_of(connection, range(1, CONVERSATIONS + 1)).items()
        } == {
            number: [*newest_first(said_at[number - 1], each)] for number, each in expected.versions.items()
        }

    await tried(db, play)


def told(version: InsightVersion) -> tuple[Any, ...]:
    row = version.row
    parts = row.revision, row.prompt_version, row.score, row.confidence, row.reasoning, row.made_at
    fields = None if row.fields is None else json.loads(row.fields)
    return (*parts, row.clusters, row.fields_version, fields)


def newest_first(said_at: int, earlier: list[Insight]) -> Iterator[tuple[Any, ...]]:
    for each in reversed(earlier):
        a = each.analysis
        parts = each.revision, each.prompt_version, a.score, a.confidence, a.reasoning, each.analysed_at
        fields = (None, None) if a.fields is None else (a.fields.version, a.fields.values)
        yield (*parts, json.dumps(a.clusters, ensure_ascii=False), *fields, said_at + 1)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_racing_writers_neither_deadlock_nor_miscount(server_url: URL) -> None:
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
    engine = create_async_engine(server_url, pool_size=WRITERS)
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
