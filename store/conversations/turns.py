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


def _within(turns: int, *, backwards: bool) -> Select[Any]:
    """Select turns from one end, at most so many, until their texts as stored exceed `limit` characters."""
    m = messages.c
    theirs = select(m.position, m.role, m.text).where(m.conversation == bindparam("number"))
    # Counted and not by position, because erased messages leave gaps.
    end = theirs.order_by(m.position.desc() if backwards else m.position).limit(turns).subquery().c
    order = end.position.desc() if backwards else end.position
    through = func.sum(func.length(end.text)).over(order_by=order)
    before = (through - func.length(end.text)).label("before")
    some = select(end.position, end.role, end.text, before).subquery().c
    return select(some.position, some.role, some.text).where(some.before <= bindparam("limit"))


def _all() -> Select[Any]:
    m = messages.c
    these = select(m.conversation, m.position, m.role, m.text).where(among(m.conversation, "numbers"))
    return these.order_by(m.conversation, m.position)


WHOLE = Prepared(_all())
BEGINNING, END = _within(FIRST, backwards=False), _within(LAST, backwards=True)


def load_turns(connection: Connection, counts: Mapping[int, int]) -> dict[int, Sequence[Turn] | None]:
    """Return the turns of conversations by number, in order; `counts` has the last position of each.

    A long conversation is returned with at least its first 4,000 and last 8,000 characters. The middle is part of no
    excerpt, and the returned turns are long enough for the excerpt to be cut there. None stands for turns of
    which one does not open.
    """
    vault = vault_of(connection)
    found = _whole(connection, [number for number, count in counts.items() if count <= FEW])
    long = [number for number, count in counts.items() if count > FEW]
    stored = found | {number: _ends(connection, number) for number in long}
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


def _ends(connection: Connection, number: int) -> list[StoredTurn]:
    vault = vault_of(connection)
    head, tail = _stored_length(vault, HEAD, FIRST), _stored_length(vault, TAIL, LAST)
    beginning = connection.execute(BEGINNING, {"number": number, "limit": head}).all()
    end = connection.execute(END, {"number": number, "limit": tail}).all()
    by_position: dict[int, StoredTurn] = {row[0]: (row[0], row[1], row[2]) for row in (*beginning, *end)}
    return [by_position[position] for position in sorted(by_position)]


def _stored_length(vault: Vault, characters: int, turns: int) -> int:
    """The length as stored of so many characters, at most, in so many turns."""
    return characters * SEALED_PER_CHARACTER + turns * SEALED_BESIDES if vault.is_sealing else characters
