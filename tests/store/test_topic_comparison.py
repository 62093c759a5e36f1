"""Topics of two windows, against plain counting."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from database import Database
from domain.surprise import History, dispersion_of
from store.insights.compared_topics import ComparedTopic, TopicSort
from store.insights.topic_changes import Comparison, topic_changes
from store.insights.topic_days import TopicDays
from store.insights.windows import Selection
from store.insights.writing import Insight
from tests.support.distributions import stats
from tests.support.field_data import field_filters, has_answers
from tests.support.insight_data import (
    A_DAY,
    AN_HOUR,
    NOON,
    an_analysis,
    an_insight,
    analyses,
    store,
    thorough,
    timestamps,
    tried,
)

filed = st.lists(st.tuples(timestamps(60), analyses, st.sampled_from(["grok", "offline"])), max_size=30).map(
    lambda given: [
        an_insight(number, at, analysis, analyzer=analyzer)
        for number, (at, analysis, analyzer) in enumerate(given, 1)
    ]
)
moments = st.tuples(timestamps(60), timestamps(60)).map(lambda both: (min(both), max(both)))
filters = st.fixed_dictionaries(
    {
        "sentiment": st.sampled_from([None, None, -1, 1, 2]),
        "min_confidence": st.sampled_from([0, 0, 7, 60]),
        "analyzer": st.sampled_from([None, None, "grok", "gemini"]),
        "fields": st.just(()) | field_filters,
    }
)


def matching(stored: Collection[Insight], chosen: Selection) -> list[Insight]:
    return [
        each
        for each in stored
        if chosen.start <= each.timestamp < chosen.end
        and chosen.sentiment in (None, each.analysis.sentiment)
        and each.analysis.confidence >= chosen.min_confidence
        and chosen.analyzer in (None, each.analyzer)
        and has_answers(each.analysis, chosen.fields)
    ]


def plainly(stored: Collection[Insight], chosen: Selection) -> dict[str, tuple[int, int, int, int]]:
    found: defaultdict[str, list[Insight]] = defaultdict(list)
    for each in matching(stored, chosen):
        for slug in ("", *each.analysis.clusters):
            found[slug].append(each)
    return {
        slug: (
            len(these),
            sum(i.analysis.sentiment == -1 for i in these),
            sum(i.analysis.is_unsure for i in these),
            sum(i.analysis.score for i in these),
        )
        for slug, these in found.items()
    }


def drawn(stored: Collection[Insight], chosen: Selection, slug: str) -> list[int]:
    """The topic's insights in each of the 24 parts: by the hour in long windows, whose middle decides."""
    start, length = chosen.start, chosen.end - chosen.start
    unit = 1 if length < A_DAY else AN_HOUR
    points = [0] * 24
    for each in matching(stored, chosen):
        if slug in each.analysis.clusters:
            middle = each.timestamp // unit * unit + unit // 2
            points[min(max((middle - start) * 24 // length, 0), 23)] += 1
    return points


@thorough
@given(stored=filed, window=moments, before=moments, narrowed=filters)
async def test_topics_of_two_windows_equal_plain_counts(
    db: Database,
    stored: list[Insight],
    window: tuple[int, int],
    before: tuple[int, int],
    narrowed: dict[str, Any],
) -> None:
    asked = Comparison(Selection(*window, **narrowed), *before)

    def check(connection: Connection) -> None:
        store(connection, stored)
        found = topic_changes(connection, TopicDays(), asked)
        now, then = plainly(stored, asked.chosen), plainly(stored, asked.before)
        nothing = (0, 0, 0, 0)

        assert tuple(found.now) == now.pop("", nothing)
        assert tuple(found.before) == then.pop("", nothing)
        assert found.total == len(found.page) == len(now.keys() | then.keys())
        for each in found.page:
            slug = each.topic.slug
            assert (tuple(each.now), tuple(each.before)) == (now.get(slug, nothing), then.get(slug, nothing))
            times = [one.timestamp for one in stored if slug in one.analysis.clusters]
            assert each.seen == (min(times), max(times))
            if window[0] < window[1]:
                assert [*each.sparkline] == drawn(stored, asked.chosen, slug)
        assert [each.now.n for each in found.page] == sorted(
            (each.now.n for each in found.page), reverse=True
        )

    await tried(db, check)


def changing() -> list[Insight]:
    """Two months of one to four insights about refunds a day and two others; refunds double in the last week."""
    said = []
    for day in range(1, 61):
        refunds = (1 + day * 7 % 4) * (2 if day <= 7 else 1)
        said += [(NOON - day * A_DAY + place, "refund") for place in range(refunds)]
        said += [(NOON - day * A_DAY - place, "delay") for place in (1, 2)]
    return [an_insight(number, at, an_analysis(clusters=[slug])) for number, (at, slug) in enumerate(said, 1)]


async def test_surprise_is_the_probability_of_the_change_given_the_days_before(db: Database) -> None:
    filed = changing()
    midnight = NOON - 12 * AN_HOUR
    asked = Comparison(Selection(midnight - 7 * A_DAY, midnight), midnight - 14 * A_DAY, midnight - 7 * A_DAY)
    # Loaded before, because the server ends a transaction in which nothing happens for three seconds.
    distributions = stats()

    def check(connection: Connection) -> None:
        store(connection, filed)
        found = topic_changes(connection, TopicDays(), asked, sort=TopicSort.SURPRISE)
        refund = found.page[0]
        first = midnight - 42 * A_DAY
        days = [
            [each for each in filed if 0 <= each.timestamp - first - day * A_DAY < A_DAY] for day in range(28)
        ]
        refunds = [sum("refund" in each.analysis.clusters for each in day) for day in days]
        squares = sum(n * n / len(day) for n, day in zip(refunds, days, strict=True))
        history = History(28, sum(map(len, days)), sum(refunds), squares)
        draw = distributions.hypergeom(
            found.now.n + found.before.n, refund.now.n + refund.before.n, found.now.n
        )

        assert (refund.topic.slug, found.history_days) == ("refund", 28)
        assert (dispersion_of(history) or 0) <= 1
        deviations = (refund.now.n - draw.mean()) / draw.std()
        assert refund.surprise == pytest.approx(
            -distributions.norm.logsf(deviations) / 2.302585093 - 0.30103, rel=1e-4
        )

    await tried(db, check)


sorts = st.sampled_from(list(TopicSort))
VALUES: dict[TopicSort, Any] = {
    TopicSort.SLUG: lambda each: each.topic.slug,
    TopicSort.COUNT: lambda each: each.now.n,
    TopicSort.CHANGE: lambda each: each.change,
    TopicSort.SURPRISE: lambda each: each.surprise,
    TopicSort.MEAN_SENTIMENT: lambda each: each.now.score_sum / each.now.scored if each.now.scored else None,
    TopicSort.LAST_SEEN: lambda each: each.seen.last,
}


@thorough
@given(
    stored=filed, window=moments, before=moments, sort=st.sampled_from([*VALUES]), descending=st.booleans()
)
async def test_pages_of_any_order_are_one_list(
    db: Database,
    stored: list[Insight],
    window: tuple[int, int],
    before: tuple[int, int],
    sort: TopicSort,
    descending: bool,
) -> None:
    asked = Comparison(Selection(*window), *before)

    def check(connection: Connection) -> None:
        store(connection, stored)
        days = TopicDays()

        def page(**given: int) -> Sequence[ComparedTopic]:
            return topic_changes(connection, days, asked, sort=sort, descending=descending, **given).page

        whole = page()
        values = [VALUES[sort](each) for each in whole]
        known = [value for value in values if value is not None]
        assert values == sorted(known, reverse=descending) + [None] * (len(values) - len(known))
        paged = [each for offset in range(0, 6, 2) for each in page(limit=2, offset=offset)]
        assert [each.topic for each in paged] == [each.topic for each in whole]

    await tried(db, check)
