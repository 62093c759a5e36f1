"""The list of topics that is built in, or given by TOPICS_FILE, becomes rows at every start."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, insert, select, update

from models import ACTIVE, BUILT_IN, HIDDEN, MERGED, PROPOSED, topic_names, topics
from store.insights import names
from store.topics import catalogue

_t, _n = topics.c, topic_names.c


def seed(connection: Connection, listed: Mapping[str, str], *, now: int) -> Sequence[str]:
    """Store the topics of a list, slugs and what they mean; gives the slugs of those that it names no longer.

    What a person has changed stays as it is. Topics that are listed no longer are hidden.
    """
    names.hold(connection, alone=True)
    before = catalogue.told_topics(connection)
    known = names.topic_numbers(connection, listed)
    for slug, description in listed.items():
        if slug in known:
            _renew(connection, known[slug], description)
        else:
            _add(connection, slug, description, now)
    gone = _hide_others(connection, listed)
    if catalogue.told_topics(connection) != before:
        catalogue.note_change(connection)
    return gone


def _renew(connection: Connection, number: int, description: str) -> None:
    """A topic that an analyzer proposed first becomes a listed one; one that was hidden as not listed comes back."""
    untouched = _t.number == number, ~_t.edited, _t.state != MERGED, _t.origin.in_((BUILT_IN, PROPOSED))
    listed = {"description": description, "origin": BUILT_IN, "state": ACTIVE}
    connection.execute(update(topics).where(*untouched).values(listed))


def _add(connection: Connection, slug: str, description: str, now: int) -> None:
    made = {"slug": slug, "description": description, "origin": BUILT_IN, "created_at": now}
    number = connection.execute(insert(topics).values(made).returning(_t.number)).scalar_one()
    connection.execute(update(topics).where(_t.number == number).values(counted_as=number))
    connection.execute(insert(topic_names).values(name=slug, topic=number, is_filed=False))


def _hide_others(connection: Connection, listed: Mapping[str, str]) -> Sequence[str]:
    others = _t.origin == BUILT_IN, ~_t.edited, _t.state == ACTIVE, _t.slug.not_in(listed)
    gone = connection.scalars(select(_t.slug).where(*others).order_by(_t.slug)).all()
    connection.execute(update(topics).where(*others).values(state=HIDDEN))
    return gone
