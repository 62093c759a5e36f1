"""Weights of the topics of a selection that roll-ups do not count: an insight with k topics counts 1/k in each.

Every insight of the window is looked at, as for `filtered_topics.py`.
"""

from functools import lru_cache

from sqlalchemy import BigInteger, Connection, bindparam, case, func, select

from domain.analysis import UNSURE
from domain.explanation import Weighed
from models import ALL_TOPICS, WHOLE, insight_topics, topics
from store.engine.prepared import Prepared
from store.insights.filtered_topics import ALWAYS, How, given_of, how_narrowed, narrowed
from store.insights.narrowing import Narrowing
from store.insights.windows import Selection


def filtered_weights(connection: Connection, chosen: Selection) -> tuple[dict[int, Weighed], int]:
    """The weights of each topic that has some of the chosen insights, and of ALL_TOPICS; and how many were chosen."""
    rows = _weighing(how_narrowed(chosen)).rows(connection, given_of(chosen))
    found = {topic: Weighed(weight, weighted) for topic, weight, weighted in rows}
    total = 0
    for negative, neutral, positive, unsure, score in (
        Narrowing(connection, chosen, ALL_TOPICS).sums_by(ALWAYS).values()
    ):
        scored = negative + neutral + positive
        total += scored + unsure
        found[ALL_TOPICS] = Weighed(scored * WHOLE, score * WHOLE)
    return found, total


@lru_cache(maxsize=64)
def _weighing(how: How) -> Prepared:
    """Sum up the weights of each topic, and those multiplied by scores."""
    f = insight_topics.c
    joined = topics.join(insight_topics, f.topic == topics.c.number)
    rows = select(f.topic, f.conversation, f.sentiment, f.score).select_from(joined)
    within = f.timestamp >= bindparam("start"), f.timestamp < bindparam("end")
    chosen = rows.where(*within, *narrowed(insight_topics, how)).cte("chosen")
    of_each = select(chosen.c.conversation, func.count().label("k")).group_by(chosen.c.conversation)
    each = of_each.cte("each_one")
    # None of what is unsure: it has no score.
    weight = case((chosen.c.sentiment == UNSURE, 0), else_=WHOLE // each.c.k)
    sums = (func.sum(one).cast(BigInteger) for one in (weight, weight * chosen.c.score))
    found = select(chosen.c.topic, *sums).join(each, each.c.conversation == chosen.c.conversation)
    return Prepared(found.group_by(chosen.c.topic))
