"""Freshdesk: tickets with their conversations as exports and the API have them.

The first message is the ticket's own description; the others are in `conversations`. Numbers in `source` say how a
message came; they do not say who wrote it, `incoming` does.
"""

from domain.helpdesk.markup import plain_text
from domain.helpdesk.messages import (
    AGENT,
    CUSTOMER,
    NOTE,
    Body,
    HelpdeskConversation,
    HelpdeskMessage,
    files_in,
    flag_in,
    keeps,
    moment_in,
    objects_in,
    optional_id,
    required_id,
    text_in,
)

OUTBOUND_EMAIL = 10
"""A ticket with this source begins with what an agent wrote."""


def conversations_in(body: Body) -> list[HelpdeskConversation]:
    """The ticket of a body, with its description and conversations, or one conversation with a `ticket_id`.

    Raises ValueError.
    """
    if "incoming" in body:
        conversation = HelpdeskConversation(required_id(body, "ticket_id"))
        _add(conversation, body)
        return [conversation]
    conversation = HelpdeskConversation(required_id(body, "id"))
    if "description_text" in body or "description" in body:
        _add_description(conversation, body)
    for reply in objects_in(body, "conversations"):
        _add(conversation, reply)
    return [conversation]


def _add_description(conversation: HelpdeskConversation, ticket: Body) -> None:
    text = text_in(ticket, "description_text") or plain_text(text_in(ticket, "description"))
    if not keeps(conversation, text, files_in(ticket)):
        return
    by_agent = ticket.get("source") == OUTBOUND_EMAIL
    conversation.messages.append(
        HelpdeskMessage(
            id=required_id(ticket, "id"),
            author=optional_id(ticket, "responder_id" if by_agent else "requester_id"),
            role=AGENT if by_agent else CUSTOMER,
            text=text,
            said_at=moment_in(ticket, "created_at"),
        )
    )


def _add(conversation: HelpdeskConversation, reply: Body) -> None:
    text = text_in(reply, "body_text") or plain_text(text_in(reply, "body"))
    if flag_in(reply, "private"):
        conversation.left_out[NOTE] += 1
    elif keeps(conversation, text, files_in(reply)):
        conversation.messages.append(
            HelpdeskMessage(
                id=required_id(reply, "id"),
                author=optional_id(reply, "user_id"),
                role=CUSTOMER if flag_in(reply, "incoming") else AGENT,
                text=text,
                said_at=moment_in(reply, "created_at"),
            )
        )
