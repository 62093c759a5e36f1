"""The names of people whose numbers are known."""

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, select

from core.crypto import is_digest
from core.errors import DoesNotOpen
from models import conversations, participants, people
from store.engine.prepared import Prepared, among
from store.engine.vault import Vault, at, vault_of
from store.insights.people_filing import OF_CHATS, OF_TEXTS

NAMES = Prepared(select(people.c.number, people.c.author).where(among(people.c.number, "numbers")))


def names_of(connection: Connection, last: Mapping[int, int]) -> dict[int, str | None]:
    """The name of each person by number; `last` has a conversation of each. None if it does not open.

    An encrypted database knows a person by an HMAC, and the name is sealed beside it in each of their conversations.
    """
    rows = NAMES.rows(connection, {"numbers": [*last]})
    vault = vault_of(connection)
    if not vault.is_sealing:
        return {row[0]: row[1] for row in rows}
    opened = _opened(connection, vault, {*last.values()})
    return {number: opened.get(author, None if is_digest(author) else author) for number, author in rows}


def _opened(connection: Connection, vault: Vault, numbers: Collection[int]) -> dict[str, str]:
    """The names of everybody in these conversations, by all that may stand for them."""
    given = {"numbers": [*numbers]}
    chats = (
        (participants, at(number, position), author, sealed)
        for number, position, author, sealed, _ in OF_CHATS.rows(connection, given)
    )
    texts = (
        (conversations, id_, author, sealed) for _, id_, author, sealed in OF_TEXTS.rows(connection, given)
    )
    names: dict[str, str] = {}
    for table, place, author, sealed in (*chats, *texts):
        try:
            name = vault.open_author(table, place, author, sealed)
        except DoesNotOpen:
            continue
        if name is not None:
            names |= dict.fromkeys(vault.authors(name), name)
    return names
