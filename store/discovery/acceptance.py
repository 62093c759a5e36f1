"""A group that somebody accepts becomes a topic, and its conversations are filed under it, some at a time."""

from collections.abc import Sequence
from enum import Enum, auto

from sqlalchemy import Connection, select, update

from domain import topics as slugs
from models import DISCOVERED, conversations, insights, topics
from store.discovery import proposals
from store.insights import names, writing
from store.topics import catalogue

MOST = 5
"""Topics that an insight has at most: one that has as many loses its last."""
AT_ONCE = 200
"""Conversations that one transaction files anew."""


class TopicMade(Enum):
    """What came of an attempt to accept a group: made; it was not proposed any more; a topic has the name."""

    MADE, TOO_LATE, NAME_TAKEN = auto(), auto(), auto()


def make_topic(
    connection: Connection,
    id_: str,
    *,
    slug: str,
    label: str | None,
    description: str,
    by: str,
    now: int,
) -> TopicMade:
    """Make a topic of a proposed group."""
    names.hold(connection, alone=True)
    if not proposals.is_proposed(connection, id_):
        return TopicMade.TOO_LATE
    if names.topic_numbers(connection, [slug]):
        return TopicMade.NAME_TAKEN
    number = names.intern(connection, [slug], at=now)[slug]
    made = {
        "origin": DISCOVERED,
        "label": label,
        "label_slug": None if label is None else slugs.slug(label),
        "description": description,
        "edited": True,
    }
    connection.execute(update(topics).where(topics.c.number == number).values(made))
    catalogue.note_change(connection)
    proposals.note_accepted(connection, id_, number, by=by, now=now)
    return TopicMade.MADE


def file_some(
    connection: Connection, numbers: Sequence[int], topic: int, *, now: int, analyzer: str | None = None
) -> int:
    """File these conversations under a topic too; gives how many were not yet. Those that are gone are left out.

    With an analyzer, only those that it has analysed.
    """
    here = select(conversations.c.number).where(conversations.c.number.in_(numbers))
    connection.execute(here.order_by(conversations.c.number).with_for_update())
    slug = connection.scalar(select(topics.c.slug).where(topics.c.number == topic))
    i = insights.c
    found = select(i.conversation, i.clusters).where(i.conversation.in_(numbers))
    if analyzer is not None:
        found = found.where(i.analyzer == analyzer)
    rows = connection.execute(found).all()
    filed = {row.conversation: writing.parse_clusters(row.clusters) for row in rows}
    known = names.topic_numbers(connection, {name for each in filed.values() for name in each})
    new = {
        number: (*each[: MOST - 1], str(slug))
        for number, each in filed.items()
        if topic not in {known[name] for name in each}
    }
    writing.refile(connection, new, at=now)
    return len(new)
