"""Merging topics: a union is counted in steps while nobody reads it, then one small transaction switches to it.

Rows of `insight_topics` stay under the topics that they are filed under, so merging moves none of them, and undoing is
another switch. A union is counted from the oldest insight to the newest. Writers add to it what lies before the place
that has been reached, in their own transactions, so its counts are exact up to there at every commit.

That counting with one merge join on a reader's snapshot would be faster, by a factor of ten perhaps. It would have to
begin between two writers, begin anew after a restart, and hold a snapshot for as long as it lasts.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Integer, Row, bindparam, delete, func, insert, select, tuple_, update

from core.errors import BadTopicChange, TopicConflict
from domain.buckets import MONTH
from models import (
    BUILDING,
    DROPPED,
    FIRST_UNION,
    LIVE,
    MERGED,
    insight_topics,
    topic_unions,
    topics,
    totals,
    union_topics,
)
from store.engine.prepared import Prepared
from store.insights import names
from store.insights.rollup_changes import Fact, update_counts
from store.insights.unions import Place
from store.topics import catalogue, changes
from store.topics.catalogue import Topic
from store.topics.changes import MERGE, By, Json

MOST_TOPICS = 50
"""In one union: lists and edges of windows read each of them."""
BEGINNING: Place = (-(2**62), 0)
"""Before every insight."""
_t, _u, _m, _f = topics.c, topic_unions.c, union_topics.c, insight_topics.c
_place = tuple_(_f.timestamp, _f.conversation)
NEXT = Prepared(
    select(_f.timestamp, _f.conversation, _f.sentiment, _f.confidence, _f.score)
    .where(_f.topic == bindparam("topic", type_=Integer))
    .where(_f.timestamp >= bindparam("at"), _place >= tuple_(bindparam("at"), bindparam("number")))
    .order_by(_f.timestamp, _f.conversation)
    .limit(bindparam("limit"))
)


def members(connection: Connection, number: int) -> list[int]:
    """A topic and those that are merged into it, by number."""
    found = select(_t.number).where((_t.number == number) | (_t.merged_into == number)).order_by(_t.number)
    return list(connection.scalars(found))


def to_merge(connection: Connection, sources: Sequence[str], into: str) -> tuple[list[Topic], Topic]:
    """The topics of a merge. Raises NoSuchTopic, TopicConflict, and BadTopicChange for what cannot be merged."""
    target = changes.changeable(connection, into)
    found = {each.number: each for each in (changes.changeable(connection, name) for name in sources)}
    if target.number in found:
        raise BadTopicChange("from: must not have the topic that the others are merged into")
    if sum(len(members(connection, number)) for number in (target.number, *found)) > MOST_TOPICS:
        raise BadTopicChange(f"from: a topic is made of at most {MOST_TOPICS}")
    return [found[number] for number in sorted(found)], target


def size(connection: Connection, numbers: Iterable[int]) -> int:
    """The number of insights under these topics; one under several counts several times."""
    t = totals.c
    counted = select(func.coalesce(func.sum(t.n), 0)).where(t.topic.in_(list(numbers)), t.level == MONTH)
    return int(connection.scalar(counted) or 0)


# --- unions ---------------------------------------------------------------------------------------------------


def begin_union(connection: Connection, numbers: Sequence[int]) -> int:
    """Begin a union of topics, which nobody reads yet; gives its number."""
    names.hold(connection, alone=True)
    newest = connection.scalar(select(func.max(_u.number)))
    number = FIRST_UNION if newest is None else newest + 1
    at, conversation = BEGINNING
    connection.execute(
        insert(topic_unions).values(number=number, state=BUILDING, built_at=at, built_number=conversation)
    )
    connection.execute(insert(union_topics), [{"whole": number, "topic": each} for each in numbers])
    return number


def build_some(connection: Connection, union: int, limit: int) -> tuple[int, bool]:
    """Count the next insights of a union, about `limit` of each topic; gives how many, and whether it is complete."""
    names.hold(connection, alone=True)
    row = connection.execute(select(_u.built_at, _u.built_number).where(_u.number == union)).one()
    if row.built_at is None:
        return 0, True
    given = {"at": row.built_at, "number": row.built_number, "limit": limit}
    own = connection.scalars(select(_m.topic).where(_m.whole == union).order_by(_m.topic)).all()
    found = [NEXT.rows(connection, given | {"topic": topic}) for topic in own]
    # A topic of which there is more has been read up to here only.
    ends = [(rows[-1][0], rows[-1][1]) for rows in found if len(rows) == limit]
    until = min(ends, default=None)
    counted = {
        (at, number): rest
        for rows in found
        for at, number, *rest in rows
        if until is None or (at, number) <= until
    }
    facts = (Fact(union, at, *rest) for (at, _), rest in counted.items())
    update_counts(connection, facts)
    reached: Mapping[str, Any] = (
        {"built_at": None, "built_number": None}
        if until is None
        else {"built_at": until[0], "built_number": until[1] + 1}
    )
    connection.execute(update(topic_unions).where(_u.number == union).values(reached))
    return len(counted), until is None


def drop(connection: Connection, unions: Iterable[int]) -> bool:
    """Count no more in these unions; gives whether there are any. Their counts are to be swept away afterwards."""
    gone = sorted(unions)
    if gone:
        names.hold(connection, alone=True)
        connection.execute(delete(union_topics).where(_m.whole.in_(gone)))
        connection.execute(update(topic_unions).where(_u.number.in_(gone)).values(state=DROPPED))
    return bool(gone)


# --- the switch -----------------------------------------------------------------------------------------------


def switch(connection: Connection, union: int, sources: Sequence[int], into: int, by: By) -> bool:
    """Let a topic be the union of itself and others, from now on; gives whether there is something to sweep away.

    Raises TopicConflict if one of them was merged meanwhile.
    """
    names.hold(connection, alone=True)
    target, others = catalogue.get(connection, into), [catalogue.get(connection, each) for each in sources]
    if any(each.state == MERGED for each in (target, *others)):
        raise TopicConflict("one of the topics was merged meanwhile")
    before = {
        "parent": connection.scalar(select(_t.parent).where(_t.number == into)),
        "topics": [_group(connection, each) for each in (target, *others)],
    }
    _merge(connection, union, sources, into)
    after = {"into": into, "from": list(sources)}
    changes.note(connection, MERGE, into, sources, before, after, by)
    return drop(connection, _unions_of((target, *others)))


def _group(connection: Connection, topic: Topic) -> Json:
    return {"number": topic.number, "state": topic.state, "members": members(connection, topic.number)}


def _unions_of(found: Iterable[Topic]) -> list[int]:
    numbers = (each.counted_as for each in found)
    return [number for number in numbers if number is not None and number >= FIRST_UNION]


def _merge(connection: Connection, union: int, sources: Sequence[int], into: int) -> None:
    theirs = _t.number.in_(sources) | _t.merged_into.in_(sources)
    merged = {"state": MERGED, "counted_as": None, "merged_into": into}
    connection.execute(update(topics).where(theirs).values(merged))
    connection.execute(update(topics).where(_t.number == into).values(counted_as=union))
    connection.execute(update(topic_unions).where(_u.number == union).values(state=LIVE))
    parent = catalogue.get(connection, into).parent
    if parent is not None and into in changes.ancestors(connection, parent):
        connection.execute(update(topics).where(_t.number == into).values(parent=None))


# --- taking it back ---------------------------------------------------------------------------------------------


def unions_needed(change: Row[Any]) -> list[Json]:
    """What was merged, of several topics each: they need a union of their own before the merge can be undone."""
    return [group for group in json.loads(change.before)["topics"] if len(group["members"]) > 1]


def undo(connection: Connection, change: Row[Any], unions: Mapping[int, int], by: By) -> bool:
    """Take a merge back; `unions` has the union of each topic that needs one. Gives whether to sweep afterwards.

    The names of the topics have stayed their own.
    """
    names.hold(connection, alone=True)
    before, merged = json.loads(change.before), catalogue.get(connection, change.topic)
    connection.execute(update(topics).where(_t.number == change.topic).values(counted_as=None))
    for group in before["topics"]:
        number = group["number"]
        others = [each for each in group["members"] if each != number]
        connection.execute(update(topics).where(_t.number.in_(others)).values(merged_into=number))
        own = {"merged_into": None, "counted_as": unions.get(number, number)}
        state = {} if number == change.topic else {"state": group["state"]}
        connection.execute(update(topics).where(_t.number == number).values(**own, **state))
    connection.execute(update(topics).where(_t.number == change.topic).values(parent=before["parent"]))
    connection.execute(update(topic_unions).where(_u.number.in_(unions.values())).values(state=LIVE))
    changes.note_undone(connection, change.number, by)
    return drop(connection, _unions_of([merged]))
