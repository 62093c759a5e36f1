"""Windows over insights: the selection of insights, and their exact number.

The statements are built once: building a count of seven parts takes longer than running it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce
from operator import add
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Select,
    String,
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
from domain.fields.filters import FieldFilter
from models import (
    ALL_TOPICS,
    SKIPPED_CONVERSATIONS,
    counts,
    insight_topics,
    insights,
    topic_names,
    topics,
    totals,
)
from store.engine.prepared import Prepared
from store.insights import rollups
from store.insights.rollups import SCORED, SENTIMENTS, Kind, kind_of, n_of

Counts = Mapping[int, int]
"""The number of insights of each of SENTIMENTS."""
Position = tuple[int, ...]
"""By what lists of insights are ordered: timestamp and intake number, after the value if they are sorted by one."""


class Sort(StrEnum):
    """The order of a list of insights; `-` stands for descending. Equal values go by timestamp, then intake number."""

    NEWEST, OLDEST = "-timestamp", "timestamp"
    LOWEST_SCORE, HIGHEST_SCORE = "score", "-score"
    LEAST_CONFIDENT, MOST_CONFIDENT = "confidence", "-confidence"

    @property
    def descending(self) -> bool:
        """Whether values, timestamps and numbers descend; otherwise all of them ascend."""
        return self.value.startswith("-")

    @property
    def column(self) -> str:
        """The column of `insights` that is sorted by."""
        return self.value.removeprefix("-")

    @property
    def by_value(self) -> bool:
        """Whether positions begin with a score or confidence."""
        return self.column != "timestamp"


@dataclass(frozen=True, slots=True)
class Selection:
    """Selects insights by timestamp in `[start, end)` (UTC microseconds) and further conditions."""

    start: int
    end: int
    sentiment: int | None = None
    """One of SENTIMENTS."""
    min_confidence: int = 0
    """Percent."""
    cluster: str | None = None
    author: str | None = None
    sort: Sort = Sort.NEWEST
    analyzer: str | None = None
    model: str | None = None
    language: str | None = None
    """ISO 639-1."""
    keyword: str | None = None
    """Words that a message has to contain, all of them."""
    metadata: tuple[tuple[str, str], ...] = ()
    """Keys of the sender's metadata, each with its value as text."""
    fields: tuple[FieldFilter, ...] = ()
    """Of the operator's fields. `as_stored` puts the one that leaves the fewest insights first."""

    @property
    def is_plain(self) -> bool:
        """Whether roll-ups or an author's index count the selection."""
        beyond = self.analyzer, self.model, self.language, self.keyword
        return not (self.metadata or self.fields) and all(each is None for each in beyond)

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
        if self.sentiment is not None:
            return (self.sentiment,)
        # What is unsure has the confidence 0: a seek less in each bucket.
        return SCORED if self.min_confidence > 0 else SENTIMENTS

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
    c, pseudo = totals.c, (ALL_TOPICS, SKIPPED_CONVERSATIONS)
    sums = select(c.topic, func.sum(c.n)).where(c.topic.in_(pseudo), c.level == MONTH).group_by(c.topic)
    found = {topic: int(n) for topic, n in connection.execute(sums)}
    return found.get(ALL_TOPICS, 0), found.get(SKIPPED_CONVERSATIONS, 0)


def topic_number(connection: Connection, cluster: str | None) -> int | None:
    """The number that a topic is counted under, found by any of its names; ALL_TOPICS without a cluster.

    None if there is no such topic.
    """
    if cluster is None:
        return ALL_TOPICS
    found = find_topic(connection, cluster)
    return None if found is None else found.counted_as


class FoundTopic(NamedTuple):
    """A topic by one of its names."""

    number: int
    counted_as: int
    slug: str


def find_topic(connection: Connection, name: str) -> FoundTopic | None:
    """The topic with a slug, an alias or else a label, as `domain.topics.slug` writes it; None if there is none.

    Of a topic that was merged it is the one it was merged into.
    """
    rows = FOUND.rows(connection, {"name": name})
    return FoundTopic(*rows[0]) if rows else None


# --- statements ---------------------------------------------------------------------------------------------


def matching(table: FromClause) -> tuple[ColumnElement[bool], ...]:
    """The conditions for rows of insights or of a roll-up. Of `totals` every row may have matches; see `matches`."""
    if table is totals:
        return ()
    sentiment = table.c.sentiment.between(bindparam("lowest"), bindparam("highest"))
    return sentiment, table.c.confidence >= bindparam("min_confidence")


def matches(rolled: FromClause) -> ColumnElement[int]:
    """The number of matches in a row of a roll-up."""
    if rolled is counts:
        return counts.c.n
    return reduce(add, (_if_selected(sentiment, n_of(sentiment, rolled)) for sentiment in SENTIMENTS))


def _if_selected(sentiment: int, n: ColumnElement[int]) -> ColumnElement[int]:
    selected = literal_column(str(sentiment)).between(bindparam("lowest"), bindparam("highest"))
    return case((selected, n), else_=literal_column("0"))


def by_author(with_topic: bool) -> Select[Any]:
    """Select the positions of an author's insights, `with_topic` only of those under the topic."""
    c = insights.c
    found = select(c.timestamp, c.conversation).where(c.author == bindparam("author"), *matching(insights))
    if not with_topic:
        return found
    return found.where(under_topic(insights))


def under_topic(table: FromClause) -> ColumnElement[bool]:
    """The condition that an insight has the topic, or one of the union, that is the parameter `topic`.

    With an offset, so that PostgreSQL looks up each insight. Without it, it made a hash table of all insights of the
    topic to check two thousand: 2.5 s for the commonest of 10 million.
    """
    f = insight_topics.c
    same = (f.timestamp == table.c.timestamp) & (f.conversation == table.c.conversation)
    topic = bindparam("topic", type_=Integer)
    found = select(f.topic).where(f.topic.in_(select(topic).union_all(rollups.topics_of_union())), same)
    return found.correlate(table).offset(literal_column("0")).exists()


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


def _found() -> Select[Any]:
    """Select the topic of a name, then those of a label; the lowest number first."""
    named, shown = topics.alias("named"), topics.alias("shown")
    is_named = topic_names.join(named, named.c.number == topic_names.c.topic)
    is_shown = shown.c.number == func.coalesce(named.c.merged_into, named.c.number)
    of_name = select(literal_column("0").label("place"), shown.c.number, shown.c.counted_as, shown.c.slug)
    of_name = of_name.select_from(is_named.join(shown, is_shown)).where(
        topic_names.c.name == bindparam("name", type_=String)
    )
    of_label = select(literal_column("1").label("place"), topics.c.number, topics.c.counted_as, topics.c.slug)
    of_label = of_label.where(
        topics.c.label_slug == bindparam("name", type_=String), topics.c.merged_into.is_(None)
    )
    either = of_name.union_all(of_label).subquery()
    c = either.c
    first = select(c.number, c.counted_as, c.slug).order_by(c.place, c.number)
    return first.limit(literal_column("1"))


FOUND = Prepared(_found())
COUNT = {(kind, rolled): Prepared(_counting(kind, rolled)) for kind in Kind for rolled in (totals, counts)}
COUNT_AUTHOR = {filed: Prepared(_counting_author(filed)) for filed in (False, True)}
