"""Loads the turns of conversations for analysis: all of a short one, the beginning and the end of a long one."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, select

from core.errors import DoesNotOpen
from domain.text import HEAD, TAIL, Turn
from models import messages
from store.engine.prepared import Prepared, among
from store.engine.vault import SEALED_BESIDES, SEALED_PER_CHARACTER, Vault, at, vault_of

FEW = 20
"""Up to this many messages a conversation is read whole, together with others. A claim has a hundred conversations;
with 20,000 characters per message that is 40 MB, twice: as the driver's text and as ours."""
SHORTEST_LINE = len("agent: x\n")
FIRST, LAST = HEAD // SHORTEST_LINE + 1, TAIL // SHORTEST_LINE + 1
"""The turns that always suffice to fill the beginning and the end of an excerpt."""


def _within(*, backwards: bool) -> Select[Any]:
    """Select turns between two positions, from one end, until their texts as stored exceed `limit` characters."""
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
    return select(some.position, some.role, some.text).where(some.before <= bindparam("limit"))


def _all() -> Select[Any]:
    m = messages.c
    these = select(m.conversation, m.position, m.role, m.text).where(among(m.conversation, "numbers"))
    return these.order_by(m.conversation, m.position)


WHOLE = Prepared(_all())
BEGINNING, END = _within(backwards=False), _within(backwards=True)


def load_turns(connection: Connection, counts: Mapping[int, int]) -> dict[int, Sequence[Turn] | None]:
    """Return the turns of conversations by number, in order; `counts` has the number of messages of each.

    A long conversation is returned with at least its first 4,000 and last 8,000 characters. The middle is part of no
    excerpt, and the returned turns are long enough for the excerpt to be cut there. None stands for turns of
    which one does not open.
    """
    vault = vault_of(connection)
    found = _whole(connection, [number for number, count in counts.items() if count <= FEW])
    long = {number: count for number, count in counts.items() if count > FEW}
    stored = found | {number: _ends(connection, number, count) for number, count in long.items()}
    return {number: _opened(vault, number, turns) for number, turns in stored.items()}


StoredTurn = tuple[int, str | None, str]
"""Position, role, and the text as it is stored."""


def _opened(vault: Vault, number: int, turns: Sequence[StoredTurn]) -> Sequence[Turn] | None:
    try:
        return [
            (role, vault.open("messages.text", at(number, position), text)) for position, role, text in turns
        ]
    except DoesNotOpen:
        return None


def _whole(connection: Connection, numbers: Sequence[int]) -> dict[int, Sequence[StoredTurn]]:
    turns: dict[int, list[StoredTurn]] = defaultdict(list)
    for number, position, role, text in WHOLE.rows(connection, {"numbers": numbers}):
        turns[number].append((position, role, text))
    return dict(turns)


def _ends(connection: Connection, number: int, count: int) -> list[StoredTurn]:
    vault = vault_of(connection)
    head, tail = _stored_length(vault, HEAD, FIRST), _stored_length(vault, TAIL, LAST)
    first = {"number": number, "first": 1, "last": FIRST, "limit": head}
    last = {"number": number, "first": count - LAST + 1, "last": count, "limit": tail}
    beginning, end = connection.execute(BEGINNING, first).all(), connection.execute(END, last).all()
    by_position: dict[int, StoredTurn] = {row[0]: (row[0], row[1], row[2]) for row in (*beginning, *end)}
    return [by_position[position] for position in sorted(by_position)]


def _stored_length(vault: Vault, characters: int, turns: int) -> int:
    """The length as stored of so many characters, at most, in so many turns."""
    return characters * SEALED_PER_CHARACTER + turns * SEALED_BESIDES if vault.is_sealing else characters
