"""The list of topics that is built in, or given by TOPICS_FILE, becomes rows at every start."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, select, update

from models import ACTIVE, BUILT_IN, HIDDEN, MERGED, PROPOSED, topics
from store.insights import names
from store.topics import catalogue

_t = topics.c


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
            catalogue.add(connection, slug, origin=BUILT_IN, now=now, description=description)
    gone = _hide_others(connection, listed)
    if catalogue.told_topics(connection) != before:
        catalogue.note_change(connection)
    return gone


def _renew(connection: Connection, number: int, description: str) -> None:
    """A topic that an analyzer proposed first becomes a listed one; one that was hidden as not listed comes back."""
    untouched = _t.number == number, ~_t.edited, _t.state != MERGED, _t.origin.in_((BUILT_IN, PROPOSED))
    listed = {"description": description, "origin": BUILT_IN, "state": ACTIVE}
    connection.execute(update(topics).where(*untouched).values(listed))


def _hide_others(connection: Connection, listed: Mapping[str, str]) -> Sequence[str]:
    others = _t.origin == BUILT_IN, ~_t.edited, _t.state == ACTIVE, _t.slug.not_in(listed)
    gone = connection.scalars(select(_t.slug).where(*others).order_by(_t.slug)).all()
    connection.execute(update(topics).where(*others).values(state=HIDDEN))
    return gone
