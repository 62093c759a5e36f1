"""Help desks' webhooks as messages of chats. What a body says is the business of `domain/helpdesk`."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from typing import Any, NamedTuple

from pydantic import ValidationError

from domain.helpdesk.messages import ROLES_APART, HelpdeskConversation, HelpdeskMessage, person, pieces
from domain.text import storable
from schemas import ID_PATTERN, MAX_TEXT, ChatMessage

HELPDESKS = ("chatwoot", "zendesk", "intercom")


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
        for name, text in pieces(message.id, storable(message.text), MAX_TEXT):
            yield _message(source, id_, message, name, text)


def _message(source: str, chat: str, message: HelpdeskMessage, name: str, text: str) -> ChatMessage:
    sent = {
        "conversation_id": chat,
        "user_id": storable(person(source, message, is_apart=source in ROLES_APART)),
        "user_type": message.role,
        "message_content": text,
        "timestamp": None if message.said_at is None else message.said_at.isoformat(),
        "message_id": storable(name),
    }
    try:
        return ChatMessage.model_validate(sent)
    except ValidationError as error:
        raise ValueError(f"{error.errors()[0]['loc'][0]} of a message cannot be stored") from None
