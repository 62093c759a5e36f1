"""Webhooks of help desks in their own form, with values of our own, and signed as each signs."""

import hashlib
import hmac
import json
import time
from base64 import b64encode
from typing import Any

SECRET = "a secret of the tests and of no help desk"
Json = dict[str, Any]


def chatwoot(text: str = "Where is my parcel?", **changed: Any) -> Json:
    """A message that was created."""
    return {
        "event": "message_created",
        "id": 5,
        "content": text,
        "created_at": "2026-11-20T10:00:00.123Z",
        "message_type": "incoming",
        "content_type": "text",
        "private": False,
        "sender": {"id": 7, "name": "Ann", "type": "contact"},
        "conversation": {"id": 42, "inbox_id": 1, "created_at": 1_763_632_800},
        "account": {"id": 1, "name": "Shop"},
        **changed,
    }


def zendesk(text: str = "Where is my parcel?", **comment: Any) -> Json:
    """A comment that was added, as an event webhook tells it."""
    return {
        "type": "zen:event-type:ticket.comment_added",
        "account_id": 22_129_848,
        "id": "2b24ef10-19d4-4740-93cf-8f98ec4776c0",
        "time": "2026-11-20T10:00:00.123Z",
        "zendesk_event_version": "2022-06-20",
        "subject": "zen:ticket:35436",
        "detail": {"id": "35436", "subject": "Parcel", "status": "OPEN", "via": {"channel": "web"}},
        "event": {
            "comment": {
                "id": "77",
                "body": text,
                "is_public": True,
                "author": {"id": "8447388090495", "is_staff": False, "name": "Ann"},
                **comment,
            }
        },
    }


def intercom(text: str = "Where is my parcel?", **part: Any) -> Json:
    """A user who has replied."""
    said = {
        "type": "conversation_part",
        "id": "9001",
        "part_type": "comment",
        "body": f"<p>{text}</p>",
        "created_at": 1_763_632_800,
        "author": {"type": "user", "id": "usr_1", "name": "Ann"},
        "attachments": [],
        **part,
    }
    return {
        "type": "notification_event",
        "app_id": "abc123",
        "id": "notif_1",
        "topic": "conversation.user.replied",
        "created_at": 1_763_632_801,
        "data": {
            "type": "notification_event_data",
            "item": {
                "type": "conversation",
                "id": "147",
                "created_at": 1_763_632_000,
                "source": {
                    "type": "conversation",
                    "id": "3001",
                    "body": "<p>Hello!</p>",
                    "author": {"type": "user", "id": "usr_1"},
                    "attachments": [],
                },
                "conversation_parts": {"type": "conversation_part.list", "conversation_parts": [said]},
            },
        },
    }


def _content(body: Json | bytes) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def signed_by_chatwoot(body: Json | bytes, secret: str = SECRET, *, age: float = 0) -> Json:
    """The arguments of a POST."""
    content, seconds = _content(body), str(int(time.time() - age))
    mac = hmac.new(secret.encode(), f"{seconds}.".encode() + content, hashlib.sha256).hexdigest()
    headers = {"x-chatwoot-signature": f"sha256={mac}", "x-chatwoot-timestamp": seconds}
    return {"content": content, "headers": {"content-type": "application/json", **headers}}


def signed_by_zendesk(body: Json | bytes, secret: str = SECRET) -> Json:
    """The arguments of a POST."""
    content, moment = _content(body), "2026-11-20T10:00:01Z"
    mac = b64encode(hmac.new(secret.encode(), moment.encode() + content, hashlib.sha256).digest()).decode()
    headers = {"x-zendesk-webhook-signature": mac, "x-zendesk-webhook-signature-timestamp": moment}
    return {"content": content, "headers": {"content-type": "application/json", **headers}}


def signed_by_intercom(body: Json | bytes, secret: str = SECRET) -> Json:
    """The arguments of a POST."""
    content = _content(body)
    mac = hmac.new(secret.encode(), content, hashlib.sha1).hexdigest()
    return {
        "content": content,
        "headers": {"content-type": "application/json", "x-hub-signature": f"sha1={mac}"},
    }


BODIES = {"chatwoot": chatwoot, "zendesk": zendesk, "intercom": intercom}
SIGNERS = {"chatwoot": signed_by_chatwoot, "zendesk": signed_by_zendesk, "intercom": signed_by_intercom}
