"""Changes that people make to topics: each is noted with what it was before, so that it can be taken back exactly.

Every function that changes something keeps others from filing insights until its transaction ends.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from core.errors import BadTopicChange, NoSuchTopic, TopicConflict
from domain.topics import slug, topic_id
from models import topic_change_topics, topic_changes, topic_names, topics
from store.insights import names
from store.topics import catalogue
from store.topics.catalogue import Topic

EDIT, MERGE, SPLIT = "edit", "merge", "split"
PROPOSAL = "proposal"
"""How a split came about that is the acceptance of a proposed group."""
Json = dict[str, Any]
_t, _n, _c = topics.c, topic_names.c, topic_changes.c


@dataclass(frozen=True, slots=True)
class By:
    """Who changes something, and when (UTC microseconds)."""

    actor: str
    now: int


def topic_named(connection: Connection, name: str) -> Topic:
    """The topic with an id, slug, alias or label. Raises NoSuchTopic."""
    number = catalogue.number_of(connection, name)
    if number is None:
        raise NoSuchTopic
    return catalogue.get(connection, number)


def changeable(connection: Connection, name: str) -> Topic:
    """The same, kept from other changes. Raises NoSuchTopic, and TopicConflict if it is merged."""
    names.hold(connection, alone=True)
    topic = topic_named(connection, name)
    if topic.merged_into is not None:
        raise TopicConflict(f"{topic.id} is merged into {topic_id(topic.merged_into)}")
    return topic


def edit(connection: Connection, name: str, new: Mapping[str, str | None], by: By) -> Topic:
    """Change slug, label, description, parent (by any name, or None) or state of a topic; what is not in `new` stays.

    Raises NoSuchTopic, TopicConflict, BadTopicChange.
    """
    topic = changeable(connection, name)
    wanted = _columns(connection, topic, new)
    values = {column: value for column, value in wanted.items() if value != getattr(topic, column)}
    if not values:
        return topic
    stored = connection.execute(select(topics).where(_t.number == topic.number)).one()
    before: Json = {column: getattr(stored, column) for column in (*values, "edited")}
    if _is_new_name(connection, topic, values.get("slug", topic.slug)):
        connection.execute(
            insert(topic_names).values(name=values["slug"], topic=topic.number, is_filed=False)
        )
        before["name"] = values["slug"]
    _set(connection, topic.number, values | {"edited": True})
    note(connection, EDIT, topic.number, [topic.number], before, values, by)
    return catalogue.get(connection, topic.number)


def _columns(connection: Connection, topic: Topic, new: Mapping[str, str | None]) -> Json:
    values: Json = {name: new[name] for name in ("slug", "label", "description", "state") if name in new}
    if "parent" in new:
        values["parent"] = _parent(connection, topic, new["parent"])
    if values.get("label") is not None:
        _ensure_free(connection, topic, slug(values["label"]))
    return values


def _set(connection: Connection, number: int, values: Json) -> None:
    if "label" in values:
        label = values["label"]
        values = values | {"label_slug": None if label is None else slug(label)}
    connection.execute(update(topics).where(_t.number == number).values(values))


def _is_new_name(connection: Connection, topic: Topic, name: str) -> bool:
    """Whether the name is nobody's yet. Raises TopicConflict if it is another topic's."""
    owner = connection.scalar(select(_n.topic).where(_n.name == name))
    if owner not in (None, topic.number):
        raise TopicConflict(f"slug: it is a name of {topic_id(owner)} already")
    return owner is None


def _ensure_free(connection: Connection, topic: Topic, label: str) -> None:
    """Raises TopicConflict if a label is another topic's label, or a name that is."""
    if not label:
        raise BadTopicChange("label: must contain a letter or digit")
    own = func.coalesce(_t.merged_into, _t.number) == topic.number
    named = (
        select(_n.topic).join_from(topic_names, topics, _t.number == _n.topic).where(_n.name == label, ~own)
    )
    alike = select(_t.number).where(_t.label_slug == label, _t.merged_into.is_(None), ~own)
    other = connection.scalar(named.union_all(alike).limit(1))
    if other is not None:
        raise TopicConflict(f"label: it is a name of {topic_id(other)} already")


def _parent(connection: Connection, topic: Topic, name: str | None) -> int | None:
    if name is None:
        return None
    number = catalogue.number_of(connection, name)
    if number is None:
        raise BadTopicChange("parent: no topic of this name is known")
    if topic.number in ancestors(connection, number):
        raise BadTopicChange("parent: a topic cannot be above itself")
    return number


def ancestors(connection: Connection, number: int) -> Sequence[int]:
    """A topic and those above it, the nearest first."""
    found: list[int] = []
    above: int | None = number
    while above is not None and above not in found:
        found.append(above)
        above = catalogue.get(connection, above).parent
    return found


# --- what was changed ---------------------------------------------------------------------------------------


def note(
    connection: Connection,
    kind: str,
    topic: int,
    concerned: Collection[int],
    before: Json,
    after: Json,
    by: By,
) -> int:
    """Note a change, and tell every process that topics have changed; gives its number."""
    made = {"at": by.now, "actor": by.actor[:100], "kind": kind, "topic": topic}
    content = {"before": json.dumps(before), "after": json.dumps(after)}
    number: int = connection.execute(
        insert(topic_changes).values(**made, **content).returning(_c.number)
    ).scalar_one()
    rows = [{"topic": each, "change": number} for each in sorted({topic, *concerned})]
    connection.execute(insert(topic_change_topics), rows)
    catalogue.note_change(connection)
    return number


def history(
    connection: Connection, number: int | None, *, limit: int, before: int | None = None
) -> Sequence[Row[Any]]:
    """Up to `limit` changes below a number, the newest first; rows of `topic_changes`.

    `number` is the topic that they concern, None for all.
    """
    of_topic = topic_change_topics.c
    found = select(topic_changes).order_by(_c.number.desc()).limit(limit)
    if number is not None:
        found = found.join(topic_change_topics, of_topic.change == _c.number).where(of_topic.topic == number)
    return connection.execute(found if before is None else found.where(_c.number < before)).all()


def last(connection: Connection) -> Row[Any]:
    """The newest change that stands. Raises TopicConflict if there is none."""
    names.hold(connection, alone=True)
    standing = select(topic_changes).where(_c.undone_at.is_(None)).order_by(_c.number.desc()).limit(1)
    row = connection.execute(standing).one_or_none()
    if row is None:
        raise TopicConflict("There is no change to take back")
    return row


def note_undone(connection: Connection, number: int, by: By) -> None:
    """Note that a change was taken back."""
    undone = {"undone_at": by.now, "undone_by": by.actor[:100]}
    connection.execute(update(topic_changes).where(_c.number == number).values(undone))
    catalogue.note_change(connection)


def undo_edit(connection: Connection, change: Row[Any], by: By) -> None:
    """Give a topic back what it was before it was edited.

    The name that it got then goes, unless an insight was filed under it: that stays an alias.
    """
    before: Json = json.loads(change.before)
    given = before.pop("name", None)
    _set(connection, change.topic, before)
    if given is not None:
        connection.execute(delete(topic_names).where(_n.name == given, ~_n.is_filed))
    note_undone(connection, change.number, by)
