"""The participants of conversations: those who wrote first, and in which roles."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, func, literal_column, select

from models import AGENT, CUSTOMER, participants
from store.engine.prepared import Prepared, among
from store.engine.vault import at, vault_of

SHOWN_PARTICIPANTS = 100
"""Participants shown of a chat."""
NAMES = {CUSTOMER: ("customer",), AGENT: ("support_agent",), CUSTOMER | AGENT: ("customer", "support_agent")}


class Participant(NamedTuple):
    """Somebody who wrote in a conversation."""

    name: str
    roles: Sequence[str]
    """`customer`, `support_agent` or both."""


def _first_participants() -> Select[Any]:
    p = participants.c
    place = func.row_number().over(partition_by=p.conversation, order_by=p.position).label("place")
    columns = p.conversation, p.position, p.author, p.sealed_author, p.roles
    first = select(*columns, place).where(among(p.conversation, "numbers")).subquery().c
    shown = first.place <= literal_column(str(SHOWN_PARTICIPANTS))
    found = select(first.conversation, first.position, first.author, first.sealed_author, first.roles)
    return found.where(shown).order_by(first.conversation, first.place)


FIRST_PARTICIPANTS = Prepared(_first_participants())


def participants_of(connection: Connection, numbers: Sequence[int]) -> Mapping[int, Sequence[Participant]]:
    """The first participants of these chats, in order."""
    found: dict[int, list[Participant]] = defaultdict(list)
    vault = vault_of(connection)
    rows = FIRST_PARTICIPANTS.rows(connection, {"numbers": [*numbers]}) if numbers else ()
    for number, position, author, sealed, roles in rows:
        name = vault.open_author(participants, at(number, position), author, sealed)
        found[number].append(Participant(name or "", NAMES[roles]))
    return found


def author_of_text(author: str | None) -> Sequence[Participant]:
    """The participants of a conversation of one text."""
    return [] if author is None else [Participant(author, NAMES[CUSTOMER])]
