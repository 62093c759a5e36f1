"""Summaries as clients see them."""

import json
from collections.abc import Sequence

from api.views.conversations import Json
from core.clock import iso
from domain.summaries import ITEMS
from models import FAILED
from store.insights.topic_cases import OUTCOMES
from store.queue.summaries import Stored

INSIGHTS = ("sentiment", "outcome", "keywords")
FIELDS = ("fields", "fields_version")
SUMMARY = ("summary", *ITEMS, *INSIGHTS)


def written_view(stored: Stored, parts: Sequence[str] = SUMMARY) -> Json | None:
    """These parts of the last summary that was written; None if there is none yet."""
    row = stored.row
    if row is None or row.content is None:
        return None
    content = json.loads(row.content)
    return {
        "status": "completed",
        "conversation_id": stored.conversation_id,
        **{name: content[name] for name in parts},
        **{name: content.get(name) for name in FIELDS},
        # What a person has corrected counts; before it is filed there is no correction.
        "outcome": row.outcome if row.outcome in OUTCOMES else content["outcome"],
        "model_outcome": content["outcome"],
        "message_count": row.message_count,
        "stale": row.made_from != stored.revision,
        "analyzer": row.analyzer,
        "model": row.model,
        "created_at": iso(row.created_at),
        "updated_at": iso(row.updated_at),
    }


def ended_view(stored: Stored) -> Json | None:
    """A summary that is no longer being written: the summary, or why it could not be written."""
    row = stored.row
    if row is not None and row.status == FAILED:
        return {"status": "failed", "conversation_id": stored.conversation_id, "error": row.error}
    return written_view(stored)
