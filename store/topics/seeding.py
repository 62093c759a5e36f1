"""The list of topics that is built in, or given by TOPICS_FILE, becomes rows at every start."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, select, update

from models import ACTIVE, BUILT_IN, HIDDEN, MERGED, PROPOSED, topics
from store.insights import names
from store.topics import catalogue

_t = topics.c


def seed(connection: Connection, listed: Mapping[str, str], *, now: int) -> Sequence[str]:
    """Store the topics of a list, slugs and what they mean; gives the slugs of those that it names no longer.

    What a person has changed stays as it is. Topics that are listed no longer are hidden.
    """
    if _is_seeded(connection, listed):
        return []
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


def _is_seeded(connection: Connection, listed: Mapping[str, str]) -> bool:
    """Whether it is all stored, as at each start but the first.

    To find that out alone, a start stops the filing of all other processes until theirs has let go. On a busy machine
    one process that was frozen, or one transaction after the other, kept a start from that for 15 s.
    """
    known = names.topic_numbers(connection, listed)
    rows = connection.execute(
        select(_t.number, _t.description, _t.origin, _t.state).where(*_untouched(known.values()))
    )
    found = {row.number: (row.description, row.origin, row.state) for row in rows}
    meant = {known[slug]: (meaning, BUILT_IN, ACTIVE) for slug, meaning in listed.items() if slug in known}
    wanted = {number: row for number, row in meant.items() if number in found}
    others = connection.scalar(select(select(_t.slug).where(*_others(listed)).exists()))
    return known.keys() == listed.keys() and found == wanted and not others


def _renew(connection: Connection, number: int, description: str) -> None:
    """A topic that an analyzer proposed first becomes a listed one; one that was hidden as not listed comes back."""
    listed = {"description": description, "origin": BUILT_IN, "state": ACTIVE}
    connection.execute(update(topics).where(*_untouched([number])).values(listed))


def _untouched(numbers: Collection[int]) -> Sequence[ColumnElement[bool]]:
    """Those among these topics that are as the list or an analyzer has made them."""
    return _t.number.in_(numbers), ~_t.edited, _t.state != MERGED, _t.origin.in_((BUILT_IN, PROPOSED))


def _others(listed: Mapping[str, str]) -> Sequence[ColumnElement[bool]]:
    """Those that were listed, and are no longer."""
    return _t.origin == BUILT_IN, ~_t.edited, _t.state == ACTIVE, _t.slug.not_in(listed)


def _hide_others(connection: Connection, listed: Mapping[str, str]) -> Sequence[str]:
    others = _others(listed)
    gone = connection.scalars(select(_t.slug).where(*others).order_by(_t.slug)).all()
    connection.execute(update(topics).where(*others).values(state=HIDDEN))
    return gone
