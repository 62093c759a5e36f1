"""Webhooks and their deliveries as clients see them."""

import json
from typing import Any

from sqlalchemy import Row

from core.clock import iso, iso_or_none
from domain.write_back import CHATWOOT


def webhook_view(row: Row[Any]) -> dict[str, Any]:
    """A webhook, without its secret; `row` is one of `webhooks`."""
    return {
        "id": row.id,
        "url": row.url,
        "events": [each.removeprefix(f"{CHATWOOT}/") for each in json.loads(row.events)],
        "enabled": row.run_at is not None,
        "disabled_reason": row.disabled_reason,
        "disabled_at": iso_or_none(row.disabled_at),
        "created_at": iso(row.created_at),
        "created_by": row.created_by,
        "succeeded_at": iso_or_none(row.succeeded_at),
    }


def delivery_view(row: Row[Any]) -> dict[str, Any]:
    """A delivery, without its body; `row` is one of `webhook_deliveries`."""
    return {
        "id": row.id,
        "type": row.type,
        "state": row.state,
        "created_at": iso(row.created_at),
        "tries": row.tries,
        "tried_at": iso_or_none(row.tried_at),
        "next_try_at": iso_or_none(row.next_at),
        "ended_at": iso_or_none(row.ended_at),
        "outcome": row.outcome,
        "answer": row.answer,
        "error": row.error,
    }
