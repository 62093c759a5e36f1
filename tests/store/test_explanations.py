"""Explanations of a change, against plain counting."""

from collections import defaultdict
from collections.abc import Collection
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from database import Database
from domain.fields.filters import FieldFilter
from store.insights.explanations import EXAMPLES, TOP, Explanation, explain
from store.insights.topic_days import TopicDays
from store.insights.writing import Insight
from tests.support.field_data import field_filters, has_answers
from tests.support.insight_data import (
    A_DAY,
    NOON,
    an_analysis,
    an_insight,
    analyses,
    store,
    thorough,
    timestamps,
    tried,
)

slugs = st.lists(st.integers(1, 9).map("topic_{}".format), min_size=1, max_size=5, unique=True)
filed = st.lists(st.tuples(timestamps(40), analyses, slugs), max_size=30).map(
    lambda given: [
        an_insight(number, at, a._replace(clusters=tuple(clusters)))
        for number, (at, a, clusters) in enumerate(given, 1)
    ]
)
windows = st.tuples(timestamps(40), st.integers(0, 20 * A_DAY), st.integers(1, 28 * A_DAY)).map(
    lambda each: ((each[0], each[0] + each[1]), (each[0] - each[2], each[0]))
)


def within(stored: Collection[Insight], window: tuple[int, int]) -> list[Insight]:
    return [each for each in stored if window[0] <= each.timestamp < window[1]]


def shares_and_means(chosen: Collection[Insight]) -> dict[str, tuple[Fraction, Fraction]]:
    """Of each topic, where an insight with k topics counts 1/k."""
    weights: defaultdict[str, list[Fraction]] = defaultdict(lambda: [Fraction(0), Fraction(0)])
    for each in chosen:
        part = Fraction(1, len(each.analysis.clusters))
        for slug in each.analysis.clusters:
            weights[slug][0] += part
            weights[slug][1] += part * Fraction(each.analysis.score, 10_000)
    return {slug: (weight / len(chosen), total / weight) for slug, (weight, total) in weights.items()}


def plain_parts(
    now: Collection[Insight], before: Collection[Insight]
) -> dict[str, tuple[Fraction, Fraction]]:
    here, there = shares_and_means(now), shares_and_means(before)
    means = (Fraction(sum(i.analysis.score for i in some), len(some) * 10_000) for some in (now, before))
    middle = sum(means, Fraction(0)) / 2
    found = {}
    for slug in here.keys() | there.keys():
        share, mean = here.get(slug, (Fraction(0), there.get(slug, (0, Fraction(0)))[1]))
        other_share, other_mean = there.get(slug, (Fraction(0), mean))
        mix = (share - other_share) * ((mean + other_mean) / 2 - middle)
        found[slug] = (mix, (share + other_share) / 2 * (mean - other_mean))
    return found


def check_conversations(found: Explanation, inside: Collection[Insight]) -> None:
    for each in found.topics:
        own = {i.conversation: i.analysis.score for i in inside if each.topic.slug in i.analysis.clusters}
        typical, extreme = (
            [entry.row.conversation for entry in some] for some in (each.typical, each.extreme)
        )
        assert len(typical) == len(extreme) == min(EXAMPLES, len(own))
        assert len({*typical}) == len(typical)
        shown = sorted(own[number] for number in extreme)
        assert shown in (sorted(own.values())[: len(shown)], sorted(own.values())[len(own) - len(shown) :])


@thorough
@given(stored=filed, both=windows, fields=st.one_of(st.just(()), field_filters))
async def test_the_parts_are_those_of_a_plain_count_and_add_up_to_the_last_digit(
    db: Database,
    stored: list[Insight],
    both: tuple[tuple[int, int], tuple[int, int]],
    fields: tuple[FieldFilter, ...],
) -> None:
    window, before = both
    matching = [each for each in stored if has_answers(each.analysis, fields)]
    now, then = within(matching, window), within(matching, before)

    def check(connection: Connection) -> None:
        store(connection, stored)
        found = explain(connection, TopicDays(), window, before, fields=fields)
        assert (found.total, found.before_total) == (len(now), len(then))
        now_scored, then_scored = (
            [each for each in some if not each.analysis.is_unsure] for some in (now, then)
        )
        if not now_scored or not then_scored:
            assert (found.change, found.topics) == (None, ())
            return
        parts = plain_parts(now_scored, then_scored)
        assert found.change == found.mean - found.before_mean  # type: ignore[operator]
        told = [amount for each in found.topics for amount in (each.mix, each.mood)]
        assert sum(told) + found.rest_mix + found.rest_mood == found.change
        for each in found.topics:
            mix, mood = parts[each.topic.slug]
            assert abs(each.mix - mix * 10**6) <= 2
            assert abs(each.mood - mood * 10**6) <= 2
        size = {slug: abs(mix + mood) for slug, (mix, mood) in parts.items()}
        sizes = sorted(size.values(), reverse=True)
        shown = [size[each.topic.slug] for each in found.topics]
        assert len(shown) == min(TOP, len(parts))
        assert all(abs(one - other) < Fraction(1, 10**9) for one, other in zip(shown, sizes, strict=False))
        check_conversations(found, now_scored)

    await tried(db, check)


async def test_typical_ones_are_nearest_to_the_mean_and_extreme_ones_where_it_moved(db: Database) -> None:
    scores = [-9_000, -8_000, -5_200, -5_100, -5_000, -4_900, -4_800, -1_000, -900, -800, 500, 600, -8_500]
    now = [an_insight(n, NOON - n, an_analysis(score)) for n, score in enumerate(scores, 1)]
    before = [an_insight(100 + n, NOON - A_DAY - n, an_analysis(0)) for n in range(1, 5)]
    mean = sum(scores) / len(scores)

    def check(connection: Connection) -> None:
        store(connection, [*now, *before])
        (topic,) = explain(
            connection, TopicDays(), (NOON - A_DAY, NOON), (NOON - 9 * A_DAY, NOON - A_DAY)
        ).topics
        nearest = sorted(scores, key=lambda score: abs(score - mean))[:5]
        assert [entry.row.score for entry in topic.typical] == nearest
        assert [entry.row.score for entry in topic.extreme] == sorted(scores)[:5]
        assert (topic.mix, topic.mood) == (0, round(mean * 100))

    await tried(db, check)
