"""The participants of chats: those who wrote first."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, select

from models import participants
from store.engine.vault import vault_of

SHOWN_PARTICIPANTS = 100
"""Participants shown of a chat."""


def _first_participants() -> Select[Any]:
    p = participants.c
    place = func.row_number().over(partition_by=p.conversation, order_by=p.position).label("place")
    theirs = p.conversation.in_(bindparam("numbers", expanding=True))
    columns = p.conversation, p.position, p.author, p.sealed_author
    first = select(*columns, place).where(theirs).subquery().c
    shown = select(first.conversation, first.position, first.author, first.sealed_author).where(
        first.place <= SHOWN_PARTICIPANTS
    )
    return shown.order_by(first.conversation, first.place)


FIRST_PARTICIPANTS = _first_participants()


def participants_of(connection: Connection, numbers: Sequence[int]) -> Mapping[int, Sequence[str]]:
    """The first participants of these chats, in order."""
    names: dict[int, list[str]] = defaultdict(list)
    rows = connection.execute(FIRST_PARTICIPANTS, {"numbers": numbers}).all()
    for row in vault_of(connection).all_opened(participants, rows):
        names[row.conversation].append(row.author)
    return names
