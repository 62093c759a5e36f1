"""Examples of the API's document. Tried out in order, from a service that has just been started, each succeeds."""

from collections.abc import Mapping
from typing import Any

CONVERSATION_ID = "ticket-77"
CONVERSATION: Mapping[str, Any] = {
    "conversation_id": CONVERSATION_ID,
    "messages": [
        {"role": "customer", "author": "customer124", "text": "Your app logs me out every morning."},
        {"role": "support_agent", "author": "agent7", "text": "Sorry about that! Which version is it?"},
    ],
    "metadata": {"channel": "chat"},
}
CONVERSATIONS = [
    {"external_id": "order-1", "author": "customer125", "text": "Where is my parcel? It is three days late."},
    {
        "external_id": "order-2",
        "author": "customer126",
        "text": "The new version is great, thank you so much!",
    },
]
MESSAGES = [
    {
        "conversation_id": "chat-1",
        "message_id": "m1",
        "user_id": "customer125",
        "user_type": "customer",
        "message_content": "The café charged me twice.",
        "timestamp": "2026-11-20T10:00:00Z",
    },
    {
        "conversation_id": "chat-1",
        "user_id": "agent7",
        "user_type": "support_agent",
        "message_content": "Sorry! It is on its way back.",
        "timestamp": "2026-11-20T10:02:00Z",
    },
]

OF_ALERTS = ("get_alert", "change_alert", "delete_alert")

BODIES: Mapping[str, Any] = {
    "create_conversation": CONVERSATION,
    "create_conversations": CONVERSATIONS,
    "get_conversation_statuses": {"ids": [CONVERSATION_ID]},
    "add_chat_messages": MESSAGES,
    "summarize_chat": {"conversation_id": CONVERSATION_ID},
    "summarize_chats": {
        "window": {"start_time": "2026-01-01T00:00:00Z", "end_time": "2027-01-01T00:00:00Z"},
        "filter": {"sentiment": "negative"},
        "dry_run": True,
    },
    "begin_reanalysis": {"filter": {"analyzer": "offline"}, "dry_run": True},
    "analyze_chat": {"conversation_id": CONVERSATION_ID},
    "discover_topics": {
        "window": {"start_time": "2026-11-13T00:00:00Z", "end_time": "2026-11-20T00:00:00Z"},
        "filter": {"sentiment": "negative"},
    },
    "accept_proposal": {"slug": "lost_luggage", "label": "Lost luggage"},
    "change_role": {"role": "agent"},
    "change_topic": {"label": "Prices and discounts"},
    "correct_conversation": {"sentiment": "negative", "clusters": ["technical_issue"]},
    "split_topic": {"words": "version", "slug": "new_version"},
    "merge_topics": {"from": ["pricing"], "into": "billing"},
    "take_helpdesk_webhook": {
        "event": "message_created",
        "id": 5,
        "message_type": "incoming",
        "content": "Where is my parcel?",
        "created_at": "2026-11-20T10:00:00Z",
        "conversation": {"id": 42},
        "sender": {"id": 7},
    },
    "create_alert": {
        "name": "Many unhappy customers",
        "metric": "negative_share",
        "threshold": 0.4,
        "window": "6h",
    },
    "change_alert": {"threshold": 0.5},
    "create_webhook": {"url": "https://example.com/hook", "events": ["insight.completed", "alert.fired"]},
    "change_webhook": {"events": ["summary.completed"], "enabled": True},
    "create_key": {"name": "importer", "role": "agent", "expires_at": "2030-01-01T00:00:00Z"},
}
"""By operation."""

PARAMETERS: Mapping[tuple[str, str], Any] = {
    ("get_chat", "conversation_id"): "chat-1",
    ("delete_chat", "conversation_id"): "chat-1",
    ("list_chats_of_user", "user_id"): "agent7",
    ("export_person", "user_id"): "customer125",
    ("erase_person", "user_id"): "customer126",
    ("list_facets", "field"): "author",
    ("list_insights", "start_time"): "2026-01-01T00:00:00Z",
    ("list_insights", "end_time"): "2027-01-01T00:00:00Z",
    ("compare_topics", "start_time"): "2026-01-01T00:00:00Z",
    ("compare_topics", "end_time"): "2027-01-01T00:00:00Z",
    ("explain_change", "start_time"): "2026-11-20T00:00:00Z",
    ("explain_change", "end_time"): "2026-11-21T00:00:00Z",
    ("retry_conversations", "status"): "failed",
    **{
        (name, "proposal_id"): "prop_0b7d2e3f9a1c4e5a8d6f70b1c2d3e4f5"
        for name in ("get_proposal", "accept_proposal", "reject_proposal")
    },
    **{
        (name, "webhook_id"): "wh_0b7d2e3f9a1c4e5a8d6f70b1c2d3e4f5"
        for name in ("get_webhook", "change_webhook", "delete_webhook", "list_deliveries", "resend_event")
    },
    **{(name, "alert_id"): "al_0b7d2e3f9a1c4e5a8d6f70b1c2d3e4f5" for name in OF_ALERTS},
    ("take_helpdesk_webhook", "source"): "chatwoot",
    ("resend_event", "event_id"): "evt_0b7d2e3f9a1c4e5a8d6f70b1c2d3e4f5",
    ("change_role", "account_id"): "5f2b9c0e7a41d386",
    ("delete_account", "account_id"): "5f2b9c0e7a41d386",
    ("revoke_key", "key_id"): "3f9a1c0b7d2e",
    ("cancel_batch", "batch_id"): "insights-0b7d2e3f9a1c4e5a8d6f70b1c2d3e4",
    ("change_topic", "topic_id"): "pricing",
    ("get_topic_history", "topic_id"): "pricing",
    ("split_topic", "topic_id"): "praise",
    **{
        (name, "job_id"): "job_0b7d2e3f9a1c4e5a8d6f70b1c2d3e4f5"
        for name in ("get_reanalysis", "get_job", "cancel_job", "pause_job", "resume_job")
    },
}
"""By operation and parameter. A `conversation_id` without an entry is that of the example above."""
