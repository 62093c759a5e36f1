"""Totals and pages of windows, against plain counting and sorting."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from database import Database
from store.insights import listing, pages, windows
from store.insights.pages import Effort
from store.insights.windows import Position, Selection
from store.insights.writing import Insight
from tests.support.in_memory import in_memory, steps
from tests.support.insight_data import (
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
    total_of,
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
    sentiment=st.sampled_from([None, 1, 0, -1, 2]),
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


def page(connection: Connection, chosen: Selection, **how: Any) -> list[Position]:
    """The positions of one page."""
    topic = windows.topic_number(connection, chosen.cluster)
    return [] if topic is None else pages.find_positions(connection, chosen, topic, **how)


def listed(connection: Connection, chosen: Selection, limit: int, effort: Effort) -> list[Position]:
    """Every page's positions, read until one comes back short."""
    found: list[Position] = []
    while True:
        after = found[-1] if found else None
        some = page(connection, chosen, limit=limit, after=after, effort=effort)
        found += some
        if len(some) < limit:
            return found


@thorough
@given(stored=filed, asked=st.lists(selections, min_size=1, max_size=6))
async def test_a_total_equals_a_plain_count(
    db: Database, stored: list[Insight], asked: list[Selection]
) -> None:
    def check(connection: Connection) -> None:
        store(connection, stored)
        for chosen in asked:
            assert total_of(connection, chosen) == len(expected(stored, chosen))

    await tried(db, check)


# Two kinds alone, so that many match and many do not.
KINDS = (an_analysis(9_000, 90), an_analysis(-9_000, 10))
two_kinds = st.lists(st.tuples(timestamps(), st.sampled_from(KINDS)), min_size=15, max_size=40).map(
    lambda given: [an_insight(number, at, analysis) for number, (at, analysis) in enumerate(given, 1)]
)
one_kind = st.builds(
    Selection,
    start=st.just(NOON - 75 * A_DAY),
    end=timestamps(75),
    sentiment=st.sampled_from([1, -1]),
    min_confidence=st.sampled_from([0, 10]),
    cluster=st.sampled_from([None, "delay"]),
)


@thorough
@given(stored=filed, chosen=selections, limit=st.integers(1, 4), walked=st.sampled_from([0, 1, 50]))
async def test_pages_of_any_size_hold_the_whole_window_once(
    db: Database, stored: list[Insight], chosen: Selection, limit: int, walked: int
) -> None:
    def check(connection: Connection) -> None:
        store(connection, stored)
        assert listed(connection, chosen, limit, Effort(walked)) == expected(stored, chosen)

    await tried(db, check)


@thorough
@given(stored=two_kinds, chosen=one_kind, limit=st.integers(1, 4), worth=st.sampled_from([0, 1, 4_000]))
async def test_pages_found_by_the_roll_ups_are_the_same(
    db: Database, stored: list[Insight], chosen: Selection, limit: int, worth: int
) -> None:
    def check(connection: Connection) -> None:
        store(connection, stored)
        assert listed(connection, chosen, limit, Effort(0, worth)) == expected(stored, chosen)

    await tried(db, check)


@pytest.mark.parametrize("effort", [Effort(), Effort(0, 0)])
@pytest.mark.parametrize(
    "given", [{}, {"sentiment": -1}, {"min_confidence": 9}, {"cluster": "delay"}, {"author": "ann"}]
)
async def test_the_start_is_in_the_window_and_the_end_is_not(
    db: Database, given: dict[str, Any], effort: Effort
) -> None:
    def check(connection: Connection) -> None:
        store(connection, [an_insight(1 + at, NOON + at, author="ann") for at in range(4)])
        chosen = Selection(NOON + 1, NOON + 3, **given)

        assert total_of(connection, chosen) == 2
        assert listed(connection, chosen, 1, effort) == [(NOON + 2, 3), (NOON + 1, 2)]

    await tried(db, check)


@pytest.mark.parametrize("cluster", [None, "delay"])
def test_a_rare_match_far_back_is_not_walked_to(cluster: str | None) -> None:
    """Walking there takes over 60,000 instructions."""
    near = [an_insight(number, NOON - number * AN_HOUR // 6, an_analysis(0)) for number in range(1, 5_001)]
    far = an_insight(6_000, NOON - 60 * A_DAY)
    chosen = Selection(NOON - 70 * A_DAY, NOON, sentiment=-1, cluster=cluster)

    with in_memory() as connection:
        store(connection, [*near, far])
        found, taken = steps(connection, lambda: page(connection, chosen, limit=10))

    assert found == [(far.timestamp, far.conversation)]
    assert taken < 20_000


@pytest.mark.parametrize("cluster", [None, "delay"])
def test_matches_far_apart_are_visited_without_what_lies_between(cluster: str | None) -> None:
    """Walking from the first to the last takes over 20,000 instructions."""
    others = [an_insight(number, NOON - number * AN_HOUR // 6, an_analysis(0)) for number in range(1, 5_001)]
    apart = [an_insight(6_000 + day, NOON - day * A_DAY - AN_HOUR) for day in (0, 10, 20, 30)]
    chosen = Selection(NOON - 70 * A_DAY, NOON, sentiment=-1, cluster=cluster)

    with in_memory() as connection:
        store(connection, [*others, *apart])
        found, taken = steps(connection, lambda: page(connection, chosen, limit=10))

    assert found == [(each.timestamp, each.conversation) for each in apart]
    assert taken < 15_000


def test_where_nothing_matches_no_page_is_looked_for() -> None:
    stored = [an_insight(number, NOON - number * AN_HOUR) for number in range(1, 301)]
    chosen = Selection(NOON - 20 * A_DAY, NOON, sentiment=1)

    with in_memory() as connection:
        store(connection, stored)
        found, taken = steps(connection, lambda: listing.list_with_totals(connection, chosen, limit=10))

    assert (found.total, len(found.page.insights)) == (0, 0)
    assert taken < 350


def test_a_total_reads_buckets_and_not_rows() -> None:
    """Counting the rows takes over 20,000 instructions."""
    stored = [an_insight(number, NOON - number * AN_HOUR // 6) for number in range(1, 5_001)]
    chosen = Selection(NOON - 70 * A_DAY, NOON, min_confidence=50)

    with in_memory() as connection:
        store(connection, stored)
        total, taken = steps(connection, lambda: total_of(connection, chosen))

    assert total == 5_000
    assert taken < 3_000


def test_a_total_by_confidence_reads_only_what_matches_of_a_bucket() -> None:
    """Reading all of each day takes over 9,000 instructions."""
    stored = [
        an_insight(number, NOON - number * AN_HOUR // 6, an_analysis(-6_500, number % 101))
        for number in range(1, 5_001)
    ]
    chosen = Selection(NOON - 12 * A_DAY, NOON, sentiment=-1, min_confidence=99)

    with in_memory() as connection:
        store(connection, stored)
        total, taken = steps(connection, lambda: total_of(connection, chosen))

    assert total == sum(number % 101 >= 99 for number in range(1, 1_729))
    assert taken < 4_000


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

        assert windows.count_skipped(connection, start, end) == sum(start <= at < end for at in skips)
        assert windows.count_all_time(connection) == (len(stored), len(skips))

    await tried(db, check)
