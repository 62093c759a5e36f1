"""Help desks' webhooks as messages of chats. What a body says is the business of `domain/helpdesk`."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from typing import Any, NamedTuple

from pydantic import ValidationError

from domain.analysis import storable
from domain.helpdesk.messages import CUSTOMER, HelpdeskConversation, HelpdeskMessage
from schemas import ID_PATTERN, MAX_TEXT, ChatMessage

HELPDESKS = ("chatwoot", "zendesk", "intercom")
ROLES_APART = frozenset({"chatwoot"})
"""Where a customer and an agent may have the same id."""


class Mapped(NamedTuple):
    """What is in a body."""

    messages: list[ChatMessage]
    left_out: Counter[str]
    """How many of each kind are no messages of customer or agent."""


def mapped(source: str, body: bytes) -> Mapped:
    """The messages of a help desk's body, with ids that no other source has. Raises ValueError, which names the field.

    A text that is too long for one message becomes several. Characters that no database can store are replaced.
    """
    # Only here: most services have no help desk, and what reads its HTML takes memory.
    conversations_in = import_module(f"domain.helpdesk.{source}").conversations_in
    found: list[HelpdeskConversation] = conversations_in(_decoded(body))
    left_out = sum((each.left_out for each in found), Counter[str]())
    return Mapped([message for each in found for message in _messages(source, each)], left_out)


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        decoded = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("the body is not JSON") from None
    if not isinstance(decoded, dict):
        raise ValueError("the body is not an object")
    return decoded


def _messages(source: str, conversation: HelpdeskConversation) -> Iterator[ChatMessage]:
    id_ = f"{source}:{conversation.id}"
    if re.fullmatch(ID_PATTERN, id_) is None:
        raise ValueError("the conversation's id has characters that no id may have, or too many")
    for message in conversation.messages:
        text = storable(message.text)
        for part, first in enumerate(range(0, len(text), MAX_TEXT), 1):
            piece = text[first : first + MAX_TEXT]
            if piece.strip():
                yield _message(source, id_, message, piece, part)


def _message(source: str, chat: str, message: HelpdeskMessage, text: str, part: int) -> ChatMessage:
    sent = {
        "conversation_id": chat,
        "user_id": _author(source, message),
        "user_type": message.role,
        "message_content": text,
        "timestamp": None if message.said_at is None else message.said_at.isoformat(),
        "message_id": storable(message.id if part == 1 else f"{message.id}/{part}"),
    }
    try:
        return ChatMessage.model_validate(sent)
    except ValidationError as error:
        raise ValueError(f"{error.errors()[0]['loc'][0]} of a message cannot be stored") from None


def _author(source: str, message: HelpdeskMessage) -> str:
    kind = "customer" if message.role == CUSTOMER else "agent"
    if message.author is None:
        return f"{source}:{kind}"
    name = storable(message.author)
    return f"{source}:{kind}:{name}" if source in ROLES_APART else f"{source}:{name}"
