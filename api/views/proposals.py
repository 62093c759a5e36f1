"""Proposals of discovery as clients see them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from core.clock import iso, iso_or_none
from domain.topics import slug
from store.insights.entries import InsightEntry

EXAMPLE = 300
"""Characters of an example that are shown."""
Json = dict[str, Any]


def proposal_view(row: Row[Any], slugs: Mapping[int, str], examples: Sequence[InsightEntry]) -> Json:
    """A group, with the slugs of topics by number and the insights of its most typical conversations."""
    return {
        "id": row.id,
        "state": row.state,
        "name": row.name,
        "named_by": row.named_by,
        "description": row.description or None,
        "slug": suggested_slug(row),
        "words": json.loads(row.words),
        "language": row.language or None,
        "size": row.size,
        "people": row.people,
        "growth": {
            "people": row.now,
            "people_before": row.before,
            "p": row.p,
            "is_significant": bool(row.grew),
        },
        "part_of": slugs.get(row.part_of),
        "came_from": _shares(row.came_from),
        "went_to": None if row.went_to is None else _shares(row.went_to),
        "topic": slugs.get(row.topic),
        "examples": [_example(each) for each in examples],
        "first_seen": iso(row.first_seen),
        "last_seen": iso(row.last_seen),
        "decided_by": row.decided_by,
        "decided_at": iso_or_none(row.decided_at),
    }


def suggested_slug(row: Row[Any]) -> str:
    """The slug that the topic gets unless whoever accepts the group gives it another."""
    return slug(row.name)


def _shares(stored: str) -> list[Json]:
    return [{"id": id_, "share": share} for id_, share in json.loads(stored)]


def _example(entry: InsightEntry) -> Json:
    row, text = entry.row, entry.text
    return {"conversation_id": row.id, "timestamp": iso(row.timestamp), "text": text[:EXAMPLE]}
