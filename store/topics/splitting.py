"""Splitting a topic: conversations that contain some words, or are of a group, move to a topic of their own.

They move a few at a time, each with a note of what it was filed under before. Their insights are filed anew, so what
was moved counts where it is, whatever becomes of both topics.
"""

import json
from collections.abc import Collection, Sequence

from sqlalchemy import Connection, delete, insert, select, update

from core.errors import BadTopicChange, TopicConflict
from domain.search_words import phrases_in
from domain.topics import topic_id
from models import (
    ACTIVE,
    DISCOVERED,
    HIDDEN,
    HUMAN,
    conversations,
    insight_topics,
    insights,
    topic_moves,
    topics,
)
from store.insights import names, writing
from store.insights.unions import Place
from store.search import index
from store.topics import catalogue, changes, merging
from store.topics.catalogue import Topic
from store.topics.changes import SPLIT, By

AT_ONCE = 200
"""Conversations that one step looks at."""
MADE = {"state": ACTIVE, "origin": HUMAN, "label": None, "label_slug": None, "description": ""}
_t, _f, _v, _i = topics.c, insight_topics.c, topic_moves.c, insights.c


def to_split(connection: Connection, name: str, slug: str) -> Topic:
    """The topic of a split. Raises NoSuchTopic, and TopicConflict if the slug is a name that is in use."""
    topic = changes.changeable(connection, name)
    owner = names.topic_numbers(connection, [slug]).get(slug)
    if owner is not None and not is_left_over(connection, owner):
        raise TopicConflict(f"slug: it is a name of {topic_id(owner)} already")
    return topic


def is_left_over(connection: Connection, number: int) -> bool:
    """Whether a split or an acceptance made the topic and was undone: it is hidden, and nothing is filed under it."""
    topic = catalogue.get(connection, number)
    is_empty = merging.size(connection, [number]) == 0
    return topic.state == HIDDEN and topic.origin in (HUMAN, DISCOVERED) and is_empty


def ensure_words(words: str) -> None:
    """Raises BadTopicChange if there is no word to look for."""
    if not phrases_in(words):
        raise BadTopicChange("words: must contain a letter or digit")


def make(connection: Connection, topic: int, slug: str, how: str, by: By) -> tuple[int, int]:
    """Make the topic that is split off; gives the number of the change, and of the topic."""
    names.hold(connection, alone=True)
    number = names.topic_numbers(connection, [slug]).get(slug)
    if number is None:
        number = catalogue.add(connection, slug, origin=HUMAN, now=by.now, edited=True)
    # What is left over of another topic may have had a label and a meaning, which are not this one's.
    connection.execute(update(topics).where(_t.number == number).values(MADE))
    after = {"into": number, "how": how}
    return changes.note(connection, SPLIT, topic, [number], {}, after, by), number


def next_of(connection: Connection, topic: int, after: Place, limit: int) -> list[Place]:
    """The places of the next conversations of a topic, also of those that were merged into it."""
    given = {"at": after[0], "number": after[1] + 1, "limit": limit}
    own = merging.members(connection, topic)
    found = {
        (row[0], row[1]) for each in own for row in merging.NEXT.rows(connection, given | {"topic": each})
    }
    return sorted(found)[:limit]


def with_words(connection: Connection, words: str, numbers: Collection[int]) -> set[int]:
    """Those of these conversations that have a message with all the words."""
    return set(index.matching_chats(connection, phrases_in(words), among=sorted(numbers)))


def move(
    connection: Connection, numbers: Collection[int], change: int, topic: int, into: int, *, now: int
) -> int:
    """File conversations under another topic in place of this one, those that were merged into it included."""
    found = _locked(connection, numbers)
    own = set(merging.members(connection, topic))
    slug = str(connection.scalar(select(_t.slug).where(_t.number == into)))
    known = names.topic_numbers(connection, {name for each in found.values() for name in each})
    new = {
        number: list(dict.fromkeys(slug if known[name] in own else name for name in each))
        for number, each in found.items()
        if own.intersection(known[name] for name in each)
    }
    if new:
        rows = [
            {"change": change, "conversation": n, "before": json.dumps(found[n]), "after": json.dumps(each)}
            for n, each in sorted(new.items())
        ]
        writing.refile(connection, new, at=now)
        connection.execute(insert(topic_moves), rows)
    return len(new)


def _locked(connection: Connection, numbers: Collection[int]) -> dict[int, Sequence[str]]:
    """What each of these conversations is filed under; their rows are locked first, as everywhere."""
    n = conversations.c.number
    connection.execute(select(n).where(n.in_(numbers)).order_by(n).with_for_update())
    rows = connection.execute(select(_i.conversation, _i.clusters).where(_i.conversation.in_(numbers)))
    return {row.conversation: writing.parse_clusters(row.clusters) for row in rows}


# --- taking it back ---------------------------------------------------------------------------------------------


def moved(connection: Connection, change: int) -> int:
    """How many conversations a split has moved that are still there."""
    return len(connection.scalars(select(_v.conversation).where(_v.change == change)).all())


def move_back(connection: Connection, change: int, limit: int, *, now: int) -> int:
    """Give some conversations their topics back; gives how many were looked at, 0 when none is left.

    One that was analysed anew meanwhile, or that somebody filed elsewhere, keeps what it has.
    """
    mine = select(_v.conversation).where(_v.change == change).order_by(_v.conversation).limit(limit)
    numbers = connection.scalars(mine).all()
    if not numbers:
        return 0
    filed = _locked(connection, numbers)
    some = (_v.change == change, _v.conversation.in_(numbers))
    rows = connection.execute(select(_v.conversation, _v.before, _v.after).where(*some)).all()
    back = {
        row.conversation: json.loads(row.before)
        for row in rows
        if list(filed.get(row.conversation, ())) == json.loads(row.after)
    }
    if back:
        writing.refile(connection, back, at=now)
    connection.execute(delete(topic_moves).where(*some))
    return len(numbers)


def end_undo(connection: Connection, by: By) -> int:
    """Note that the last change, a split, was undone; gives the number of the topic that it had made.

    That is hidden, unless more was filed under it since.
    """
    change = changes.last(connection)
    into: int = json.loads(change.after)["into"]
    if merging.size(connection, [into]) == 0:
        connection.execute(update(topics).where(_t.number == into).values(state=HIDDEN))
    changes.note_undone(connection, change.number, by)
    return into
