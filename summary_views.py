"""Summaries as clients see them."""

import json
from collections.abc import Sequence

from store.summaries import Stored
from summaries import ITEMS
from times import iso
from views import Json

INSIGHTS = ("sentiment", "outcome", "keywords")
SUMMARY = ("summary", *ITEMS, *INSIGHTS)


def written_view(stored: Stored, fields: Sequence[str] = SUMMARY) -> Json | None:
    """What was written last of a chat's summary, those fields of it; None where nothing was yet."""
    row = stored.row
    if row is None or row.content is None:
        return None
    content = json.loads(row.content)
    return {
        "status": "completed",
        "conversation_id": stored.conversation_id,
        **{name: content[name] for name in fields},
        "message_count": row.message_count,
        "stale": row.made_from != stored.revision,
        "analyzer": row.analyzer,
        "model": row.model,
        "created_at": iso(row.created_at),
        "updated_at": iso(row.updated_at),
    }
