"""What was said in conversations, as much of it as an analysis can use: a chat may have 50,000 messages."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, select

from domain.text import HEAD, TAIL, Turn
from models import messages
from store.engine.prepared import Prepared, among

FEW = 20
"""Messages of a conversation that is read from end to end, together with its neighbours: a claim takes a hundred of
them, and of 20,000 characters each that is 40 MB, as text of the database's and once more as ours."""
SHORTEST_LINE = len("agent: x\n")
FIRST, LAST = HEAD // SHORTEST_LINE + 1, TAIL // SHORTEST_LINE + 1
"""Turns that surely fill the beginning and the end of an excerpt."""


def _within(limit: int, *, backwards: bool) -> Select[Any]:
    """The turns between two positions, from one end on until their texts are longer than `limit`."""
    m = messages.c
    order = m.position.desc() if backwards else m.position
    through = func.sum(func.length(m.text)).over(order_by=order)
    some = (
        select(m.position, m.role, m.text, (through - func.length(m.text)).label("before"))
        .where(m.conversation == bindparam("number"))
        .where(m.position >= bindparam("first"), m.position <= bindparam("last"))
        .subquery()
        .c
    )
    return select(some.position, some.role, some.text).where(some.before <= limit)


def _all() -> Select[Any]:
    m = messages.c
    these = select(m.conversation, m.role, m.text).where(among(m.conversation, "numbers"))
    return these.order_by(m.conversation, m.position)


WHOLE = Prepared(_all())
BEGINNING, END = _within(HEAD, backwards=False), _within(TAIL, backwards=True)


def load_turns(connection: Connection, counts: Mapping[int, int]) -> dict[int, Sequence[Turn]]:
    """The turns of conversations by number, in order; `counts` says how many messages each has.

    Of a long one at least its first 4,000 and its last 8,000 characters: what lies between is left out of every
    excerpt, and what is given is long enough to be cut there.
    """
    found = _whole(connection, [number for number, count in counts.items() if count <= FEW])
    long = {number: count for number, count in counts.items() if count > FEW}
    return found | {number: _ends(connection, number, count) for number, count in long.items()}


def _whole(connection: Connection, numbers: Sequence[int]) -> dict[int, Sequence[Turn]]:
    turns: dict[int, list[Turn]] = defaultdict(list)
    for number, role, said in WHOLE.rows(connection, {"numbers": numbers}):
        turns[number].append((role, said))
    return dict(turns)


def _ends(connection: Connection, number: int, count: int) -> list[Turn]:
    beginning = connection.execute(BEGINNING, {"number": number, "first": 1, "last": FIRST}).all()
    end = connection.execute(END, {"number": number, "first": count - LAST + 1, "last": count}).all()
    by_position: dict[int, Turn] = {position: (role, said) for position, role, said in (*beginning, *end)}
    return [by_position[position] for position in sorted(by_position)]
