"""A group that somebody accepts becomes a topic, and its conversations are filed under it, some at a time."""

import json
from collections.abc import Mapping, Sequence
from enum import Enum, auto

from sqlalchemy import Connection, delete, insert, select, update

from domain import topics as slugs
from models import ACTIVE, DISCOVERED, conversations, insights, topic_changes, topic_moves, topics
from store.discovery import proposals
from store.insights import names, writing
from store.topics import catalogue, changes, splitting
from store.topics.changes import PROPOSAL, SPLIT, By

MOST = 5
"""Topics that an insight has at most: one that has as many loses its last."""
AT_ONCE = 200
"""Conversations that one transaction files anew."""
_c = topic_changes.c


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
    if _is_taken(connection, slug, label):
        return TopicMade.NAME_TAKEN
    number = names.intern(connection, [slug], at=now)[slug]
    made = {
        "label": label,
        "label_slug": None if label is None else slugs.slug(label),
        "description": description,
        "origin": DISCOVERED,
        "state": ACTIVE,
        "edited": True,
    }
    connection.execute(update(topics).where(topics.c.number == number).values(made))
    # Like a split: what is filed under the topic from now on is noted, so that undoing it gives each its topics back.
    after = {"into": number, "how": PROPOSAL, "proposal": id_}
    changes.note(connection, SPLIT, number, [number], {}, after, By(by, now))
    proposals.note_accepted(connection, id_, number, by=by, now=now)
    return TopicMade.MADE


def _is_taken(connection: Connection, slug: str, label: str | None) -> bool:
    """Whether a topic has one of the names. What an undone acceptance has left under the slug does not count."""
    by_slug = catalogue.number_of(connection, slug)
    by_label = None if label is None else catalogue.number_of(connection, label)
    if by_slug is None:
        return by_label is not None
    return by_label not in (None, by_slug) or not splitting.is_left_over(connection, by_slug)


def file_some(
    connection: Connection, numbers: Sequence[int], topic: int, *, now: int, analyzer: str | None = None
) -> int:
    """File these conversations under a topic too; gives how many were not yet. Those that are gone are left out.

    With an analyzer, only those that it has analysed.
    """
    names.hold(connection)
    change = _standing(connection, topic)
    if change is None:
        return 0
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
    _note_moves(connection, change, {number: (filed[number], each) for number, each in new.items()})
    return len(new)


def _standing(connection: Connection, topic: int) -> int | None:
    """The change that made the topic of a group; None if it was taken back."""
    splits = _c.topic == topic, _c.kind == SPLIT, _c.undone_at.is_(None)
    rows = connection.execute(select(_c.number, _c.after).where(*splits).order_by(_c.number)).all()
    return next((row.number for row in rows if json.loads(row.after)["how"] == PROPOSAL), None)


def _note_moves(
    connection: Connection, change: int, moves: Mapping[int, tuple[Sequence[str], Sequence[str]]]
) -> None:
    """Note what conversations were filed under before and afterwards; the last time counts."""
    if not moves:
        return
    of_change = topic_moves.c.change == change, topic_moves.c.conversation.in_(moves)
    connection.execute(delete(topic_moves).where(*of_change))
    rows = [
        {"change": change, "conversation": number, "before": json.dumps(before), "after": json.dumps(after)}
        for number, (before, after) in sorted(moves.items())
    ]
    connection.execute(insert(topic_moves), rows)
