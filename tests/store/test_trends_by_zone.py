"""Trends by the clocks of a time zone and narrowed by confidence and analyzer, against plain counting."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from core.clock import EPOCH, MICROSECOND, parse
from database import Database
from domain.local_time import Interval, LocalTime
from store.insights.rollups import SENTIMENTS
from store.insights.trends import Calendar, trends
from store.insights.writing import Insight
from tests.support.insight_data import (
    A_DAY,
    AN_HOUR,
    NOON,
    SLUGS,
    an_analysis,
    an_insight,
    analyses,
    store,
    thorough,
    timestamps,
    tried,
)

ZONES = ("UTC", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "America/New_York")
calendars = st.builds(
    Calendar, st.sampled_from(ZONES).map(ZoneInfo), st.one_of(st.none(), st.sampled_from(list(Interval)))
)
filed = st.lists(st.tuples(timestamps(40), analyses, st.sampled_from(["grok", "offline"])), max_size=25).map(
    lambda given: [
        an_insight(number, at, analysis, analyzer=analyzer)
        for number, (at, analysis, analyzer) in enumerate(given, 1)
    ]
)


def sums_of(stored: Sequence[Insight]) -> tuple[int, ...]:
    found = Counter(each.analysis.sentiment for each in stored)
    return (*(found[sentiment] for sentiment in SENTIMENTS), sum(each.analysis.score for each in stored))


@thorough
@given(
    stored=filed,
    start=timestamps(40),
    length=st.integers(0, 40 * A_DAY),
    calendar=calendars,
    cluster=st.sampled_from([None, *SLUGS, "never_seen"]),
    min_confidence=st.sampled_from([0, 0, 7, 60, 100]),
    analyzer=st.sampled_from([None, None, "grok", "offline", "gemini"]),
)
async def test_trends_by_zone_and_filter_equal_plain_counts(
    db: Database,
    stored: list[Insight],
    start: int,
    length: int,
    calendar: Calendar,
    cluster: str | None,
    min_confidence: int,
    analyzer: str | None,
) -> None:
    end = start + length
    interval = calendar.length(start, end)

    def within(first: int, last: int) -> list[Insight]:
        return [
            each
            for each in stored
            if max(first, start - length) <= each.timestamp < min(last, end)
            and (cluster is None or cluster in each.analysis.clusters)
            and each.analysis.confidence >= min_confidence
            and analyzer in (None, each.analyzer)
        ]

    def check(connection: Connection) -> None:
        store(connection, stored)
        found = trends(
            connection,
            start,
            end,
            cluster=cluster,
            now=NOON,
            calendar=calendar,
            min_confidence=min_confidence,
            analyzer=analyzer,
        )
        borders = LocalTime.around(calendar.zone, start, end).borders(interval, start, end)

        assert sum(found.counts.values()) == len(within(start, end))
        assert tuple(found.previous.values()) == sums_of(within(start - length, start))[:-1]
        assert [point.start for point in found.series] == borders[:-1]
        for point, (first, last) in zip(found.series, pairwise(borders), strict=True):
            sums = (point.negative, point.neutral, point.positive, point.unsure, point.score_sum)
            assert sums == sums_of(within(max(first, start), last))
            shown = (EPOCH + first * MICROSECOND).astimezone(calendar.zone)
            assert point.offset == shown.utcoffset() // MICROSECOND  # type: ignore[operator]
            assert point.partial == (first < start or last > min(end, NOON))
        best = Counter(slug for each in within(start, end) for slug in each.analysis.clusters)
        if cluster is None:
            assert found.top_topics == sorted(best.items(), key=lambda each: (-each[1], each[0]))[:10]

    await tried(db, check)


@pytest.mark.parametrize(("zone", "hours"), [("Europe/Berlin", 23), ("Asia/Kolkata", 24), ("UTC", 24)])
async def test_every_insight_of_a_local_day_is_in_it(db: Database, zone: str, hours: int) -> None:
    """One insight every quarter of an hour, over the night in which Berlin puts its clocks forward."""
    first = parse("2025-03-28T00:00:00Z")
    stored = [an_insight(number + 1, first + number * AN_HOUR // 4) for number in range(4 * 24 * 4)]
    midnight = datetime(2025, 3, 30, tzinfo=ZoneInfo(zone))
    start = (midnight - EPOCH) // MICROSECOND

    def check(connection: Connection) -> None:
        store(connection, stored)
        calendar = Calendar(ZoneInfo(zone), Interval.DAY)
        window = start, start + hours * AN_HOUR
        (point,) = trends(connection, *window, cluster=None, now=NOON, calendar=calendar).series
        assert (point.negative, point.partial) == (hours * 4, False)
        hourly = trends(
            connection, *window, cluster=None, now=NOON, calendar=calendar._replace(interval=Interval.HOUR)
        )
        assert [each.negative for each in hourly.series] == [4] * hours

    await tried(db, check)


async def test_an_analyzer_that_made_all_insights_is_no_filter(db: Database) -> None:
    def check(connection: Connection) -> None:
        store(connection, [an_insight(1, NOON - 1, an_analysis(clusters=["delay"]))])
        found = [
            trends(connection, NOON - A_DAY, NOON, cluster=None, now=NOON, analyzer=analyzer)
            for analyzer in (None, "grok", "offline")
        ]
        assert found[0] == found[1]
        assert (sum(found[2].counts.values()), found[2].top_topics) == (0, [])

    await tried(db, check)
