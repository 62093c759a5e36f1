"""Long jobs as clients see them."""

from typing import Any

from sqlalchemy import Row

from core.clock import iso, iso_or_none
from llm.prices import TICKS_PER_USD
from models import PROCESSING


def job_view(row: Row[Any]) -> dict[str, Any]:
    """A job; `row` is one of `jobs`."""
    return {
        "id": row.id,
        "kind": row.kind,
        "status": "running" if row.status == PROCESSING else row.status,
        "done": row.done,
        "total": row.total,
        "usd": row.cost_ticks / TICKS_PER_USD,
        "conversations": row.conversations,
        "error": row.error,
        "created_at": iso(row.created_at),
        "created_by": row.created_by,
        "ended_at": iso_or_none(row.ended_at),
    }
