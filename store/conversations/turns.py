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


def _within(limit: int, turns: int, *, backwards: bool) -> Select[Any]:
    """Select turns from one end, at most so many, until their texts exceed `limit` characters."""
    m = messages.c
    theirs = select(m.position, m.role, m.text).where(m.conversation == bindparam("number"))
    # Counted and not by position, because erased messages leave gaps.
    end = theirs.order_by(m.position.desc() if backwards else m.position).limit(turns).subquery().c
    order = end.position.desc() if backwards else end.position
    through = func.sum(func.length(end.text)).over(order_by=order)
    before = (through - func.length(end.text)).label("before")
    some = select(end.position, end.role, end.text, before).subquery().c
    return select(some.position, some.role, some.text).where(some.before <= limit)


def _all() -> Select[Any]:
    m = messages.c
    these = select(m.conversation, m.role, m.text).where(among(m.conversation, "numbers"))
    return these.order_by(m.conversation, m.position)


WHOLE = Prepared(_all())
BEGINNING, END = _within(HEAD, FIRST, backwards=False), _within(TAIL, LAST, backwards=True)


def load_turns(connection: Connection, counts: Mapping[int, int]) -> dict[int, Sequence[Turn]]:
    """Return the turns of conversations by number, in order; `counts` has the last position of each.

    A long conversation is returned with at least its first 4,000 and last 8,000 characters. The middle is part of no
    excerpt, and the returned turns are long enough for the excerpt to be cut there.
    """
    found = _whole(connection, [number for number, count in counts.items() if count <= FEW])
    long = [number for number, count in counts.items() if count > FEW]
    return found | {number: _ends(connection, number) for number in long}


def _whole(connection: Connection, numbers: Sequence[int]) -> dict[int, Sequence[Turn]]:
    turns: dict[int, list[Turn]] = defaultdict(list)
    for number, role, text in WHOLE.rows(connection, {"numbers": numbers}):
        turns[number].append((role, text))
    return dict(turns)


def _ends(connection: Connection, number: int) -> list[Turn]:
    beginning = connection.execute(BEGINNING, {"number": number}).all()
    end = connection.execute(END, {"number": number}).all()
    by_position: dict[int, Turn] = {position: (role, text) for position, role, text in (*beginning, *end)}
    return [by_position[position] for position in sorted(by_position)]
