"""Unions: several topics that are counted together, each conversation once, under a number of the union's own.

A union has rows in the roll-ups, and none in `insight_topics`. While it is being built, only conversations before a
place are counted in it. So a conversation that is filed counts in a union if one of its topics belongs to it, and its
place has been passed.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select

from models import FIRST_UNION, topic_unions, union_topics
from store.engine.prepared import Prepared
from store.insights import rollups

Place = tuple[int, int]
"""Timestamp (UTC microseconds) and intake number: the order of insights under a topic."""
_u, _m = topic_unions.c, union_topics.c
MEMBERS = Prepared(
    select(_m.topic, _u.number, _u.built_at, _u.built_number).join_from(union_topics, topic_unions)
)
TOPICS = Prepared(rollups.topics_of_union().order_by(_m.topic))


class Union(NamedTuple):
    """A union that a topic belongs to."""

    number: int
    built: Place | None
    """The place before which it is counted; None if it is complete."""

    def counts(self, place: Place) -> bool:
        """Whether what is at a place is counted."""
        return self.built is None or place < self.built


Unions = Mapping[int, Sequence[Union]]
"""The unions that each topic, by its number, belongs to."""


def unions(connection: Connection) -> Unions:
    """All unions that are counted, by the topics that belong to them."""
    found: defaultdict[int, list[Union]] = defaultdict(list)
    for topic, number, at, conversation in MEMBERS.rows(connection, {}):
        found[topic].append(Union(number, None if at is None else (at, conversation)))
    return found


def single_topics(connection: Connection, topic: int) -> Sequence[int]:
    """The topics of a union, by its number; any other topic is its own only one."""
    if topic < FIRST_UNION:
        return (topic,)
    return [number for (number,) in TOPICS.rows(connection, {"topic": topic})]


def counted_in(known: Unions, topics: Collection[int], place: Place) -> Iterator[int]:
    """The numbers of the unions in which a conversation at a place counts that is filed under these topics."""
    yield from {union.number for topic in topics for union in known.get(topic, ()) if union.counts(place)}
