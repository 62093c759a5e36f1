"""The topics that people see, and when each was heard of first and last."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, Select, literal_column, select

from domain.topics import label_of
from models import ACTIVE, insight_topics, topics, union_topics
from store.engine.prepared import Prepared, listed


class ListedTopic(NamedTuple):
    """A topic that people see."""

    slug: str
    label: str
    counted_as: int
    """The number under which roll-ups count it."""
    parts: tuple[int, ...]
    """The numbers of the topics that insights are filed under."""

    @property
    def is_union(self) -> bool:
        """Whether others were merged into it, so that an insight may be filed under several of its parts."""
        return len(self.parts) > 1


class Seen(NamedTuple):
    """When the first and the last insight under a topic were said, in UTC microseconds."""

    first: int
    last: int

    @classmethod
    def of(cls, times: Mapping[int, "Seen"], topic: ListedTopic) -> "Seen | None":
        """Of the topics that make up this one; None if there is no insight."""
        known = [times[part] for part in topic.parts if part in times]
        return cls(min(each.first for each in known), max(each.last for each in known)) if known else None


def listed_topics(connection: Connection) -> Sequence[ListedTopic]:
    """All topics that people see: those that are neither hidden nor merged into another."""
    parts: defaultdict[int, list[int]] = defaultdict(list)
    for whole, part in PARTS.rows(connection, {}):
        parts[whole].append(part)
    return [
        ListedTopic(slug, label or label_of(slug), number, tuple(parts.get(number, (number,))))
        for number, slug, label in TOPICS.rows(connection, {})
    ]


def seen(connection: Connection, numbers: Collection[int]) -> dict[int, Seen]:
    """When the topics with these numbers were first and last seen; those without insights are left out."""
    rows = SEEN.rows(connection, {"numbers": numbers})
    return {number: Seen(first, last) for number, first, last in rows if first is not None}


def _seen() -> Select[int]:
    """Select the ends of each topic's range of the key."""
    f, number = insight_topics.c, listed("numbers")
    one = (
        select(f.timestamp)
        .where(f.topic == number)
        .limit(literal_column("1"))
        .correlate_except(insight_topics)
    )
    first, last = one.order_by(f.timestamp), one.order_by(f.timestamp.desc())
    return select(number).add_columns(
        first.scalar_subquery().label("first"), last.scalar_subquery().label("last")
    )


TOPICS = Prepared(
    select(topics.c.counted_as, topics.c.slug, topics.c.label).where(
        topics.c.state == literal_column(f"'{ACTIVE}'"), topics.c.counted_as.is_not(None)
    )
)
PARTS = Prepared(select(union_topics.c.whole, union_topics.c.topic).order_by(union_topics.c.topic))
SEEN = Prepared(_seen())
