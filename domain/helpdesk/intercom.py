"""Intercom: conversations as the API has them, and the webhooks that carry one.

The first message is `source`, the others are parts. Bodies are HTML, unless they were asked for as plain text.
`created_at` is epoch seconds in the API and ISO 8601 after some exporters. What bots and AI say comes as `bot`.
"""

from collections.abc import Iterator, Mapping

from domain.helpdesk.markup import plain_text
from domain.helpdesk.messages import (
    AGENT,
    CUSTOMER,
    DELETED,
    NOTE,
    Body,
    HelpdeskConversation,
    HelpdeskMessage,
    Speaker,
    files_in,
    keeps,
    moment_in,
    object_in,
    objects_in,
    optional_id,
    required_id,
    text_in,
)

AUTHORS: Mapping[str, Speaker] = {
    **dict.fromkeys(("user", "lead", "contact"), CUSTOMER),
    **dict.fromkeys(("admin", "bot", "team"), AGENT),
}
SOURCES = ("source", "conversation_message")
"""Names of the first message; the second is that of API versions before 2.0."""


def conversations_in(body: Body) -> list[HelpdeskConversation]:
    """The conversations of a body with those of their messages that it holds.

    `body` is a webhook (`notification_event`), a conversation, or the API's list of them. Empty for a webhook about
    something else. Raises ValueError.
    """
    return [_conversation(each) for each in _bodies(body)]


def _bodies(body: Body) -> Iterator[Body]:
    if body.get("type") == "notification_event":
        item = object_in(object_in(body, "data"), "item")
        if item.get("type") == "conversation":
            yield item
    elif isinstance(body.get("conversations"), list):
        yield from objects_in(body, "conversations")
    else:
        yield body


def _conversation(body: Body) -> HelpdeskConversation:
    conversation = HelpdeskConversation(required_id(body, "id"))
    for name in SOURCES:
        if source := object_in(body, name):
            _add(conversation, {**source, "created_at": body.get("created_at")})
    for part in _parts(body):
        if text_in(part, "part_type").startswith("note"):
            conversation.left_out[NOTE] += 1
        else:
            _add(conversation, part)
    return conversation


def _parts(body: Body) -> Iterator[Body]:
    """The parts, which exporters take out of the object that the API wraps them in."""
    inside = body.get("conversation_parts")
    yield from objects_in(inside if isinstance(inside, Mapping) else body, "conversation_parts")


def _add(conversation: HelpdeskConversation, part: Body) -> None:
    if part.get("redacted") is True:
        conversation.left_out[DELETED] += 1
        return
    text = plain_text(text_in(part, "body"))
    if keeps(conversation, text, files_in(part) or _pictures(part)):
        author = object_in(part, "author")
        conversation.messages.append(
            HelpdeskMessage(
                id=required_id(part, "id"),
                author=optional_id(author, "id"),
                role=_role(author),
                text=text,
                said_at=moment_in(part, "created_at"),
            )
        )


def _pictures(part: Body) -> int:
    """How many pictures stand in the HTML of a body, which is where chats have them."""
    return text_in(part, "body").lower().count("<img")


def _role(author: Body) -> Speaker:
    role = AUTHORS.get(text_in(author, "type"))
    if role is None:
        raise ValueError("author.type is none of user, lead, contact, admin, bot, team")
    return role
