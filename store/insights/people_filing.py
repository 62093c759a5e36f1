"""Files insights under the people who wrote in their conversations, in the role in which they did, and counts them.

Whoever stores, replaces or deletes an insight calls this in the same transaction, before the other roll-ups. Rows are
locked in one order: people by number, then their counts by key.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, Text, bindparam, delete, exists, insert, select, update

from core.errors import DoesNotOpen
from domain.analysis import UNSURE
from domain.buckets import DAY, MONTH, YEAR, bucket_of
from models import (
    AGENT,
    CUSTOMER,
    IS_TEXT,
    conversations,
    insight_people,
    participants,
    people,
    people_counts,
    summaries,
)
from store.engine.dialect import insert_on_conflict, insert_rows
from store.engine.prepared import Prepared, among
from store.engine.vault import Vault, at, vault_of
from store.insights.rollup_changes import add_changes

ROLES = (CUSTOMER, AGENT)
LEVELS: Mapping[int, tuple[int, ...]] = {CUSTOMER: (YEAR, MONTH), AGENT: (YEAR, MONTH, DAY)}
"""The levels at which a role is rolled up, coarsest first.

Customers are many and write seldom: by day there would be a row for nearly every insight.
"""
OPEN = "maybe"
"""The outcome of a summary whose case is open."""


class PersonFact(NamedTuple):
    """A person in the conversation of an insight: a row of `insight_people`."""

    conversation: int
    role: int
    person: int
    timestamp: int
    sentiment: int
    score: int
    open: int
    """1 if the case is open."""


class Presence(NamedTuple):
    """Somebody who wrote in a conversation. `names` are what may stand for them in the database, the usual one last."""

    conversation: int
    names: tuple[str, ...]
    roles: int


_c, _p, _f, _n = conversations.c, participants.c, insight_people.c, people.c
OF_CHATS = Prepared(
    select(_p.conversation, _p.position, _p.author, _p.sealed_author, _p.roles).where(
        among(_p.conversation, "numbers")
    )
)
OF_TEXTS = Prepared(
    select(_c.number, _c.id, _c.author, _c.sealed_author).where(
        among(_c.number, "numbers"), IS_TEXT, _c.author.is_not(None)
    )
)
FILED = Prepared(select(*(_f[name] for name in PersonFact._fields)).where(among(_f.conversation, "numbers")))
OPEN_CASES = Prepared(
    select(summaries.c.conversation).where(
        among(summaries.c.conversation, "numbers"), summaries.c.outcome == bindparam("outcome")
    )
)
KNOWN = Prepared(
    select(_n.author, _n.number)
    .where(among(_n.author, "names", of=Text))
    .order_by(_n.number)
    .with_for_update(read=True, key_share=True)
)
FILE = insert(insight_people)


def file_people(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """File insights (rows of `insights`) anew under the people of their conversations."""
    numbers = [row["conversation"] for row in rows]
    there = presences(connection, numbers)
    known = _intern(connection, there)
    open_ = {each for (each,) in OPEN_CASES.rows(connection, {"numbers": numbers, "outcome": OPEN})}
    by_number = {row["conversation"]: row for row in rows}
    new = {
        _fact(by_number[each.conversation], role, known[each], each.conversation in open_)
        for each in there
        for role in ROLES
        if each.roles & role
    }
    _replace(connection, numbers, sorted(new))


def _fact(row: Mapping[str, Any], role: int, person: int, is_open: bool) -> PersonFact:
    said = row["timestamp"], row["sentiment"], row["score"]
    return PersonFact(row["conversation"], role, person, *said, int(is_open))


def remove_people(connection: Connection, numbers: Collection[int]) -> None:
    """Remove the insights of these conversations."""
    if numbers:
        _replace(connection, numbers, ())


def mark_case(connection: Connection, number: int, *, is_open: bool) -> None:
    """Note whether the case of a conversation, whose row is locked, is open."""
    old = _filed(connection, [number])
    new = [each._replace(open=int(is_open)) for each in old]
    if new != old:
        connection.execute(update(insight_people).where(_f.conversation == number).values(open=int(is_open)))
        _count(connection, new, old)


def presences(connection: Connection, numbers: Collection[int]) -> list[Presence]:
    """Everybody who wrote in these conversations and has a name."""
    vault, given = vault_of(connection), {"numbers": [*numbers]}
    chats = [
        Presence(number, _names(vault, participants, at(number, position), author, sealed), roles)
        for number, position, author, sealed, roles in OF_CHATS.rows(connection, given)
    ]
    texts = [
        Presence(number, _names(vault, conversations, id_, author, sealed), CUSTOMER)
        for number, id_, author, sealed in OF_TEXTS.rows(connection, given)
    ]
    return chats + texts


def _names(vault: Vault, table: Table, place: str, author: str, sealed: str | None) -> tuple[str, ...]:
    """While plain names are being turned over, somebody may be known by either."""
    if not vault.is_turning:
        return (author,)
    try:
        return vault.authors(vault.open_author(table, place, author, sealed) or author)
    except DoesNotOpen:
        return (author,)


def _intern(connection: Connection, there: Sequence[Presence]) -> dict[Presence, int]:
    """The number of each person; new ones are stored and get one."""
    known = _known(connection, there)
    # Sorted, so that two processes that store the same people cannot deadlock.
    missing = sorted({each.names[-1] for each in there if known.keys().isdisjoint(each.names)})
    if missing:
        statement = insert_on_conflict(connection.dialect.name, people).on_conflict_do_nothing()
        connection.execute(statement, [{"author": name} for name in missing])
        known = _known(connection, there)
    return {each: next(known[name] for name in each.names if name in known) for each in there}


def _known(connection: Connection, there: Iterable[Presence]) -> dict[str, int]:
    """The numbers of those who are known. They stay known until the transaction ends."""
    names = sorted({name for each in there for name in each.names})
    if not names:
        return {}
    rows = KNOWN.rows(connection, {"names": names})
    return dict(tuple(row) for row in rows)


def _filed(connection: Connection, numbers: Collection[int]) -> list[PersonFact]:
    return [PersonFact(*row) for row in FILED.rows(connection, {"numbers": [*numbers]})]


def _replace(connection: Connection, numbers: Collection[int], new: Sequence[PersonFact]) -> None:
    old = _filed(connection, numbers)
    if old:
        connection.execute(delete(insight_people).where(_f.conversation.in_(numbers)))
    insert_rows(connection, FILE, [tuple(each) for each in new])
    _forget(connection, {each.person for each in old} - {each.person for each in new})
    _count(connection, new, old)


def _forget(connection: Connection, numbers: Collection[int]) -> None:
    """Delete those of the people who are in no conversation any more."""
    if not numbers:
        return
    found = exists().where(_f.role.in_(ROLES), _f.person == _n.number)
    unused = select(_n.number).where(_n.number.in_(sorted(numbers)), ~found).order_by(_n.number)
    gone = connection.scalars(unused).all()
    if not gone:
        return
    # Locked first: whoever files somebody anew keeps them locked, and is seen by the statement that follows.
    connection.execute(select(_n.number).where(_n.number.in_(gone)).order_by(_n.number).with_for_update())
    connection.execute(delete(people).where(_n.number.in_(gone), ~found))


def _count(connection: Connection, new: Iterable[PersonFact], old: Iterable[PersonFact]) -> None:
    changes: defaultdict[tuple[int, ...], list[int]] = defaultdict(lambda: [0, 0, 0, 0, 0])
    for sign, facts in ((1, new), (-1, old)):
        for fact in facts:
            for key in _keys(fact):
                sums = changes[key]
                sums[0] += sign
                sums[1] += sign * (fact.sentiment < 0)
                sums[2] += sign * fact.score
                sums[3] += sign * fact.open
                sums[4] += sign * (fact.sentiment == UNSURE)
    add_changes(connection, people_counts, [(*key, *sums) for key, sums in changes.items() if any(sums)])


def _keys(fact: PersonFact) -> Iterator[tuple[int, ...]]:
    for level in LEVELS[fact.role]:
        yield fact.role, level, bucket_of(level, fact.timestamp), fact.person
