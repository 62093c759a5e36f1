"""Topics of a selection that roll-ups do not count: narrowed by analyzer, sentiment, confidence or fields.

Every insight of the window is looked at, topic by topic, so the time grows with the window: a second for a month of 10
million insights over 400 days.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    bindparam,
    func,
    literal_column,
    select,
)

from domain.analysis import UNSURE
from models import ACTIVE, ALL_TOPICS, insight_topics, insights, topics
from store.engine.prepared import Prepared, among
from store.insights.listed_topics import ListedTopic, listed_topics
from store.insights.narrowing import Narrowing, makers
from store.insights.rollups import EDGES, Kind, n_of
from store.insights.statements import compared, field_parameters, with_field
from store.insights.top_topics import TOP, TopTopics
from store.insights.windows import Selection, matching

UNION = EDGES[Kind.UNION]
SHOWN = Prepared(
    select(topics.c.counted_as, topics.c.slug).where(
        among(topics.c.counted_as, "numbers"), topics.c.state == literal_column(f"'{ACTIVE}'")
    )
)


class How(NamedTuple):
    """What statements about a selection depend on."""

    by_analyzer: bool
    fields: tuple[bool, ...]
    """The filters by fields, each with whether it compares numbers."""


def how_narrowed(chosen: Selection) -> How:
    """By what a selection is narrowed."""
    return How(chosen.analyzer is not None, compared(chosen.fields))


class Counted(NamedTuple):
    """Of a topic's insights in a window: number, negative and unsure ones, and the sum of scores."""

    n: int = 0
    negative: int = 0
    unsure: int = 0
    score_sum: int = 0

    @property
    def scored(self) -> int:
        """The number of those that have a score."""
        return self.n - self.unsure


def without_needless_filters(connection: Connection, chosen: Selection) -> Selection:
    """The same selection without an analyzer, if that made all insights there are."""
    if chosen.analyzer is None:
        return chosen
    is_only_one = {analyzer for analyzer, _ in makers(connection)} == {chosen.analyzer}
    return replace(chosen, analyzer=None) if is_only_one else chosen


def top_filtered_topics(connection: Connection, chosen: Selection) -> TopTopics:
    """The ten topics with the most of the chosen insights; equal ones by slug."""
    listed = listed_topics(connection)
    sums = filtered_sums(connection, chosen, listed)
    counted = ((each.slug, sums[each.counted_as].n) for each in listed if each.counted_as in sums)
    return _ten_best(counted)


def top_of_sums(connection: Connection, n: Mapping[int, int]) -> TopTopics:
    """The same, of topics by the numbers that they are counted as, with so many insights each.

    Only the first are looked up: listing two thousand topics takes 10 ms.
    """
    ordered = sorted((-count, number) for number, count in n.items() if count and number != ALL_TOPICS)
    looked_at, found = 0, list[tuple[str, int]]()
    while len(found) < TOP and looked_at < len(ordered):
        # All that have as many as the last, so that their slugs decide.
        least = ordered[min(looked_at + 2 * TOP, len(ordered)) - 1][0]
        end = bisect_right(ordered, least, key=lambda each: each[0])
        numbers = [number for _, number in ordered[looked_at:end]]
        found += [(slug, n[number]) for number, slug in SHOWN.rows(connection, {"numbers": numbers})]
        looked_at = end
    return _ten_best(found)


def _ten_best(counted: Iterable[tuple[str, int]]) -> TopTopics:
    return sorted(counted, key=lambda each: (-each[1], each[0]))[:TOP]


def filtered_sums(
    connection: Connection, chosen: Selection, listed: Sequence[ListedTopic]
) -> dict[int, Counted]:
    """The chosen insights of each topic that has some, by the number it is counted as, and of ALL_TOPICS."""
    given, how = given_of(chosen), how_narrowed(chosen)
    rows = _summing(how).rows(connection, given)
    found = {topic: Counted(*sums) for topic, *sums in rows}
    for union in (each.counted_as for each in listed if each.is_union):
        ((n, *sums),) = _summing_union(how).rows(connection, given | {"topic": union})
        if n:
            found[union] = Counted(n, *sums)
    for negative, neutral, positive, unsure, score in (
        Narrowing(connection, chosen, ALL_TOPICS).sums_by(ALWAYS).values()
    ):
        found[ALL_TOPICS] = Counted(negative + neutral + positive + unsure, negative, unsure, score)
    return found


ALWAYS = 10**18
"""Microseconds: longer than any window, as a unit to count by."""


def given_of(chosen: Selection) -> dict[str, Any]:
    """The parameters of statements about the chosen insights."""
    window = {"start": chosen.start, "end": chosen.end, "analyzer": chosen.analyzer}
    return chosen.parameters(ALL_TOPICS) | window | field_parameters(chosen.fields)


@lru_cache(maxsize=64)
def _summing(how: How) -> Prepared:
    """Sum up each topic along its range of the key."""
    f = insight_topics.c
    joined = topics.join(insight_topics, f.topic == topics.c.number)
    sums = select(f.topic).add_columns(*_sums(insight_topics)).select_from(joined)
    return Prepared(sums.where(*_chosen(insight_topics, how)).group_by(f.topic))


@lru_cache(maxsize=64)
def _summing_union(how: How) -> Prepared:
    """Sum up the union with the number `topic`."""
    return Prepared(select(*_sums(UNION)).where(*_chosen(UNION, how)))


def _sums(table: FromClause) -> Iterator[ColumnElement[int]]:
    yield func.count()
    for each in (n_of(-1, table), n_of(UNSURE, table), table.c.score):
        yield func.sum(each).cast(BigInteger)


def _chosen(table: FromClause, how: How) -> Iterator[ColumnElement[bool]]:
    yield table.c.timestamp >= bindparam("start")
    yield table.c.timestamp < bindparam("end")
    yield from narrowed(table, how)


def narrowed(table: FromClause, how: How) -> Iterator[ColumnElement[bool]]:
    """The conditions that a row of an insight under a topic matches."""
    yield from matching(table)
    if how.by_analyzer:
        of_row = insights.c.conversation == table.c.conversation
        made = insights.c.analyzer == bindparam("analyzer")
        yield select(insights.c.conversation).where(of_row, made).correlate(table).exists()
    for place, compares in enumerate(how.fields):
        yield with_field(table, place, compares)
