"""Totals and pages of windows, against plain counting and sorting."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine

import models
from database import Database
from store import windows
from store.insights import Insight
from store.windows import Position, Selection
from tests.insight_data import (
    A_DAY,
    AN_HOUR,
    NOON,
    SLUGS,
    an_analysis,
    an_insight,
    analyses,
    store,
    store_skipped,
    thorough,
    timestamps,
    tried,
)

AUTHORS = ("ann", "bob", None)

filed = st.lists(st.tuples(timestamps(), analyses, st.sampled_from(AUTHORS)), max_size=25).map(
    lambda given: [
        an_insight(number, at, analysis, author=author)
        for number, (at, analysis, author) in enumerate(given, 1)
    ]
)
selections = st.builds(
    Selection,
    start=timestamps(75),
    end=timestamps(75),
    sentiment=st.sampled_from([None, 1, 0, -1]),
    min_confidence=st.one_of(st.sampled_from([0, 7, 55, 100]), st.integers(0, 100)),
    cluster=st.one_of(st.none(), st.sampled_from((*SLUGS, "never_seen"))),
    author=st.one_of(st.none(), st.none(), st.sampled_from(("ann", "bob", "nobody"))),
)


def matches(each: Insight, chosen: Selection) -> bool:
    return (
        chosen.start <= each.timestamp < chosen.end
        and chosen.sentiment in (None, each.analysis.sentiment)
        and each.analysis.confidence >= chosen.min_confidence
        and (chosen.cluster is None or chosen.cluster in each.analysis.clusters)
        and chosen.author in (None, each.author)
    )


def expected(stored: Sequence[Insight], chosen: Selection) -> list[Position]:
    found = [(each.timestamp, each.conversation) for each in stored if matches(each, chosen)]
    return sorted(found, reverse=True)


def pages(connection: Connection, chosen: Selection, limit: int) -> list[Position]:
    """Every page's positions, read until one comes back short."""
    found: list[Position] = []
    while True:
        page = windows.positions(connection, chosen, limit=limit, before=found[-1] if found else None)
        found += page
        if len(page) < limit:
            return found


@thorough
@given(stored=filed, asked=st.lists(selections, min_size=1, max_size=6))
async def test_a_total_equals_a_plain_count(
    db: Database, stored: list[Insight], asked: list[Selection]
) -> None:
    def check(connection: Connection) -> None:
        store(connection, stored)
        for chosen in asked:
            assert windows.total(connection, chosen) == len(expected(stored, chosen))

    await tried(db, check)


# Three a day that nothing selective matches, so that what matches has to be found through the roll-ups.
NOISE = [
    an_insight(1_000 + each, NOON - each * 8 * AN_HOUR, an_analysis(0, 0, SLUGS), author="noise")
    for each in range(210)
]


@pytest.fixture
async def noisy(db: Database) -> Database:
    await db.write(lambda connection: store(connection, NOISE))
    return db


@settings(thorough, max_examples=40)
@given(stored=filed, asked=st.lists(selections, min_size=1, max_size=3), limit=st.integers(1, 3))
async def test_pages_of_any_size_hold_the_whole_window_once(
    noisy: Database, stored: list[Insight], asked: list[Selection], limit: int
) -> None:
    def check(connection: Connection) -> None:
        store(connection, stored)
        for chosen in asked:
            selective = chosen.sentiment is not None or chosen.min_confidence > 0
            size = limit if selective else 25 * limit
            assert pages(connection, chosen, size) == expected([*stored, *NOISE], chosen)

    await tried(noisy, check)


@pytest.fixture
def in_memory() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        models.metadata.create_all(connection)
        yield connection
    engine.dispose()


def steps(connection: Connection, read: Callable[[], object]) -> int:
    """How many instructions of SQLite's virtual machine that takes, to the nearest hundred."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    ticks: list[int] = []
    driver.set_progress_handler(lambda: ticks.append(100), 100)
    read()
    driver.set_progress_handler(None, 0)
    return sum(ticks)


@pytest.mark.parametrize("cluster", [None, "delay"])
def test_a_rare_match_far_back_is_not_walked_to(in_memory: Connection, cluster: str | None) -> None:
    """Walking there takes over 60,000 instructions."""
    near = [an_insight(number, NOON - number * AN_HOUR // 6, an_analysis(0)) for number in range(1, 5_001)]
    far = an_insight(6_000, NOON - 60 * A_DAY)
    store(in_memory, [*near, far])
    chosen = Selection(NOON - 70 * A_DAY, NOON, sentiment=-1, cluster=cluster)

    found: list[Position] = []
    taken = steps(in_memory, lambda: found.extend(windows.positions(in_memory, chosen, limit=10)))

    assert found == [(far.timestamp, far.conversation)]
    assert taken < 20_000


def test_a_total_reads_buckets_and_not_rows(in_memory: Connection) -> None:
    """Counting the rows takes over 20,000 instructions."""
    stored = [an_insight(number, NOON - number * AN_HOUR // 6) for number in range(1, 5_001)]
    store(in_memory, stored)
    chosen = Selection(NOON - 70 * A_DAY, NOON, min_confidence=50)

    totals: list[int] = []
    taken = steps(in_memory, lambda: totals.append(windows.total(in_memory, chosen)))

    assert totals == [5_000]
    assert taken < 3_000


@thorough
@given(
    stored=filed,
    skips=st.lists(timestamps(), max_size=8),
    window=st.tuples(timestamps(75), timestamps(75)),
)
async def test_skipped_conversations_are_counted_apart(
    db: Database, stored: list[Insight], skips: list[int], window: tuple[int, int]
) -> None:
    start, end = window

    def check(connection: Connection) -> None:
        store(connection, stored)
        store_skipped(connection, skips)

        assert windows.skipped(connection, start, end) == sum(start <= at < end for at in skips)
        assert windows.totals_ever(connection) == (len(stored), len(skips))

    await tried(db, check)
