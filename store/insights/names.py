"""Names of topics: a slug, and each alias, by which insights are filed. An unknown name becomes a topic of its own.

Whoever files insights calls `hold` first. Whoever changes topics holds them alone, so that no insight is filed
meanwhile: on PostgreSQL by a lock that the former share, on SQLite because there is one writer.
"""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, Text, func, select, update

from models import topic_names, topics
from store.engine.dialect import insert_on_conflict
from store.engine.prepared import Prepared, among

TOPICS_LOCK = 7_201_713
"""An arbitrary number that all processes share."""
_n, _t = topic_names.c, topics.c
KNOWN = Prepared(select(_n.name, _n.topic, _n.is_filed).where(among(_n.name, "named", of=Text)))
SHARED = select(func.pg_advisory_xact_lock_shared(TOPICS_LOCK))
ALONE = select(func.pg_advisory_xact_lock(TOPICS_LOCK))


def hold(connection: Connection, *, alone: bool = False) -> None:
    """Keep topics as they are until the transaction ends; `alone`, also keep others from filing insights."""
    if connection.dialect.name == "postgresql":
        connection.execute(ALONE if alone else SHARED)


def intern(connection: Connection, names: Collection[str], *, at: int) -> dict[str, int]:
    """The number of the topic of each name under which an insight is filed. New topics are stored, made `at` a time."""
    rows = KNOWN.rows(connection, {"named": sorted(names)})
    known = {name: number for name, number, _ in rows}
    if unused := sorted(name for name, _, is_filed in rows if not is_filed):
        connection.execute(update(topic_names).where(_n.name.in_(unused)).values(is_filed=True))
    # Sorted, so that two processes that store the same new topics cannot deadlock.
    if missing := sorted(set(names) - known.keys()):
        known |= _added(connection, missing, at)
    return known


def _added(connection: Connection, slugs: Sequence[str], at: int) -> dict[str, int]:
    new = insert_on_conflict(connection.dialect.name, topics).on_conflict_do_nothing()
    connection.execute(new, [{"slug": slug, "created_at": at} for slug in slugs])
    own = update(topics).where(_t.slug.in_(slugs), _t.counted_as.is_(None))
    connection.execute(own.values(counted_as=_t.number))
    made = connection.execute(select(_t.slug, _t.number).where(_t.slug.in_(slugs)).order_by(_t.slug)).all()
    named = insert_on_conflict(connection.dialect.name, topic_names).on_conflict_do_nothing()
    connection.execute(named, [{"name": slug, "topic": number, "is_filed": True} for slug, number in made])
    return dict(tuple(row) for row in made)


def topic_numbers(connection: Connection, names: Collection[str]) -> dict[str, int]:
    """The numbers of the topics that are known by these names."""
    return {name: topic for name, topic, _ in KNOWN.rows(connection, {"named": sorted(names)})}
