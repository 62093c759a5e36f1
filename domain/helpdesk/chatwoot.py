"""Chatwoot: bodies of its webhooks, and what its API answers.

`message_type` is a number in the API and a word in webhooks. `created_at` is epoch seconds in the API; webhooks have
written it as `2020-03-03 13:05:57 UTC` and as ISO 8601. The id of a conversation is the one that agents see, the same
at both doors. `private` is missing in the webhooks of old versions: what an agent wrote may then be a note.
"""

from collections.abc import Iterator
from typing import Any

from domain.helpdesk.messages import (
    AGENT,
    CUSTOMER,
    DELETED,
    NOTE,
    NOTICE,
    Body,
    HelpdeskConversation,
    HelpdeskMessage,
    files_in,
    flag_in,
    keeps,
    moment_in,
    object_in,
    objects_in,
    optional_id,
    required_id,
    text_in,
)

INCOMING, OUTGOING, ACTIVITY, TEMPLATE = "incoming", "outgoing", "activity", "template"
TYPES: dict[Any, str] = {
    **{0: INCOMING, 1: OUTGOING, 2: ACTIVITY, 3: TEMPLATE},
    **{name: name for name in (INCOMING, OUTGOING, ACTIVITY, TEMPLATE)},
}
SPEAKERS = {INCOMING: CUSTOMER, OUTGOING: AGENT, TEMPLATE: AGENT}


def conversations_in(body: Body) -> list[HelpdeskConversation]:
    """The conversations of a body, each once, with those of its messages that the body holds.

    `body` is a webhook (`message_created`, `conversation_created` and the like), the API's list of messages or of
    conversations, a conversation or a message. Empty for an event that tells of neither, such as `contact_updated`.
    Raises ValueError.
    """
    found: dict[str, HelpdeskConversation] = {}
    for conversation_id, messages in _threads(body):
        conversation = found.setdefault(conversation_id, HelpdeskConversation(conversation_id))
        for message in messages:
            _add(conversation, message)
    return list(found.values())


def _threads(body: Body) -> Iterator[tuple[str, list[Body]]]:
    """Conversation ids, and messages of each."""
    for item in _items(body):
        if "message_type" in item:
            yield _conversation_of(item), [item]
        elif "messages" in item:
            yield required_id(item, "id"), list(objects_in(item, "messages"))
        elif "event" not in item:
            raise ValueError("there is no message_type and there are no messages")


def _items(body: Body) -> Iterator[Body]:
    """What the API wraps in `payload`, and once more in `data`; else the body itself."""
    holder = body if isinstance(body.get("payload"), list) else object_in(body, "data")
    return objects_in(holder, "payload") if "payload" in holder else iter([body])


def _conversation_of(message: Body) -> str:
    inside = optional_id(object_in(message, "conversation"), "id")
    return inside or required_id(message, "conversation_id")


def _add(conversation: HelpdeskConversation, message: Body) -> None:
    kind = _type_of(message)
    if kind == ACTIVITY:
        conversation.left_out[NOTICE] += 1
    elif _is_private(message, kind):
        conversation.left_out[NOTE] += 1
    elif object_in(message, "content_attributes").get("deleted") is True:
        conversation.left_out[DELETED] += 1
    elif keeps(conversation, text_in(message, "content"), files_in(message)):
        conversation.messages.append(_message(message, kind))


def _is_private(message: Body, kind: str) -> bool:
    """Customers write no notes, so only what an agent wrote has to say that it is none."""
    return message.get("private") is True or (kind != INCOMING and flag_in(message, "private"))


def _type_of(message: Body) -> str:
    value = message.get("message_type")
    kind = TYPES.get(value) if isinstance(value, int | str) and not isinstance(value, bool) else None
    if kind is None:
        raise ValueError("message_type is none of incoming, outgoing, activity, template, or 0 to 3")
    return kind


def _message(message: Body, kind: str) -> HelpdeskMessage:
    return HelpdeskMessage(
        id=required_id(message, "id"),
        author=optional_id(object_in(message, "sender"), "id"),
        role=SPEAKERS[kind],
        text=text_in(message, "content"),
        said_at=moment_in(message, "created_at"),
    )
