"""Calls about conversations."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal, TypedDict
from uuid import uuid4

from ..answers import Accepted, BulkAccepted, Conversation, ConversationsPage, Queued, Statuses
from ..wire import Call, Encoded, encoded
from .building import content_of, getting, nothing, path_to, posting, reader

Time = datetime | str
"""A `datetime`, or a text in ISO 8601; without an offset it is UTC."""

CONVERSATIONS = "/api/v1/conversations"


class NewTurn(TypedDict, total=False):
    """A message of a conversation; `text` is required, `role` is `customer` or `support_agent`."""

    text: str
    author: str
    role: str
    timestamp: Time
    message_id: str


class NewConversation(TypedDict, total=False):
    """A conversation to post: exactly one of `text` and `messages`; the rest may be left out."""

    text: str
    messages: Sequence[NewTurn]
    author: str
    timestamp: Time
    external_id: str
    conversation_id: str
    raw_data: Mapping[str, Any]
    metadata: Mapping[str, Any]


def fresh_key() -> str:
    """An Idempotency-Key that nobody has used. Use the same one for the same content only."""
    return uuid4().hex


def post(conversation: NewConversation | Encoded, *, idempotency_key: str | None = None) -> Call[Accepted]:
    """Take in one conversation: it is on disk when this returns.

    It is sent again after a lost connection only if it has an `external_id`, a `conversation_id` or an
    `idempotency_key` (see `fresh_key`). Raises Lost otherwise; Invalid, Conflict.
    """
    content = content_of(conversation, _is_identified)
    return posting(CONVERSATIONS, content, reader(Accepted), idempotency_key)


def post_bulk(
    conversations: Sequence[NewConversation] | Encoded,
    *,
    on_conflict: Literal["fail", "skip"] = "fail",
    freshness: Literal["now", "day"] = "now",
    idempotency_key: str | None = None,
) -> Call[BulkAccepted]:
    """Take in 1 to 500 conversations, all or none; with `skip`, all but those that clash with a known id.

    With the freshness `day`, an answer within a day will do, which may be cheaper. Sent again as with `post`, if each
    of them has an id. Raises Invalid and Conflict, whose `faults` name items.
    """
    content = content_of(conversations, lambda items: all(map(_is_identified, items)))
    call = posting(f"{CONVERSATIONS}/bulk", content, reader(BulkAccepted), idempotency_key)
    asked = {"on_conflict": (on_conflict, "fail"), "freshness": (freshness, "now")}
    params = {name: value for name, (value, default) in asked.items() if value != default}
    return replace(call, params=params) if params else call


def conversation(
    conversation_id: str, *, wait: float = 0, raw: bool = False, history: bool = False
) -> Call[Conversation]:
    """One conversation; with `wait`, as soon as it has ended or after so many seconds, at most 60.

    `raw` adds what the analyzer wrote, `history` the insight's earlier versions. Raises NotFound.
    """
    include = ",".join(name for name, is_wanted in (("raw", raw), ("history", history)) if is_wanted)
    params = {"wait": wait or None, "include": include or None}
    return getting(path_to(CONVERSATIONS, conversation_id), reader(Conversation), params, wait=wait)


def conversations_page(
    *,
    status: str | None = None,
    external_id: str | None = None,
    author: str | None = None,
    limit: int = 100,
    cursor: str | None = None,
) -> Call[ConversationsPage]:
    """A page of 1 to 1,000 conversations without their texts, newest intake first."""
    filters = {"status": status, "external_id": external_id, "author": author}
    return getting(CONVERSATIONS, reader(ConversationsPage), {**filters, "limit": limit, "cursor": cursor})


def statuses(ids: Sequence[str]) -> Call[Statuses]:
    """How far up to 500 conversations are."""
    return Call("POST", f"{CONVERSATIONS}/status", reader(Statuses), body=encoded({"ids": list(ids)}))


def retry(conversation_id: str, *, fresh: bool = False) -> Call[Queued]:
    """Queue a conversation that failed or was skipped; `fresh` asks although the answer may be known.

    Raises NotFound, Conflict.
    """
    path = f"{path_to(CONVERSATIONS, conversation_id)}/retry"
    return Call("POST", path, reader(Queued), {"fresh": fresh or None}, repeatable=False)


def retry_all(status: Literal["failed", "skipped"]) -> Call[Queued]:
    """Queue all conversations that failed, or all that were skipped."""
    return Call("POST", f"{CONVERSATIONS}/retry", reader(Queued), {"status": status}, repeatable=False)


def delete(conversation_id: str) -> Call[None]:
    """Delete a conversation, or a chat, with everything that belongs to it. Raises NotFound.

    It is not sent again after a lost connection: by then the id may stand for a new conversation.
    """
    return Call("DELETE", path_to(CONVERSATIONS, conversation_id), nothing, repeatable=False)


def _is_identified(item: Mapping[str, object]) -> bool:
    return item.get("external_id") is not None or item.get("conversation_id") is not None
