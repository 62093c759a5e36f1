"""Windows over insights: the selection of insights, and their exact number.

The statements are built once: building a count of seven parts takes longer than running it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Table,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    select,
    union_all,
)

from domain.buckets import EDGE, MONTH
from models import (
    ALL_TOPICS,
    SKIPPED_CONVERSATIONS,
    counts,
    insight_topics,
    insights,
    topics,
    totals,
)
from store.engine.prepared import Prepared
from store.insights import rollups
from store.insights.rollups import SENTIMENTS, Kind, kind_of, n_of

Position = tuple[int, int]
"""Timestamp and intake number, by which lists of insights are ordered."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Selects insights by timestamp in `[start, end)` (UTC microseconds) and further conditions."""

    start: int
    end: int
    sentiment: int | None = None
    """1, 0 or -1."""
    min_confidence: int = 0
    """Percent."""
    cluster: str | None = None
    author: str | None = None

    @property
    def selective(self) -> bool:
        """Whether some insights of a topic and window may not match."""
        return self.sentiment is not None or self.min_confidence > 0

    @property
    def rolled(self) -> Table:
        """The roll-up to count in: only `counts` distinguishes levels of confidence."""
        return counts if self.min_confidence > 0 else totals

    @property
    def sentiments(self) -> Sequence[int]:
        """The sentiments that match, ascending."""
        return SENTIMENTS if self.sentiment is None else (self.sentiment,)

    def parameters(self, topic: int) -> dict[str, Any]:
        """The conditions as parameters of the statements."""
        return {
            "topic": topic,
            "author": self.author,
            "lowest": self.sentiments[0],
            "highest": self.sentiments[-1],
            "any": self.sentiments,
            "min_confidence": self.min_confidence,
        }


def count_insights(connection: Connection, topic: int, chosen: Selection) -> int:
    """Count the chosen insights of a topic exactly. `topic` is its number; `chosen.cluster` is ignored."""
    parameters = chosen.parameters(topic) | {"start": chosen.start, "end": chosen.end}
    if chosen.author is not None:
        return COUNT_AUTHOR[topic != ALL_TOPICS].scalar(connection, parameters) or 0
    kind = kind_of(topic)
    of_window = rollups.window_parameters(kind, chosen.rolled, chosen.start, chosen.end)
    return COUNT[kind, chosen.rolled].scalar(connection, parameters | of_window) or 0


def count_skipped(connection: Connection, start: int, end: int) -> int:
    """Count the skipped conversations of a window exactly."""
    return count_insights(connection, SKIPPED_CONVERSATIONS, Selection(start, end))


def count_all_time(connection: Connection) -> tuple[int, int]:
    """Count all insights and all skipped conversations."""
    c = totals.c
    sums = select(c.topic, func.sum(c.n)).where(c.topic <= ALL_TOPICS, c.level == MONTH).group_by(c.topic)
    found = {topic: int(n) for topic, n in connection.execute(sums)}
    return found.get(ALL_TOPICS, 0), found.get(SKIPPED_CONVERSATIONS, 0)


def topic_number(connection: Connection, cluster: str | None) -> int | None:
    """The number of a topic; ALL_TOPICS without a cluster, None if no insight ever had this topic."""
    if cluster is None:
        return ALL_TOPICS
    found = NUMBER.rows(connection, {"slug": cluster})
    return found[0][0] if found else None


# --- statements ---------------------------------------------------------------------------------------------


def matching(table: FromClause) -> tuple[ColumnElement[bool], ...]:
    """The conditions for rows of insights or of a roll-up. Of `totals` every row may have matches; see `matches`."""
    if table is totals:
        return ()
    sentiment = table.c.sentiment.between(bindparam("lowest"), bindparam("highest"))
    return sentiment, table.c.confidence >= bindparam("min_confidence")


def matches(rolled: Table) -> ColumnElement[int]:
    """The number of matches in a row of a roll-up."""
    if rolled is counts:
        return rolled.c.n
    return reduce(add, (_if_selected(sentiment, n_of(sentiment, rolled)) for sentiment in SENTIMENTS))


def _if_selected(sentiment: int, n: ColumnElement[int]) -> ColumnElement[int]:
    selected = literal_column(str(sentiment)).between(bindparam("lowest"), bindparam("highest"))
    return case((selected, n), else_=literal_column("0"))


def by_author(with_topic: bool) -> Select[Any]:
    """Select the positions of an author's insights, `with_topic` only of those under the topic."""
    c, f = insights.c, insight_topics.c
    found = select(c.timestamp, c.conversation).where(c.author == bindparam("author"), *matching(insights))
    if not with_topic:
        return found
    same = (f.topic == bindparam("topic")) & (f.timestamp == c.timestamp) & (f.conversation == c.conversation)
    return found.where(select(f.topic).where(same).exists())


def _counting(kind: Kind, rolled: Table) -> Select[Any]:
    each = []
    for part in rollups.window_parts(kind, rolled):
        whole = part.level == EDGE or kind is Kind.SKIPPED
        n = part.n if whole else part.sum(matches(part.table))
        conditions = () if kind is Kind.SKIPPED else matching(part.table)
        each.append(select(n.label("n")).where(*part.within, *conditions))
    return select(cast(func.sum(union_all(*each).subquery().c.n), BigInteger))


def _counting_author(with_topic: bool) -> Select[Any]:
    of_window = insights.c.timestamp >= bindparam("start"), insights.c.timestamp < bindparam("end")
    return select(func.count()).select_from(by_author(with_topic).where(*of_window).subquery())


NUMBER = Prepared(select(topics.c.number).where(topics.c.slug == bindparam("slug")))
COUNT = {(kind, rolled): Prepared(_counting(kind, rolled)) for kind in Kind for rolled in (totals, counts)}
COUNT_AUTHOR = {filed: Prepared(_counting_author(filed)) for filed in (False, True)}
