"""Topics of a selection that roll-ups do not count: narrowed by analyzer, sentiment or confidence.

Every insight of the window is looked at, topic by topic, so the time grows with the window: 0.3 s for a month of 10
million insights over 400 days.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Connection, Select, bindparam, func, literal_column, select

from models import ALL_TOPICS, insight_topics, insights, topics
from store.engine.prepared import Prepared, by_code_point
from store.insights.narrowing import Narrowing, makers
from store.insights.rollups import n_of
from store.insights.top_topics import TOP, TopTopics
from store.insights.windows import Selection, matching


class Counted(NamedTuple):
    """Of a topic's insights in a window: number, negative ones, and the sum of scores."""

    n: int = 0
    negative: int = 0
    score_sum: int = 0


def without_needless_filters(connection: Connection, chosen: Selection) -> Selection:
    """The same selection without an analyzer, if that made all insights there are."""
    if chosen.analyzer is None:
        return chosen
    is_only_one = {analyzer for analyzer, _ in makers(connection)} == {chosen.analyzer}
    return replace(chosen, analyzer=None) if is_only_one else chosen


def top_filtered_topics(connection: Connection, chosen: Selection) -> TopTopics:
    """The ten topics with the most of the chosen insights; equal ones by slug."""
    statement = _topping(chosen.analyzer is not None)
    return [(slug, n) for slug, n in statement.rows(connection, _given(chosen) | {"limit": TOP})]


def filtered_sums(connection: Connection, chosen: Selection, unit: int) -> dict[tuple[int, int], Counted]:
    """The chosen insights of each topic, and of ALL_TOPICS, in each unit of so many microseconds."""
    statement = _summing(chosen.analyzer is not None)
    rows = statement.rows(connection, _given(chosen) | {"unit": unit})
    found = {(topic, number): Counted(*sums) for topic, number, *sums in rows}
    for number, (negative, *others, score) in Narrowing(connection, chosen, ALL_TOPICS).sums_by(unit).items():
        found[ALL_TOPICS, number] = Counted(negative + sum(others), negative, score)
    return found


def _given(chosen: Selection) -> dict[str, Any]:
    window = {"start": chosen.start, "end": chosen.end, "analyzer": chosen.analyzer}
    return chosen.parameters(ALL_TOPICS) | window


@lru_cache(maxsize=2)
def _topping(by_analyzer: bool) -> Prepared:
    n = func.count().label("n")
    found = of_topics(select(topics.c.slug, n), by_analyzer).group_by(topics.c.number, topics.c.slug)
    first = by_code_point(topics.c.slug)
    return Prepared(found.order_by(literal_column("n").desc(), first).limit(bindparam("limit")))


@lru_cache(maxsize=2)
def _summing(by_analyzer: bool) -> Prepared:
    f = insight_topics.c
    unit = (f.timestamp // bindparam("unit", type_=BigInteger)).label("of")
    sums = (func.sum(each).cast(BigInteger) for each in (n_of(-1, insight_topics), f.score))
    found = select(f.topic, unit, func.count()).add_columns(*sums)
    return Prepared(of_topics(found, by_analyzer).group_by(f.topic, literal_column("of")))


def of_topics(chosen: Select[Any], by_analyzer: bool) -> Select[Any]:
    """Select the matching insights of a window under each topic, topic by topic along the key."""
    f = insight_topics.c
    joined = chosen.select_from(topics.join(insight_topics, f.topic == topics.c.number))
    window = f.timestamp >= bindparam("start"), f.timestamp < bindparam("end")
    return joined.where(*window, *narrowed(by_analyzer))


def narrowed(by_analyzer: bool) -> Iterator[ColumnElement[bool]]:
    """The conditions that a row of `insight_topics` matches."""
    f = insight_topics.c
    yield from matching(insight_topics)
    if by_analyzer:
        same = (insights.c.conversation == f.conversation) & (insights.c.analyzer == bindparam("analyzer"))
        yield select(insights.c.conversation).where(same).correlate(insight_topics).exists()
