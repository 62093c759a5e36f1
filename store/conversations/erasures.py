"""Erasures of people that are under way: each is a row until it is done, whatever becomes of the process."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, delete, func, select, update

from models import erasures
from store.conversations import people
from store.conversations.batched import kept_until
from store.engine.dialect import insert_on_conflict
from store.engine.vault import at, vault_of

_e = erasures.c


class Counts(NamedTuple):
    """What has been removed. It has no content."""

    deleted: int = 0
    """Conversations that are gone whole."""
    changed: int = 0
    """Chats of several people that lost messages."""
    messages: int = 0
    insights: int = 0
    summaries: int = 0


class Asker(NamedTuple):
    """Who asked for it first, from where, in which request."""

    actor: str
    client: str
    request_id: str


class PersonErasure(NamedTuple):
    """A person whose messages are being erased."""

    person: str
    asked: int
    """How often it was asked for."""
    through: int
    """The number of the last conversation that was stored when it was asked for last."""
    who: Asker
    counts: Counts
    kept_until: int | None = None
    """Until when the provider keeps what it was sent in batches, UTC microseconds; None if it was sent nothing."""


ASKER = tuple(_e[name] for name in Asker._fields)
COUNTED = tuple(_e[name] for name in Counts._fields)


def note_asked(connection: Connection, person: str, *, who: Asker, now: int) -> None:
    """Note that a person is to be erased; if that is noted, that it was asked for again."""
    through = people.last_number(connection)
    new = insert_on_conflict(connection.dialect.name, erasures).values(
        **_stored_person(connection, person), through=through, stepped_at=now, **_fitting(who)
    )
    again = {"asked": _e.asked + 1, "through": new.excluded.through}
    connection.execute(new.on_conflict_do_update(index_elements=[_e.person], set_=again))


def _stored_person(connection: Connection, person: str) -> dict[str, str | None]:
    vault = vault_of(connection)
    key = vault.author(person)
    sealed = vault.seal("erasures.sealed_person", at(key), person) if vault.is_sealing else None
    return {"person": key, "sealed_person": sealed}


def _of(connection: Connection, person: str) -> ColumnElement[bool]:
    return _e.person.in_(vault_of(connection).authors(person))


def _fitting(who: Asker) -> dict[str, str]:
    return {"actor": who.actor[:100], "client": who.client[:100], "request_id": who.request_id[:128]}


def get(connection: Connection, person: str) -> PersonErasure | None:
    """The erasure of a person; None if there is none under way."""
    found = select(_e.asked, _e.through, *ASKER, *COUNTED).where(_of(connection, person))
    row = connection.execute(found).one_or_none()
    if row is None:
        return None
    asked, through, actor, client, request_id, *counted = row
    return PersonErasure(person, asked, through, Asker(actor, client, request_id), Counts(*counted))


def abandoned(connection: Connection, before: int) -> Sequence[str]:
    """The people whose erasure made its last step before a moment: its process has ended or failed."""
    vault = vault_of(connection)
    old = select(_e.person, _e.sealed_person).where(_e.stepped_at < before).order_by(_e.person)
    return [
        person if sealed is None else vault.open("erasures.sealed_person", at(person), sealed)
        for person, sealed in connection.execute(old)
    ]


def recover(connection: Connection, *, now: int) -> int:
    """Take over what this process had begun before it was started again; gives how much. Only without other processes.

    `now` is not needed: what was given up long ago is due.
    """
    return connection.execute(update(erasures).values(stepped_at=0)).rowcount


def count(connection: Connection, person: str, removed: Counts, *, now: int) -> None:
    """Add what a step removed."""
    more = {name: _e[name] + getattr(removed, name) for name in Counts._fields}
    connection.execute(update(erasures).where(_of(connection, person)).values(stepped_at=now, **more))


def note_kept(connection: Connection, person: str, numbers: Collection[int]) -> None:
    """Note until when the provider keeps what it was sent of conversations, before they are changed or deleted."""
    until = kept_until(connection, numbers)
    if until is not None:
        later = func.coalesce(_e.kept_until, 0) < until
        connection.execute(update(erasures).where(_of(connection, person), later).values(kept_until=until))


def end_erasure(connection: Connection, done: PersonErasure) -> PersonErasure | None:
    """End an erasure, and give it with all its counts; None if it was asked for again, or ended by another process."""
    this = (_of(connection, done.person), _e.asked == done.asked)
    row = connection.execute(delete(erasures).where(*this).returning(*COUNTED, _e.kept_until)).one_or_none()
    return None if row is None else done._replace(counts=Counts(*row[:-1]), kept_until=row[-1])
