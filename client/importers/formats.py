"""Exports of help desks and messengers, told by their fields: those that are read, and those that are refused by name.

Read as plain rows, each message of a thread would be a conversation of its own, and notes and agents would speak
with the customer's voice. The fields are those of the vendors' documents and of public parsers.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from client.importers.chats import CHAT
from client.importers.fields import Reader
from client.importers.roles import NAMES

# Any of these sets of fields, in lower case, tells the format. A `*` behind a name: its value is a list or an object.
SIGNATURES: Mapping[str, Sequence[frozenset[str]]] = {
    name: [frozenset(each.split()) for each in signs]
    for name, signs in {
        "Zendesk ticket comments": (
            "comments*",
            "comment* ticket_id",
            "author_id body public",
            "author_id html_body",
            "plain_body",
            "html_body public",
            "zendesk_event_version",
            "detail* event* subject",
        ),
        "Intercom conversations": (
            "conversation_parts*",
            "part_type",
            "source* contacts*",
            "delivered_as author*",
            "delivery_status delivery_attempts topic",
        ),
        "Freshdesk conversations": (
            "body_text ticket_id",
            "body_text incoming",
            "body incoming private",
            "description_text conversations*",
            "description_text requester_id",
            "ticket* freshdesk_webhook*",
        ),
        "Chatwoot messages": (
            "message_type content",
            "event account*",
            "content content_type sender*",
            "inbox* messages* meta*",
            "payload* meta*",
        ),
        "Slack messages": (
            "ts text user",
            "ts text type",
            "ts text bot_id",
            "thread_ts",
            "client_msg_id",
            "ts user",
            "type subtype ts",
        ),
        "HubSpot conversations": (
            "conversationsthreadid",
            "direction text createdat",
            "direction senders*",
            "hs_email_direction",
            "associatedcontactid inboxid",
        ),
        "Help Scout conversations": ("_embedded*", "threads* mailboxid", "createdby* body"),
        "Front messages": ("is_inbound body", "_links* blurb", "is_draft recipients*"),
        "Gorgias messages": ("from_agent", "body_text channel via"),
        "Telegram chats": ("text_entities*", "from_id date", "date_unixtime"),
        "Messenger chats": ("sender_name timestamp_ms", "participants* messages* magic_words*"),
        "Discord chats": ("guild* messages*", "timestampedited author*"),
        "Amazon Connect transcripts": (
            "participantrole content",
            "contactid transcript*",
            "participantid content",
        ),
        "ShareGPT dialogues": ("from value",),
        "ChatGPT conversations": ("mapping* current_node",),
        "Google Chat messages": ("creator* topic_id",),
        "Crisp conversations": ("session_id fingerprint",),
        "Google CCAI conversations": ("entries* conversation_info*", "start_timestamp_usec"),
        "Twilio messages": ("conversation_sid body", "conversationsid body", "messaging_service_sid body"),
        "Genesys transcripts": ("transcripts* conversationid", "participantpurpose"),
        "a transcript with speakers": (
            "speaker text",
            "speaker utterance",
            "speaker message",
            "speaker content",
        ),
    }.items()
}
DESKS: Mapping[str, str] = {
    "Zendesk ticket comments": "zendesk",
    "Intercom conversations": "intercom",
    "Freshdesk conversations": "freshdesk",
    "Chatwoot messages": "chatwoot",
    "Slack messages": "slack",
}
"""Those that are read, and what `--format` calls them."""
INSIDE = ("ticket", "data", "item")
"""Where answers and webhooks keep the object itself."""
THREADS = (*CHAT, "ticket_id", "ticket id", "thread_id", "threadid", "session_id", "ticketid")
WHAT_READS = (
    "a format that is not read: convert it to NDJSON, one conversation a line: "
    '{"conversation_id": "...", "messages": [{"role": "customer", "text": "..."}]}'
)


def recognised(fields: Mapping[str, Any]) -> str | None:
    """The name of the foreign format that an object or row is in; None where it is none of them."""
    known = {name.lower(): value for name, value in fields.items()}
    for name, signs in SIGNATURES.items():
        if any(_holds(known, sign) for sign in signs):
            return name
    turns = fields.get("messages")
    below = [fields.get(name) for name in INSIDE] + (turns if isinstance(turns, list) else [])
    return next((found for each in below if isinstance(each, Mapping) and (found := recognised(each))), None)


def _holds(known: Mapping[str, Any], sign: Collection[str]) -> bool:
    return all(_has(known, each) for each in sign)


def _has(known: Mapping[str, Any], name: str) -> bool:
    if name.endswith("*"):
        return isinstance(known.get(name[:-1]), list | dict)
    return name in known


def thread_that_comes_again(rows: Sequence[Mapping[str, Any]], reader: Reader) -> str | None:
    """The field whose value several rows share, where each is a message and nothing says who speaks."""
    for name in THREADS:
        if name in reader.identity:
            continue
        messages = {repr(row): str(row[name]) for row in rows if row.get(name) and _is_message(row, reader)}
        if len(set(messages.values())) < len(messages):  # the same row twice is one message
            return name
    return None


def _is_message(row: Mapping[str, Any], reader: Reader) -> bool:
    return not set(reader.text).isdisjoint(row) and set(NAMES).isdisjoint(row) and "messages" not in row
