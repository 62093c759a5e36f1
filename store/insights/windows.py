"""Windows over insights: which ones are meant, and how many there are, exactly.

The statements are built once: putting a count of seven parts together takes longer than running it.
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
"""Timestamp and intake number: where an insight stands in a window."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which insights: timestamp in `[start, end)` (UTC microseconds), and what each must be."""

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
        """The roll-up that tells apart what has to be told apart."""
        return counts if self.min_confidence > 0 else totals

    @property
    def sentiments(self) -> Sequence[int]:
        """The sentiments that match, rising."""
        return SENTIMENTS if self.sentiment is None else (self.sentiment,)

    def parameters(self, topic: int) -> dict[str, Any]:
        """What statements call these conditions."""
        return {
            "topic": topic,
            "author": self.author,
            "lowest": self.sentiments[0],
            "highest": self.sentiments[-1],
            "any": self.sentiments,
            "min_confidence": self.min_confidence,
        }


def total_of(connection: Connection, topic: int, chosen: Selection) -> int:
    """How many insights of a topic or pseudo topic, by its number, were chosen, exactly, whatever their cluster."""
    given = chosen.parameters(topic) | {"start": chosen.start, "end": chosen.end}
    if chosen.author is not None:
        return COUNT_AUTHOR[topic != ALL_TOPICS].scalar(connection, given) or 0
    kind = kind_of(topic)
    pieces = rollups.where(kind, chosen.rolled, chosen.start, chosen.end)
    return COUNT[kind, chosen.rolled].scalar(connection, given | pieces) or 0


def skipped(connection: Connection, start: int, end: int) -> int:
    """How many conversations of the window were skipped, exactly."""
    return total_of(connection, SKIPPED_CONVERSATIONS, Selection(start, end))


def totals_ever(connection: Connection) -> tuple[int, int]:
    """How many insights there are, and how many skipped conversations."""
    c = totals.c
    sums = select(c.topic, func.sum(c.n)).where(c.topic <= ALL_TOPICS, c.level == MONTH).group_by(c.topic)
    found = {topic: int(n) for topic, n in connection.execute(sums)}
    return found.get(ALL_TOPICS, 0), found.get(SKIPPED_CONVERSATIONS, 0)


def topic_of(connection: Connection, cluster: str | None) -> int | None:
    """The topic's number, ALL_TOPICS where none is asked for, None where nothing was ever filed under it."""
    if cluster is None:
        return ALL_TOPICS
    found = NUMBER.rows(connection, {"slug": cluster})
    return found[0][0] if found else None


# --- statements ---------------------------------------------------------------------------------------------


def matching(table: FromClause) -> tuple[ColumnElement[bool], ...]:
    """That rows of insights or of a roll-up may match; of `totals` all may, `matches` says how many."""
    if table is totals:
        return ()
    sentiment = table.c.sentiment.between(bindparam("lowest"), bindparam("highest"))
    return sentiment, table.c.confidence >= bindparam("min_confidence")


def matches(rolled: Table) -> ColumnElement[int]:
    """How many matches a row of a roll-up that may match stands for."""
    if rolled is counts:
        return rolled.c.n
    return reduce(add, (_if_asked_for(sentiment, n_of(sentiment, rolled)) for sentiment in SENTIMENTS))


def _if_asked_for(sentiment: int, n: ColumnElement[int]) -> ColumnElement[int]:
    asked_for = literal_column(str(sentiment)).between(bindparam("lowest"), bindparam("highest"))
    return case((asked_for, n), else_=literal_column("0"))


def by_author(filed: bool) -> Select[Any]:
    """The positions of an author's insights; where they have to be `filed`, of those under the topic."""
    c, f = insights.c, insight_topics.c
    found = select(c.timestamp, c.conversation).where(c.author == bindparam("author"), *matching(insights))
    if not filed:
        return found
    same = (f.topic == bindparam("topic")) & (f.timestamp == c.timestamp) & (f.conversation == c.conversation)
    return found.where(select(f.topic).where(same).exists())


def _counting(kind: Kind, rolled: Table) -> Select[Any]:
    each = []
    for part in rollups.pieces(kind, rolled):
        whole = part.level == EDGE or kind is Kind.SKIPPED
        n = part.n if whole else part.sum(matches(part.table))
        conditions = () if kind is Kind.SKIPPED else matching(part.table)
        each.append(select(n.label("n")).where(*part.within, *conditions))
    return select(cast(func.sum(union_all(*each).subquery().c.n), BigInteger))


def _counting_author(filed: bool) -> Select[Any]:
    of_window = insights.c.timestamp >= bindparam("start"), insights.c.timestamp < bindparam("end")
    return select(func.count()).select_from(by_author(filed).where(*of_window).subquery())


NUMBER = Prepared(select(topics.c.number).where(topics.c.slug == bindparam("slug")))
COUNT = {(kind, rolled): Prepared(_counting(kind, rolled)) for kind in Kind for rolled in (totals, counts)}
COUNT_AUTHOR = {filed: Prepared(_counting_author(filed)) for filed in (False, True)}
