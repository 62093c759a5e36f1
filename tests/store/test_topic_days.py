"""Sums of all topics over any window, against plain adding up, while days that are kept in memory change."""

from collections import defaultdict
from collections.abc import Collection
from operator import add

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from database import Database
from domain.buckets import DAY, bucket_of
from models import ALL_TOPICS
from store.insights import writing
from store.insights.names import topic_numbers
from store.insights.topic_days import TopicDays
from store.insights.topic_sums import TopicSums
from store.insights.writing import Insight
from tests.support.in_memory import in_memory, steps
from tests.support.insight_data import (
    A_DAY,
    NOON,
    SLUGS,
    an_analysis,
    an_insight,
    analyses,
    store,
    store_conversations,
    thorough,
    timestamps,
    tried,
)

moments = st.tuples(timestamps(50), timestamps(50)).map(lambda both: (min(both), max(both)))
changes = st.lists(st.tuples(st.integers(1, 12), st.one_of(st.none(), analyses)), max_size=4)


def plainly(filed: Collection[Insight], start: int, end: int) -> dict[str, TopicSums]:
    found: defaultdict[str, TopicSums] = defaultdict(TopicSums)
    for each in filed:
        if start <= each.timestamp < end:
            a = each.analysis
            whole = 0 if a.is_unsure else 60
            for slug, weight in (("all", whole), *((slug, whole // len(a.clusters)) for slug in a.clusters)):
                one = (1, a.sentiment < 0, a.is_unsure, a.score, weight, weight * a.score)
                found[slug] = TopicSums(*map(add, found[slug], one))
    return dict(found)


@thorough
@given(
    said_at=st.lists(timestamps(50), min_size=12, max_size=12),
    first=st.lists(analyses, min_size=12, max_size=12),
    steps_=st.lists(st.tuples(changes, moments), min_size=1, max_size=5),
    most=st.sampled_from([1, 5, 200]),
)
async def test_sums_equal_plain_sums_whatever_changed_meanwhile(
    db: Database,
    said_at: list[int],
    first: list[object],
    steps_: list[tuple[list[tuple[int, object]], tuple[int, int]]],
    most: int,
) -> None:
    def check(connection: Connection) -> None:
        days = TopicDays(most)
        filed = {n: an_insight(n, at, a) for n, (at, a) in enumerate(zip(said_at, first, strict=True), 1)}  # type: ignore[arg-type]
        store(connection, [*filed.values()])
        for changed, (start, end) in steps_:
            for number, analysis in changed:
                if analysis is None:
                    writing.delete_insights(connection, [number])
                    filed.pop(number, None)
                else:
                    filed[number] = an_insight(number, said_at[number - 1], analysis)  # type: ignore[arg-type]
                    writing.store_insights(connection, [filed[number]])
            names = {
                number: slug for slug, number in topic_numbers(connection, (*SLUGS, "other_language")).items()
            }
            (found,) = days.sums(connection, (start, end))
            named = {names.get(topic, "all"): sums for topic, sums in found.items()}
            assert named == plainly(filed.values(), start, end)

    await tried(db, check)


@thorough
@given(said_at=st.lists(timestamps(50), max_size=30), length=st.integers(0, 40))
async def test_a_history_sums_up_days_with_insights(db: Database, said_at: list[int], length: int) -> None:
    end = bucket_of(DAY, NOON)
    filed = [
        an_insight(number, at, an_analysis(clusters=["delay"] if number % 3 else ["refund", "delay"]))
        for number, at in enumerate(said_at, 1)
    ]

    def check(connection: Connection) -> None:
        store(connection, filed)
        days = TopicDays()
        found = days.history(connection, end - length, end)
        by_day = [plainly(filed, day * A_DAY, (day + 1) * A_DAY) for day in range(end - length, end)]
        assert found.days == sum(1 for day in by_day if day)
        assert found.conversations == sum(day["all"].n for day in by_day if day)
        for slug, number in topic_numbers(connection, SLUGS).items():
            counts = [(day[slug].n, day["all"].n) for day in by_day if slug in day]
            assert (number in found) == bool(counts)
            if counts:
                topic = found[number]
                assert (topic.days, topic.conversations) == (found.days, found.conversations)
                assert topic.having == sum(n for n, _ in counts)
                assert abs(topic.squares - sum(n * n / of for n, of in counts)) < 1e-9
        most = sorted((each.having for each in found.values()), reverse=True)
        assert [each.having for each in found.most_frequent(2)] == most[:2]

    await tried(db, check)


def test_days_that_have_not_changed_are_not_read_again() -> None:
    filed = [an_insight(number, NOON - number * A_DAY) for number in range(1, 40)]
    window = NOON - 32 * A_DAY, NOON - A_DAY

    with in_memory() as connection:
        store(connection, filed)
        days = TopicDays()
        cold, many = steps(connection, lambda: days.sums(connection, window)[0])
        warm, few = steps(connection, lambda: days.sums(connection, window)[0])
        store_conversations(connection, [new := an_insight(99, NOON - 20 * A_DAY)])
        writing.store_insights(connection, [new])
        changed, some = steps(connection, lambda: days.sums(connection, window)[0])

    assert warm == cold
    assert changed[ALL_TOPICS].n == cold[ALL_TOPICS].n + 1
    assert few < many / 3
    assert few < some < many / 2
