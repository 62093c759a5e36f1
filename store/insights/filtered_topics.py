"""Topics of a selection that roll-ups do not count: narrowed by analyzer, sentiment or confidence.

Every insight of the window is looked at, topic by topic, so the time grows with the window: 0.3 s for a month of 10
million insights over 400 days.
"""

from dataclasses import replace
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, FromClause, Select, bindparam, func, literal_column, select

from models import ACTIVE, insight_topics, insights, topics, union_topics
from store.engine.prepared import Prepared, by_code_point
from store.insights.narrowing import makers
from store.insights.top_topics import TOP, TopTopics
from store.insights.windows import Selection, matching


def without_needless_filters(connection: Connection, chosen: Selection) -> Selection:
    """The same selection without an analyzer, if that made all insights there are."""
    if chosen.analyzer is None:
        return chosen
    is_only_one = {analyzer for analyzer, _ in makers(connection)} == {chosen.analyzer}
    return replace(chosen, analyzer=None) if is_only_one else chosen


def top_filtered_topics(connection: Connection, chosen: Selection) -> TopTopics:
    """The ten topics with the most of the chosen insights; equal ones by slug."""
    window = {"start": chosen.start, "end": chosen.end, "limit": TOP}
    statement = _topping(chosen.analyzer is not None, bool(ANY_MERGED.rows(connection, {})))
    return [
        (slug, n) for slug, n in statement.rows(connection, chosen.parameters(0) | window | _made(chosen))
    ]


def _made(chosen: Selection) -> dict[str, Any]:
    return {"analyzer": chosen.analyzer}


@lru_cache(maxsize=4)
def _topping(by_analyzer: bool, any_merged: bool) -> Prepared:
    shown = topics.alias("shown")
    # An insight that has several topics of a union counts once, which takes longer to count.
    n = func.count(insight_topics.c.conversation.distinct()) if any_merged else func.count()
    found = _filed(select(shown.c.slug, n.label("n")), shown, by_analyzer)
    found = found.where(shown.c.state == ACTIVE).group_by(shown.c.number, shown.c.slug)
    return Prepared(
        found.order_by(literal_column("n").desc(), by_code_point(shown.c.slug)).limit(bindparam("limit"))
    )


def _filed(chosen: Select[Any], shown: FromClause, by_analyzer: bool) -> Select[Any]:
    """Select the matching insights of a window under each topic, topic by topic along the key.

    `shown` is the topic itself, or the one that it was merged into.
    """
    f = insight_topics.c
    is_shown = shown.c.number == func.coalesce(topics.c.merged_into, topics.c.number)
    own = topics.join(insight_topics, f.topic == topics.c.number)
    joined = chosen.select_from(own.join(shown, is_shown))
    window = f.timestamp >= bindparam("start"), f.timestamp < bindparam("end")
    found = joined.where(*window, *matching(insight_topics))
    if not by_analyzer:
        return found
    same = (insights.c.conversation == f.conversation) & (insights.c.analyzer == bindparam("analyzer"))
    return found.where(select(insights.c.conversation).where(same).correlate(insight_topics).exists())


ANY_MERGED = Prepared(select(union_topics.c.topic).limit(literal_column("1")))
"""Whether some topics are counted as a union."""
