"""Bodies of help desks in their true shape, with every trap in them; the values are made up."""

from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]
NOON = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)
EPOCH = int(NOON.timestamp())

# Chatwoot

LIST: Json = {
    "meta": {"labels": [], "contact": {"id": 5}},
    "payload": [
        {"id": 91, "content": "My lamp flickers", "message_type": 0, "private": False, "created_at": EPOCH},
        {"id": 92, "content": "Conversation was assigned to Ada", "message_type": 2, "private": False},
        {"id": 93, "content": "Ask the warehouse", "message_type": 1, "private": True},
        {"id": 94, "content": "Please send a photo", "message_type": 1, "private": False},
        {"id": 95, "content": None, "message_type": 0, "private": False, "attachments": [{"id": 1}]},
        {"id": 96, "content": "How did we do?", "message_type": 3, "private": False},
        {
            "id": 97,
            "content": "This message was deleted",
            "message_type": 1,
            "private": False,
            "content_attributes": {"deleted": True},
        },
    ],
}
for each in LIST["payload"]:
    each.update(conversation_id=7, sender={"id": each["id"] % 2, "type": "user"})


def webhook(**more: Any) -> Json:
    return {
        "event": "message_created",
        "id": 91,
        "content": "My lamp flickers",
        "created_at": "2026-11-03 12:00:00 UTC",
        "message_type": "incoming",
        "content_type": "text",
        "sender": {"id": 5, "type": "contact", "name": "Mara"},
        "account": {"id": 1},
        "conversation": {"id": 7, "created_at": EPOCH},
        **more,
    }


# Zendesk

USERS: list[Json] = [{"id": 11, "role": "end-user"}, {"id": 22, "role": "agent"}, {"id": 33, "role": "admin"}]


def comment(id_: int, author: int, **more: Any) -> Json:
    text = f"comment {id_}"
    return {
        "id": id_,
        "type": "Comment",
        "author_id": author,
        "body": text,
        "html_body": f"<p>{text}</p>",
        "public": True,
        "attachments": [],
        "created_at": "2026-11-03T12:00:00Z",
        **more,
    }


TICKET: Json = {
    "id": 35436,
    "requester_id": 22,
    "comments": [
        comment(1, 22, plain_body="The&nbsp;lamp &amp; the plug"),
        comment(2, 11),
        comment(3, 33, public=False),
        comment(4, 11, body="", attachments=[{"id": 9}], html_body=""),
        comment(5, 22, attachments=[{"id": 9}, {"id": 10}]),
        comment(6, 22, type="VoiceComment"),
    ],
}


def added(**more: Any) -> Json:
    return {
        "type": "zen:event-type:ticket.comment_added",
        "account_id": 1,
        "id": "delivery-1",
        "time": "2026-11-03T12:00:00Z",
        "subject": "zen:ticket:35436",
        "zendesk_event_version": "2022-06-20",
        "detail": {"id": "35436", "status": "OPEN"},
        "event": {
            "comment": {
                "id": "2",
                "body": "comment 2",
                "is_public": True,
                "author": {"id": "11", "is_staff": False, "name": "Mara"},
                **more,
            }
        },
    }


# Intercom


def part(id_: int, by: str, body: str | None, **more: Any) -> Json:
    return {
        "type": "conversation_part",
        "id": str(id_),
        "part_type": "comment",
        "body": body,
        "created_at": EPOCH,
        "author": {"type": by, "id": f"{by}-{id_}"},
        "attachments": [],
        **more,
    }


CONVERSATION: Json = {
    "type": "conversation",
    "id": "400",
    "created_at": EPOCH,
    "source": {
        "type": "conversation",
        "id": "900",
        "body": "<p>My lamp <b>flickers</b> &amp; hums</p>",
        "author": {"type": "user", "id": "536e"},
        "attachments": [],
    },
    "conversation_parts": {
        "type": "conversation_part.list",
        "conversation_parts": [
            part(1, "bot", "<p>One moment</p>", author={"type": "bot", "id": "b", "from_ai_agent": True}),
            part(2, "admin", None, part_type="assignment"),
            part(3, "admin", "<p>Ask the warehouse</p>", part_type="note"),
            part(4, "admin", "<p>Solved</p>", part_type="close"),
            part(5, "lead", "<div><img src='lamp.png'></div>"),
            part(6, "contact", "Thanks, a < b", attachments=[{"name": "bill.pdf"}]),
            part(7, "user", None, redacted=True),
            part(8, "team", "<p>Bye</p>", created_at="2026-11-03T12:00:00.000000Z"),
        ],
    },
}


# Freshdesk

FRESHDESK: Json = {
    "id": 3,
    "description_text": "My lamp flickers",
    "description": "<p>My lamp flickers</p>",
    "requester_id": 11,
    "responder_id": 22,
    "source": 1,
    "created_at": "2026-11-03T12:00:00Z",
    "conversations": [
        {"id": 41, "body_text": "Ask the warehouse", "incoming": False, "private": True, "user_id": 22},
        {"id": 42, "body_text": "A photo?", "incoming": False, "private": False, "user_id": 22},
        {"id": 43, "body": "<p>Here</p>", "incoming": True, "private": False, "user_id": 11, "ticket_id": 3},
        {
            "id": 44,
            "body_text": "",
            "incoming": True,
            "private": False,
            "user_id": 11,
            "attachments": [{"id": 1}],
        },
    ],
}
