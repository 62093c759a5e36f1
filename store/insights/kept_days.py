"""Whole UTC days that are kept in memory, and what they say of the past of topics."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest

from sqlalchemy import Connection, bindparam, select

from domain.surprise import History
from models import changed_days
from store.engine.prepared import Prepared
from store.insights.topic_sums import Amount, Places


@dataclass(frozen=True, slots=True)
class KeptDay:
    """A day: the sums of its topics, each amount as one number of a column by place."""

    changes: int
    total: int
    """The day's insights."""
    columns: Mapping[Amount, int]
    squares: Sequence[float]
    """By place the number of the topic's insights, squared, over the day's insights."""


@dataclass(frozen=True, slots=True)
class Histories(Mapping[int, History]):
    """The history of every topic that had insights on some days, by the topic's number."""

    days: int
    """Those with insights."""
    conversations: int
    n: Mapping[int, int]
    """The insights of each topic."""
    _places: Places
    _kept: Sequence[KeptDay]

    def most_frequent(self, most: int) -> Iterator[History]:
        """Those of the topics with the most insights."""
        return (self[topic] for topic in nlargest(most, self.n, key=self.n.__getitem__))

    def __getitem__(self, topic: int) -> History:
        place = self._places.get(topic) or 0
        squares = sum(day.squares[place] for day in self._kept if place < len(day.squares))
        return History(self.days, self.conversations, self.n[topic], squares)

    def __iter__(self) -> Iterator[int]:
        return iter(self.n)

    def __len__(self) -> int:
        return len(self.n)


def versions_of_days(connection: Connection, days: range) -> Sequence[Sequence[int]]:
    """Those of the days that have ever had insights, each with how often it has changed."""
    return CHANGES.rows(connection, {"first": days.start, "end": days.stop})


CHANGES = Prepared(
    select(changed_days.c.day, changed_days.c.changes).where(
        changed_days.c.day >= bindparam("first"), changed_days.c.day < bindparam("end")
    )
)
