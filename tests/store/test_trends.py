"""Trends of windows, against plain counting."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from database import Database
from domain.buckets import DAY, HOUR, bucket_of, start_of, touching
from domain.fields.filters import FieldFilter
from store.insights.rollups import SENTIMENTS
from store.insights.top_topics import TopicEffort
from store.insights.trends import Trends, trends
from store.insights.writing import Insight
from tests.support.field_data import field_filters, has_answers
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
    tried,
)

MIDNIGHT = NOON - 12 * AN_HOUR
CANDIDATES_ONLY = TopicEffort(rows_per_candidate=0)

filed = st.lists(st.tuples(timestamps(40), analyses), max_size=25).map(
    lambda given: [an_insight(number, at, analysis) for number, (at, analysis) in enumerate(given, 1)]
)


@st.composite
def windows(draw: st.DrawFn) -> tuple[int, int]:
    """Short ones, which are shown in hours, and long ones, which are shown in days."""
    start = draw(timestamps(40))
    length = draw(st.one_of(st.integers(0, 8 * A_DAY), st.integers(0, 40 * A_DAY), st.just(7 * A_DAY)))
    return start, start + length


def counted(stored: Iterable[Insight]) -> dict[int, int]:
    found = Counter(each.analysis.sentiment for each in stored)
    return {sentiment: found[sentiment] for sentiment in SENTIMENTS}


def within(stored: Iterable[Insight], start: int, end: int, cluster: str | None) -> list[Insight]:
    return [
        each
        for each in stored
        if start <= each.timestamp < end and (cluster is None or cluster in each.analysis.clusters)
    ]


@thorough
@given(stored=filed, window=windows(), cluster=st.sampled_from([None, *SLUGS, "never_seen"]))
async def test_trends_equal_plain_counts(
    db: Database, stored: list[Insight], window: tuple[int, int], cluster: str | None
) -> None:
    start, end = window
    level = HOUR if end - start <= 7 * A_DAY else DAY
    chosen = within(stored, start, end, cluster)

    def check(connection: Connection) -> None:
        store(connection, stored)
        found = trends(connection, start, end, cluster=cluster, now=NOON)

        assert found.counts == counted(chosen)
        assert found.previous == counted(within(stored, start - (end - start), start, cluster))
        assert [point.start for point in found.series] == [
            start_of(level, bucket) for bucket in touching(level, start, end)
        ]
        for point in found.series:
            last = start_of(level, bucket_of(level, point.start) + 1)
            inside = within(chosen, point.start, last, None)
            sums = {-1: point.negative, 0: point.neutral, 1: point.positive, 2: point.unsure}
            assert sums == counted(inside)
            assert point.score_sum == sum(each.analysis.score for each in inside)
            assert point.partial == (point.start < start or last > end or last > NOON)

    await tried(db, check)


@thorough
@given(
    stored=filed,
    window=windows(),
    cluster=st.sampled_from([None, None, *SLUGS]),
    min_confidence=st.sampled_from([0, 0, 7]),
    fields=field_filters.filter(bool),
)
async def test_trends_by_fields_equal_plain_counts(
    db: Database,
    stored: list[Insight],
    window: tuple[int, int],
    cluster: str | None,
    min_confidence: int,
    fields: tuple[FieldFilter, ...],
) -> None:
    start, end = window
    having = [
        each
        for each in stored
        if has_answers(each.analysis, fields) and each.analysis.confidence >= min_confidence
    ]
    chosen = within(having, start, end, cluster)

    def check(connection: Connection) -> None:
        store(connection, stored)
        found = trends(
            connection,
            start,
            end,
            cluster=cluster,
            now=NOON,
            min_confidence=min_confidence,
            fields=fields,
        )
        assert found.counts == counted(chosen)
        assert found.previous == counted(within(having, start - (end - start), start, cluster))
        for point in found.series:
            level = HOUR if end - start <= 7 * A_DAY else DAY
            inside = within(chosen, point.start, start_of(level, bucket_of(level, point.start) + 1), None)
            sums = {-1: point.negative, 0: point.neutral, 1: point.positive, 2: point.unsure}
            assert sums == counted(inside)
        if cluster is None:
            slugs = Counter(slug for each in chosen for slug in each.analysis.clusters)
            assert found.top_topics == sorted(slugs.items(), key=lambda each: (-each[1], each[0]))[:10]

    await tried(db, check)


efforts = st.builds(
    TopicEffort,
    one_in=st.sampled_from([1, 3, 10, 500]),
    candidates=st.sampled_from([1, 3, 12, 40]),
    rows_per_candidate=st.sampled_from([0, 0, 1, 50]),
)


@thorough
@given(
    stored=st.lists(
        st.tuples(
            timestamps(40),
            st.lists(st.integers(1, 60).map("topic_{}".format), min_size=1, max_size=5, unique=True),
        ),
        max_size=30,
    ),
    window=windows(),
    effort=efforts,
)
async def test_the_top_topics_are_the_exact_ten_best(
    db: Database, stored: list[tuple[int, list[str]]], window: tuple[int, int], effort: TopicEffort
) -> None:
    filed = [
        an_insight(number, at, an_analysis(clusters=slugs)) for number, (at, slugs) in enumerate(stored, 1)
    ]
    exact = Counter(slug for at, slugs in stored for slug in slugs if window[0] <= at < window[1])
    best = sorted(exact.items(), key=lambda each: (-each[1], each[0]))[:10]

    def check(connection: Connection) -> None:
        store(connection, filed)
        found = trends(connection, *window, cluster=None, now=NOON, effort=effort)
        assert found.top_topics == best

    await tried(db, check)


@thorough
@given(
    times=st.lists(timestamps(70), max_size=40),
    window=windows(),
    slugs=st.permutations([f"{letter}{number}" for letter in "azÄ_é" for number in range(8)]),
    effort=efforts,
)
async def test_of_many_equal_topics_the_first_ten_by_slug_are_shown(
    db: Database, times: list[int], window: tuple[int, int], slugs: list[str], effort: TopicEffort
) -> None:
    """One insight each: ties at every bound, in one month and over several, inside the window and outside."""
    stored = [*zip(times, slugs, strict=False)]
    filed = [an_insight(n, at, an_analysis(clusters=[slug])) for n, (at, slug) in enumerate(stored, 1)]
    inside = sorted(slug for at, slug in stored if window[0] <= at < window[1])

    def check(connection: Connection) -> None:
        store(connection, filed)
        found = trends(connection, *window, cluster=None, now=NOON, effort=effort)
        assert found.top_topics == [(slug, 1) for slug in inside[:10]]

    await tried(db, check)


async def test_topics_of_the_same_month_outside_the_window_do_not_hide_the_best(db: Database) -> None:
    """Sixty topics that lead in the month, but not on the day that is asked for."""
    outside = [
        an_insight(number, MIDNIGHT - A_DAY, an_analysis(clusters=[f"loud_{number % 60}"]))
        for number in range(1, 181)
    ]
    inside = [
        an_insight(number, MIDNIGHT + AN_HOUR, an_analysis(clusters=["quiet"])) for number in range(200, 202)
    ]

    def check(connection: Connection) -> None:
        store(connection, [*outside, *inside])
        for rows in (0, 50):
            effort = TopicEffort(rows_per_candidate=rows)
            found = trends(connection, MIDNIGHT, MIDNIGHT + A_DAY, cluster=None, now=NOON, effort=effort)
            assert found.top_topics == [("quiet", 2)]

    await tried(db, check)


async def test_a_topic_that_is_common_in_no_month_can_be_among_the_best(db: Database) -> None:
    """Twelve topics, of which the first has two in each of two months, the others three in one of them."""
    slugs = ["steady", "steady", *(f"other_{n}" for n in range(11) for _ in range(3))]
    january, march = NOON - 60 * A_DAY, NOON - 5 * AN_HOUR
    stored = [
        an_insight(number, at, an_analysis(clusters=[slug]))
        for number, (at, slug) in enumerate(
            [*((march, slug) for slug in slugs), *((january, slug) for slug in slugs[:2])], 1
        )
    ]

    def check(connection: Connection) -> None:
        store(connection, stored)
        for one_in in (1, 10, 12, 20, 40):  # Common with 37, 3, 3, 1 and 1.
            found = trends(
                connection,
                january,
                NOON,
                cluster=None,
                now=NOON,
                effort=TopicEffort(one_in, rows_per_candidate=0),
            )
            assert found.top_topics[0] == ("steady", 4)
            assert found.top_topics[1:] == [(f"other_{n}", 3) for n in (0, 1, 10, 2, 3, 4, 5, 6, 7)]

    await tried(db, check)


async def test_a_topic_can_have_more_than_in_the_months_in_which_it_is_common(db: Database) -> None:
    """Forty topics are ahead of it by those months; what it has in another makes it equal to the best."""
    best, next_best = [f"best_{n}" for n in range(10)], [f"next_{n}" for n in range(31)]
    stored = [an_insight(1, NOON - 1, an_analysis(clusters=best))]
    stored += [an_insight(n, NOON - n, an_analysis(clusters=best + next_best)) for n in range(2, 11)]
    times = [*(NOON - n for n in range(11, 20)), NOON - 35 * A_DAY]
    late = [an_insight(n, at, an_analysis(clusters=["a_late_one"])) for n, at in enumerate(times, 11)]

    def check(connection: Connection) -> None:
        store(connection, stored)
        store(connection, late)
        found = trends(
            connection,
            NOON - 40 * A_DAY,
            NOON,
            cluster=None,
            now=NOON,
            effort=TopicEffort(7, rows_per_candidate=0),
        )
        assert found.top_topics[0] == ("a_late_one", 10)

    await tried(db, check)


async def test_equal_topics_are_told_by_slug_however_many_there_are(db: Database) -> None:
    """More topics than are counted at first, those that come first by slug filed last."""
    slugs = [f"{letter}_{number}" for letter in "zyx" for number in range(10)] + [f"a_{n}" for n in range(10)]
    stored = [an_insight(n, MIDNIGHT, an_analysis(clusters=[slug])) for n, slug in enumerate(slugs, 1)]

    def check(connection: Connection) -> None:
        for each in stored:
            store(connection, [each])
        found = trends(connection, MIDNIGHT, NOON, cluster=None, now=NOON, effort=CANDIDATES_ONLY)
        assert found.top_topics == [(f"a_{n}", 1) for n in range(10)]

    await tried(db, check)


async def test_in_a_flat_month_the_order_by_slug_is_all_there_is(db: Database) -> None:
    """One insight for each topic, filed in no order; every second one lies before the window."""
    stored = [
        an_insight(n, NOON - A_DAY * (n * 7 % 31 % 2), an_analysis(clusters=[f"flat_{n * 7 % 31:02}"]))
        for n in range(1, 31)
    ]
    effort = replace(CANDIDATES_ONLY, one_in=1, candidates=3)

    def check(connection: Connection) -> None:
        store(connection, stored)
        found = trends(connection, NOON - AN_HOUR, NOON + 1, cluster=None, now=NOON, effort=effort)
        assert found.top_topics == [(f"flat_{n:02}", 1) for n in range(2, 22, 2)]

    await tried(db, check)


async def test_one_topic_is_the_top_topic_of_its_own_trends(db: Database) -> None:
    stored = [an_insight(1, analysis=an_analysis(clusters=["delay", "refund"])), an_insight(2)]

    def check(connection: Connection) -> None:
        store(connection, stored)

        def asked(cluster: str) -> Trends:
            return trends(connection, MIDNIGHT, NOON + 1, cluster=cluster, now=NOON)

        assert asked("delay").top_topics == [("delay", 2)]
        assert asked("refund").top_topics == [("refund", 1)]
        assert asked("never_seen").top_topics == []

    await tried(db, check)


async def test_the_hour_that_the_present_cuts_is_partial(db: Database) -> None:
    now = NOON + AN_HOUR // 2

    def check(connection: Connection) -> None:
        by_hour = trends(connection, MIDNIGHT, MIDNIGHT + A_DAY, cluster=None, now=now).series
        assert [point.partial for point in by_hour] == [False] * 12 + [True] * 12
        past = trends(connection, MIDNIGHT, NOON, cluster=None, now=now).series
        assert not any(point.partial for point in past)

    await tried(db, check)


async def test_skipped_conversations_are_told_beside_the_trends(db: Database) -> None:
    def check(connection: Connection) -> None:
        store_skipped(connection, [MIDNIGHT - 1, MIDNIGHT, NOON - 1, NOON])
        found = trends(connection, MIDNIGHT, NOON, cluster="delay", now=NOON)
        assert found.skipped == 2
        assert not any(found.counts.values())

    await tried(db, check)


def test_the_topics_of_a_year_are_bounded_by_years_and_not_by_months() -> None:
    """Adding up the months takes 18,400 instructions, the years 15,200."""
    rare = [
        an_insight(month * 100 + number, NOON - month * 30 * A_DAY, an_analysis(clusters=[f"rare_{number}"]))
        for month in range(12)
        for number in range(100)
    ]
    common = an_analysis(clusters=[f"common_{number}" for number in range(10)])

    with in_memory() as connection:
        store(connection, [*rare, *(an_insight(2_000 + number, NOON - 1, common) for number in range(20))])
        found, taken = steps(
            connection,
            lambda: trends(
                connection, NOON - 365 * A_DAY, NOON, cluster=None, now=NOON, effort=CANDIDATES_ONLY
            ),
        )

    assert found.top_topics == [(f"common_{number}", 20) for number in range(10)]
    assert taken < 17_000


def test_common_topics_are_counted_in_the_roll_ups_even_where_a_window_has_few_insights() -> None:
    """Reading all 1,200 insights took 7,600 steps, the roll-ups alone 2,700."""
    common = an_analysis(clusters=[f"common_{number}" for number in range(10)])

    with in_memory() as connection:
        store(connection, [an_insight(number, MIDNIGHT + number, common) for number in range(1, 1_201)])
        found, taken = steps(
            connection,
            lambda: trends(connection, MIDNIGHT, NOON, cluster=None, now=NOON),
        )

    assert found.top_topics == [(f"common_{number}", 1_200) for number in range(10)]
    assert taken < 4_000


def test_a_flat_month_is_read_by_slug_as_far_as_the_first_ten() -> None:
    """Of 1,000 topics with one insight each, joined and sorted, it took 28,200 steps instead of 18,900."""
    with in_memory() as connection:
        store(
            connection, [an_insight(n, NOON, an_analysis(clusters=[f"flat_{n:04}"])) for n in range(1, 1_001)]
        )
        found, taken = steps(
            connection,
            lambda: trends(
                connection, MIDNIGHT, MIDNIGHT + A_DAY, cluster=None, now=NOON, effort=CANDIDATES_ONLY
            ),
        )

    assert found.top_topics == [(f"flat_{number:04}", 1) for number in range(1, 11)]
    assert taken < 22_000
