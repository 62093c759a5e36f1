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

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    Row,
    bindparam,
    delete,
    func,
    insert,
    select,
    tuple_,
    update,
)

from core.errors import BadTopicChange, TopicConflict
from domain.buckets import DAY, HOUR, MICROSECONDS, MONTH
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
from store.insights.rollup_changes import RollupChanges
from store.insights.unions import Place
from store.topics import catalogue, changes
from store.topics.catalogue import Topic
from store.topics.changes import MERGE, By, Json

MOST_TOPICS = 50
"""In one union: lists and edges of windows read each of them."""
BEGINNING: Place = (-(2**62), 0)
"""Before every insight."""
END: Place = (2**62, 0)
"""After every insight."""
_t, _u, _m, _f = topics.c, topic_unions.c, union_topics.c, insight_topics.c
_place = tuple_(_f.timestamp, _f.conversation)
_from = (_f.timestamp >= bindparam("at"), _place >= tuple_(bindparam("at"), bindparam("number")))
_until = (_f.timestamp <= bindparam("end"), _place < tuple_(bindparam("end"), bindparam("end_number")))
_of_topic = select(_f.timestamp, _f.conversation).where(_f.topic == bindparam("topic", type_=Integer), *_from)
_in_order = _of_topic.order_by(_f.timestamp, _f.conversation)
NEXT = Prepared(_in_order.limit(bindparam("limit")))
NTH = Prepared(_in_order.offset(bindparam("skip")).limit(1))
FIRST_TIME = 10**6 * MICROSECONDS[DAY]
"""Added to times before they are divided: SQL rounds towards 0, which would make one day of the two around 1970."""


def _groups(length: int, *columns: ColumnElement[Any]) -> Prepared:
    """The insights of a union between two places, each once, counted by time and columns: a time, those, n, scores."""
    own = select(_m.topic).where(_m.whole == bindparam("union", type_=Integer))
    once = (
        select(_f.timestamp, _f.conversation, _f.sentiment, _f.confidence, _f.score)
        .where(_f.topic.in_(own), *_from, *_until)
        .distinct()
        .subquery()
    )
    by = [(once.c.timestamp + FIRST_TIME) // length, *(once.c[each.name] for each in columns)]
    sums = func.count().label("n"), func.sum(once.c.score).cast(BigInteger).label("scores")
    return Prepared(select(func.min(once.c.timestamp).label("at"), *by[1:], *sums).group_by(*by))


BY_CONFIDENCE = _groups(MICROSECONDS[DAY], _f.sentiment, _f.confidence)
BY_TIME = _groups(MICROSECONDS[HOUR], _f.sentiment)


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
    """Count the next insights of a union, up to `limit` of each topic; gives how many, and whether it is complete."""
    names.hold(connection, alone=True)
    row = connection.execute(select(_u.built_at, _u.built_number).where(_u.number == union)).one()
    if row.built_at is None:
        return 0, True
    given = {"at": row.built_at, "number": row.built_number, "skip": limit - 1, "union": union}
    own = connection.scalars(select(_m.topic).where(_m.whole == union).order_by(_m.topic)).all()
    # A topic of which there is more is read up to here only.
    ends = [(at, number) for topic in own for at, number in NTH.rows(connection, given | {"topic": topic})]
    until = min(ends, default=None)
    end, end_number = END if until is None else (until[0], until[1] + 1)
    counted = _count(connection, union, given | {"end": end, "end_number": end_number})
    reached: Mapping[str, Any] = (
        {"built_at": None, "built_number": None}
        if until is None
        else {"built_at": end, "built_number": end_number}
    )
    connection.execute(update(topic_unions).where(_u.number == union).values(reached))
    return counted, until is None


def _count(connection: Connection, union: int, between: Mapping[str, Any]) -> int:
    """Add the insights between two places to the roll-ups of a union; gives how many.

    The database adds them up by day and hour, so that a step of thousands writes hundreds of rows.
    """
    changes_ = RollupChanges()
    for at, sentiment, confidence, n, _ in BY_CONFIDENCE.rows(connection, {**between}):
        changes_.by_confidence(union, at, sentiment, confidence, n)
    counted = 0
    for at, sentiment, n, scores in BY_TIME.rows(connection, {**between}):
        changes_.by_time(union, at, sentiment, n, scores)
        counted += n
    changes_.write(connection)
    return counted


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
