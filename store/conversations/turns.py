"""Loads the turns of conversations for analysis: all of a short one, the beginning and the end of a long one."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, select

from domain.text import HEAD, TAIL, Turn
from models import messages
from store.engine.prepared import Prepared, among

FEW = 20
"""Up to this many messages a conversation is read whole, together with others. A claim has a hundred conversations;
with 20,000 characters per message that is 40 MB, twice: as the driver's text and as ours."""
SHORTEST_LINE = len("agent: x\n")
FIRST, LAST = HEAD // SHORTEST_LINE + 1, TAIL // SHORTEST_LINE + 1
"""The turns that always suffice to fill the beginning and the end of an excerpt."""


def _within(limit: int, *, backwards: bool) -> Select[Any]:
    """Select turns between two positions, from one end, until their texts exceed `limit` characters."""
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
    """Return the turns of conversations by number, in order; `counts` has the number of messages of each.

    A long conversation is returned with at least its first 4,000 and last 8,000 characters. The middle is part of no
    excerpt, and the returned turns are long enough for the excerpt to be cut there.
    """
    found = _whole(connection, [number for number, count in counts.items() if count <= FEW])
    long = {number: count for number, count in counts.items() if count > FEW}
    return found | {number: _ends(connection, number, count) for number, count in long.items()}


def _whole(connection: Connection, numbers: Sequence[int]) -> dict[int, Sequence[Turn]]:
    turns: dict[int, list[Turn]] = defaultdict(list)
    for number, role, text in WHOLE.rows(connection, {"numbers": numbers}):
        turns[number].append((role, text))
    return dict(turns)


def _ends(connection: Connection, number: int, count: int) -> list[Turn]:
    beginning = connection.execute(BEGINNING, {"number": number, "first": 1, "last": FIRST}).all()
    end = connection.execute(END, {"number": number, "first": count - LAST + 1, "last": count}).all()
    by_position: dict[int, Turn] = {position: (role, text) for position, role, text in (*beginning, *end)}
    return [by_position[position] for position in sorted(by_position)]
