"""Messages as they were sent, for those who index them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row

from core.errors import DoesNotOpen
from models import messages
from store.engine.vault import Vault, vault_of


def opened_messages(connection: Connection, rows: Sequence[Row[Any]]) -> Sequence[Row[Any]]:
    """The messages as they were sent; one that does not open has no words."""
    vault = vault_of(connection)
    return [_readable(vault, row) for row in rows] if vault.is_sealing else rows


def _readable(vault: Vault, row: Row[Any]) -> Any:
    try:
        return vault.opened(messages, row)
    except DoesNotOpen:
        return Unreadable(row.conversation, row.position)


class Unreadable(NamedTuple):
    """Stands for a message that does not open."""

    conversation: int
    position: int
    text: str = ""
    author: str | None = None
