"""Lists of summaries as clients see them."""

from typing import Any

from api.views.conversations import participant_view
from api.views.summaries import written_view
from core.clock import iso
from store.insights.case_list import ListedCase
from store.queue.summaries import Stored

CASE_COLUMNS = (
    "conversation_id",
    "timestamp",
    "participants",
    "topics",
    "outcome",
    "has_open_questions",
    "sentiment",
    "summary",
    "action_items",
    "decisions",
    "questions",
    "keywords",
    "message_count",
    "stale",
    "analyzer",
    "model",
    "created_at",
    "updated_at",
)


def case_view(listed: ListedCase) -> dict[str, Any]:
    """A chat with its summary."""
    row = listed.conversation
    summary = written_view(Stored(row.id, row.revision, listed.summary)) or {}
    return {
        **summary,
        "timestamp": iso(row.timestamp),
        "participants": [*map(participant_view, listed.participants)],
        "topics": list(listed.topics),
        "has_open_questions": bool(listed.summary.has_open_questions),
    }
