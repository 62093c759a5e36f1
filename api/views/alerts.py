"""Alerts as clients see them."""

from typing import Any

from sqlalchemy import Row

from core.clock import SECOND, iso, iso_or_none

LENGTHS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60}
"""Seconds."""


def alert_view(row: Row[Any]) -> dict[str, Any]:
    """An alert; `row` is one of `alerts`."""
    same = (
        "id",
        "name",
        "metric",
        "topic",
        "field",
        "direction",
        "threshold",
        "resolve_threshold",
        "minimum_count",
    )
    return {
        **{name: getattr(row, name) for name in same},
        "window": _length(row.window),
        "state": row.state,
        "value": row.value,
        "count": row.n,
        "looked_at": iso_or_none(row.looked_at),
        "fired_at": iso_or_none(row.fired_at),
        "resolved_at": iso_or_none(row.resolved_at),
        "firings": row.firings,
        "created_at": iso(row.created_at),
        "created_by": row.created_by,
    }


def _length(microseconds: int) -> str:
    """As it may be sent, such as `1h`."""
    seconds = microseconds // SECOND
    letter, unit = next((letter, unit) for letter, unit in LENGTHS.items() if seconds % unit == 0)
    return f"{seconds // unit}{letter}"
