"""The topics that there are: found by whatever name, listed, and those that analyzers are told."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Select, func, insert, or_, select, update

from domain.topics import slug, topic_id, topic_of_id
from models import ACTIVE, PROPOSED, topic_names, topics
from store.access import marks
from store.engine.notifications import Channel, notify
from store.engine.prepared import by_code_point
from store.insights.windows import find_topic

CHANGED = "topics"
"""The name of the mark that counts changes of what analyzers are told, so that every process hears of them."""
_t, _n = topics.c, topic_names.c


class Topic(NamedTuple):
    """A topic as it is stored, with its other names."""

    number: int
    slug: str
    label: str | None
    description: str
    parent: int | None
    """The number of the topic above it, which is not merged."""
    state: str
    origin: str
    edited: bool
    counted_as: int | None
    merged_into: int | None
    created_at: int | None
    aliases: Sequence[str]
    """Every other name by which it is found, also of the topics that were merged into it."""

    @property
    def id(self) -> str:
        """The id by which clients know it."""
        return topic_id(self.number)


def number_of(connection: Connection, name: str) -> int | None:
    """The number of the topic that an id, a slug, an alias or a label stands for; None if there is none.

    Of a topic that was merged it is the one it was merged into, but for the id, which stands for itself.
    """
    if (number := topic_of_id(name)) is not None:
        return connection.scalar(select(_t.number).where(_t.number == number))
    found = find_topic(connection, slug(name))
    return None if found is None else found.number


def get(connection: Connection, number: int) -> Topic:
    """The topic with this number, which has to exist."""
    return _with_aliases(connection, connection.execute(_rows().where(_t.number == number)).all())[0]


def page(
    connection: Connection, *, limit: int, after: str | None = None, state: str | None = None
) -> Sequence[Topic]:
    """Up to `limit` topics after a slug, by slug."""
    by_slug = by_code_point(_t.slug)
    found = _rows().order_by(by_slug).limit(limit)
    if after is not None:
        found = found.where(by_slug > after)
    if state is not None:
        found = found.where(_t.state == state)
    return _with_aliases(connection, connection.execute(found).all())


def add(
    connection: Connection,
    slug: str,
    *,
    origin: str,
    now: int,
    description: str = "",
    edited: bool = False,
) -> int:
    """Store a topic with a name that is nobody's; gives its number."""
    made = {"slug": slug, "origin": origin, "created_at": now, "description": description, "edited": edited}
    number: int = connection.execute(insert(topics).values(made).returning(_t.number)).scalar_one()
    connection.execute(update(topics).where(_t.number == number).values(counted_as=number))
    connection.execute(insert(topic_names).values(name=slug, topic=number, is_filed=False))
    return number


def told_topics(connection: Connection) -> Mapping[str, str]:
    """The topics that analyzers are told, with what they mean, in the order in which they came up.

    Those that an analyzer proposed are among them once a person has described them.
    """
    described = _t.edited & (_t.description != "")
    chosen = select(_t.slug, _t.description).where(_t.state == ACTIVE, or_(_t.origin != PROPOSED, described))
    rows = connection.execute(chosen.order_by(_t.number))
    return {row.slug: row.description for row in rows}


def changes(connection: Connection) -> int:
    """How often what analyzers are told has changed."""
    return marks.get(connection, CHANGED).number


def note_change(connection: Connection) -> None:
    """Tell every process that topics have changed."""
    mark = marks.take(connection, CHANGED)
    marks.put(connection, CHANGED, mark._replace(number=mark.number + 1))
    notify(connection, Channel.TOPICS)


def _rows() -> Select[Any]:
    parents = topics.alias("parents")
    parent = select(func.coalesce(parents.c.merged_into, parents.c.number)).where(
        parents.c.number == _t.parent
    )
    columns: dict[str, ColumnElement[Any]] = {name: _t[name] for name in Topic._fields if name != "aliases"}
    columns["parent"] = parent.scalar_subquery().label("parent")
    return select(*columns.values())


def _with_aliases(connection: Connection, rows: Sequence[Row[Any]]) -> list[Topic]:
    names = _names(connection, [row.number for row in rows])
    return [Topic._make((*row, [name for name in names[row.number] if name != row.slug])) for row in rows]


def _names(connection: Connection, numbers: Collection[int]) -> Mapping[int, Sequence[str]]:
    """All names of each of these topics and of those merged into it, in order."""
    of = topics.alias("of_name")
    found: defaultdict[int, list[str]] = defaultdict(list)
    for own in (of.c.number, of.c.merged_into):
        named = select(own, _n.name).join_from(topic_names, of, of.c.number == _n.topic)
        for number, name in connection.execute(named.where(own.in_(numbers))):
            found[number].append(name)
    return defaultdict(list, {number: sorted(each) for number, each in found.items()})
