"""Topics of the insights with a value of a field, against plain counting, while days that are kept in memory change."""

from collections import Counter
from collections.abc import Collection
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from database import Database
from domain.fields.filters import FieldFilter
from store.insights import writing
from store.insights.field_filing import declare_fields
from store.insights.topic_changes import Comparison, topic_changes
from store.insights.topic_days import TopicDays
from store.insights.trends import trends
from store.insights.value_days import ValueDays
from store.insights.windows import Selection
from store.insights.writing import Insight
from tests.support.field_data import FIELDS, SAID, has_answers
from tests.support.in_memory import in_memory, steps
from tests.support.insight_data import (
    A_DAY,
    AN_HOUR,
    NOON,
    an_analysis,
    an_insight,
    analyses,
    store,
    store_conversations,
    thorough,
    timestamps,
    tried,
)

HIGH = (FieldFilter("urgency", "high"),)
moments = st.tuples(timestamps(50), timestamps(50)).map(lambda both: (min(both), max(both)))
urgencies = st.sampled_from(["high", "high", "low", None])
answering = st.builds(
    lambda analysis, urgency: analysis._replace(fields=urgency and FIELDS.read({**SAID, "urgency": urgency})),
    analyses,
    urgencies,
)
changes = st.lists(st.tuples(st.integers(1, 12), st.one_of(st.none(), answering)), max_size=4)


def said(urgency: str, slug: str, score: int = -6_500) -> object:
    return an_analysis(score, clusters=[slug], fields=FIELDS.read({**SAID, "urgency": urgency}))


def plainly(filed: Collection[Insight], start: int, end: int) -> Counter[str]:
    matching = [each for each in filed if start <= each.timestamp < end and has_answers(each.analysis, HIGH)]
    return Counter(slug for each in matching for slug in ("", *each.analysis.clusters))


def drawn(filed: Collection[Insight], chosen: Selection, slug: str) -> list[int]:
    """By the middle of the hour, or of the day in windows of 240 days, in which something was said."""
    start, length, points = chosen.start, chosen.end - chosen.start, [0] * 24
    unit = A_DAY if length >= 240 * A_DAY else AN_HOUR if length >= A_DAY else 1
    for each in filed:
        inside = start <= each.timestamp < chosen.end and slug in each.analysis.clusters
        if inside and has_answers(each.analysis, HIGH):
            middle = each.timestamp // unit * unit + unit // 2
            points[min(max((middle - start) * 24 // length, 0), 23)] += 1
    return points


@thorough
@given(
    said_at=st.lists(timestamps(50), min_size=12, max_size=12),
    first=st.lists(answering, min_size=12, max_size=12),
    steps_=st.lists(st.tuples(changes, moments, st.sampled_from([0, 250])), min_size=1, max_size=4),
    most=st.sampled_from([1, 5, 200]),
)
async def test_topics_by_a_value_equal_plain_counts_whatever_changed_meanwhile(
    db: Database,
    said_at: list[int],
    first: list[object],
    steps_: list[tuple[list[tuple[int, object]], tuple[int, int], int]],
    most: int,
) -> None:
    def check(connection: Connection) -> None:
        days = TopicDays(of_values=ValueDays(most))
        declare_fields(connection, FIELDS, at=NOON)
        filed = {n: an_insight(n, at, a) for n, (at, a) in enumerate(zip(said_at, first, strict=True), 1)}  # type: ignore[arg-type]
        store(connection, [*filed.values()])
        for changed, (start, end), longer in steps_:
            for number, analysis in changed:
                if analysis is None:
                    writing.delete_insights(connection, [number])
                    filed.pop(number, None)
                else:
                    filed[number] = an_insight(number, said_at[number - 1], analysis)  # type: ignore[arg-type]
                    writing.store_insights(connection, [filed[number]])
            compare(connection, days, [*filed.values()], (start - longer * A_DAY, end))

    await tried(db, check)


def compare(connection: Connection, days: TopicDays, filed: list[Insight], window: tuple[int, int]) -> None:
    start, end = window
    asked = Comparison(Selection(start, end, fields=HIGH), start - 3 * A_DAY, start)
    found = topic_changes(connection, days, asked)
    now, before = plainly(filed, start, end), plainly(filed, start - 3 * A_DAY, start)
    assert {each.topic.slug: (each.n, each.n_before) for each in found.page} == {
        slug: (now[slug], before[slug]) for slug in {*now, *before} - {""}
    }
    assert (found.now.n, found.before.n) == (now[""], before[""])
    for each in found.page:
        if start < end:
            assert [*each.sparkline] == drawn(filed, asked.chosen, each.topic.slug)
        negative = [
            one
            for one in filed
            if start <= one.timestamp < end
            and each.topic.slug in one.analysis.clusters
            and has_answers(one.analysis, HIGH)
        ]
        assert each.now.score_sum == sum(one.analysis.score for one in negative)
        assert each.now.negative == sum(one.analysis.sentiment == -1 for one in negative)
    # One by one, with a filter that leaves nothing out, everything is the same.
    slowly = topic_changes(connection, days, replace(asked, chosen=replace(asked.chosen, analyzer="grok")))
    assert found.history_days == slowly.history_days
    assert {each.topic.slug: each.surprise for each in found.page} == {
        each.topic.slug: pytest.approx(each.surprise) for each in slowly.page
    }
    if start < end:
        told = trends(connection, start, end, cluster=None, now=NOON, fields=HIGH, days=days)
        ranked = sorted((slug for slug in now if slug), key=lambda slug: (-now[slug], slug))
        assert [*map(tuple, told.top_topics)] == [(slug, now[slug]) for slug in ranked[:10]]


def test_insights_that_swap_their_values_or_topics_are_seen() -> None:
    """Whatever is counted by topic or by value alone comes out as it was."""
    asked = Comparison(Selection(NOON - 2 * A_DAY, NOON + A_DAY, fields=HIGH), 0, 0)
    pairs = (("high", "delay"), ("low", "refund")), (("low", "delay"), ("high", "refund"))

    with in_memory() as connection:
        days = TopicDays()
        store_conversations(connection, [an_insight(1), an_insight(2)])
        for first, second in (*pairs, *pairs):
            new = [an_insight(1, NOON, said(*first)), an_insight(2, NOON, said(*second))]  # type: ignore[arg-type]
            writing.store_insights(connection, new)
            (found,) = topic_changes(connection, days, asked).page
            assert found.topic.slug == next(slug for urgency, slug in (first, second) if urgency == "high")


def test_days_that_have_not_changed_are_not_read_again() -> None:
    filed = [an_insight(n, NOON - n * A_DAY // 20, said("high", "delay")) for n in range(1, 900)]  # type: ignore[arg-type]
    asked = Comparison(
        Selection(NOON - 20 * A_DAY, NOON - 5 * A_DAY, fields=HIGH), NOON - 40 * A_DAY, NOON - 20 * A_DAY
    )
    with in_memory() as connection:
        store(connection, filed)
        days = TopicDays()
        cold, many = steps(connection, lambda: topic_changes(connection, days, asked))
        warm, few = steps(connection, lambda: topic_changes(connection, days, asked))

    assert [each.n for each in warm.page] == [each.n for each in cold.page]
    assert few < many / 5
