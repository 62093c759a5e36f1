"""Conversations of Zendesk, Intercom, Freshdesk and Chatwoot: what their APIs answer, exports and webhook bodies.

What the bodies say is in `domain/helpdesk/`, where the service has its webhooks from.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC
from typing import Any

from client.importers.base import Rejected, Row, Rows
from client.importers.fields import Reader
from client.importers.said import Entry, Messages, Said, Spoiled
from domain.helpdesk import chatwoot, freshdesk, intercom, zendesk
from domain.helpdesk.messages import AGENT, ROLES_APART, HelpdeskConversation, HelpdeskMessage, person

Body = Mapping[str, Any]
Mapped = list[HelpdeskConversation]
NAME_AGENTS = "; --agent ID names an agent, and whoever is not named is then a customer"


class HelpdeskMessages(Messages):
    """The messages of a file of objects, each a body of one help desk. One that cannot be mapped is rejected whole."""

    names_agents = False
    small_ids = True
    ids_last = True

    def __init__(self, rows: Rows, reader: Reader, desk: str) -> None:
        self.title = _TITLES[desk]
        self.name = rows.name
        self.size = rows.size
        self.warnings = rows.warnings
        self._rows = rows
        self._reader = reader
        self._map = _DESKS[desk](reader)
        self._is_apart = desk in ROLES_APART

    @property
    def position(self) -> int:
        """Bytes read so far."""
        return self._rows.position

    def _entries(self) -> Iterator[Entry]:
        for row in self._rows:
            if isinstance(row, Rejected):
                yield row
            else:
                yield from self._of_row(row)

    def _of_row(self, row: Row) -> Iterator[Entry]:
        try:
            found = self._map({**_users_beside(row), **row.fields})
        except ValueError as error:
            yield from self._rejected(row, str(error))
            return
        for conversation in found:
            self._reader.left_out.update(conversation.left_out)
            for message in conversation.messages:
                yield self._said(row.line, conversation.id, self._known(message))

    def _rejected(self, row: Row, reason: str) -> Iterator[Entry]:
        """One message of a conversation spoils all of it, where the body says which it is."""
        for name in ("ticket_id", "conversation_id"):
            if isinstance(chat := row.fields.get(name), str | int):
                yield Spoiled(row.line, str(chat), reason)
                return
        yield Rejected(row.line, reason)

    def _known(self, message: HelpdeskMessage) -> HelpdeskMessage:
        """The message with its author's role: whoever is named with `--agent` is one."""
        is_named = self._reader.agents.known and self._reader.agents.role_of(message.author) == AGENT
        return replace(message, role=AGENT) if is_named else message

    def _said(self, line: int, chat: str, message: HelpdeskMessage) -> Said:
        source = self._reader.source
        user = person(source, message, is_apart=self._is_apart) if source or message.author else None
        said_at = message.said_at.astimezone(UTC).isoformat() if message.said_at else None
        return Said(line, chat, message.id, user, message.role, message.text, said_at)


def _users_beside(row: Row) -> Body:
    """Where an object wraps a list of tickets, who wrote in them may stand beside the list."""
    return {"users": row.beside["users"]} if "users" in row.beside else {}


class _Zendesk:
    """Zendesk's mapping, which remembers the users of the whole file."""

    def __init__(self, reader: Reader) -> None:
        self._agents = reader.agents
        self._users: dict[str, Any] = {}

    def __call__(self, body: Body) -> Mapped:
        self._users |= zendesk.roles_in(body)
        try:
            return zendesk.conversations_in(body, users=self._users, agents=list(self._agents.known))
        except ValueError as error:
            hint = NAME_AGENTS if str(error) == zendesk.WHO else ""
            raise ValueError(f"{error}{hint}") from None


_DESKS: Mapping[str, Callable[[Reader], Callable[[Body], Mapped]]] = {
    "zendesk": _Zendesk,
    "intercom": lambda _reader: intercom.conversations_in,
    "freshdesk": lambda _reader: freshdesk.conversations_in,
    "chatwoot": lambda _reader: chatwoot.conversations_in,
}
_TITLES: Mapping[str, str] = {
    "zendesk": "Zendesk tickets",
    "intercom": "Intercom conversations",
    "freshdesk": "Freshdesk tickets",
    "chatwoot": "Chatwoot messages",
}
