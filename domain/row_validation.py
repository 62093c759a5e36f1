"""Whether a row of a model's answer can be used: each value on its own, and nothing is filled in."""

import json
from collections.abc import Mapping

from domain.analysis import (
    CONFIDENCE_SLACK,
    CONFIDENCE_UNIT,
    MAX_CLUSTERS,
    MAX_RAW,
    MAX_REASONING,
    SCORE_UNIT,
    Analysis,
    Invalid,
    Row,
)
from domain.fields.fieldsets import NO_FIELDS, FieldSet
from domain.text import storable
from domain.topics import slug


def validate_row(
    row: Mapping[str, object], fields: FieldSet = NO_FIELDS, *, all_nullable: bool = False
) -> Row:
    """Validate one row of a model's answer, with the operator's fields.

    What is missing makes it Invalid; defaults are never filled in. `all_nullable` is as for `FieldSet.read`.
    """
    raw = json.dumps(row, separators=(",", ":"))
    if len(raw) > MAX_RAW:
        return Invalid("the row is too long")
    try:
        return Analysis(
            score=_scaled(row, "sentiment_score", low=-1, slack=0, unit=SCORE_UNIT),
            confidence=_scaled(row, "confidence", low=0, slack=CONFIDENCE_SLACK, unit=CONFIDENCE_UNIT),
            clusters=_clusters(row),
            reasoning=_reasoning(row),
            raw=raw,
            fields=fields.read(row.get("fields"), all_nullable=all_nullable) if fields else None,
        )
    except ValueError as error:
        return Invalid(str(error), raw)


def _scaled(row: Mapping[str, object], name: str, *, low: float, slack: float, unit: int) -> int:
    value = row.get(name)
    if value is None:
        raise ValueError(f"{name} is missing")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} must be a number")
    if not low - slack <= value <= 1 + slack:  # false for NaN too
        raise ValueError(f"{name} is outside [{low:g}, 1]")
    return round(min(max(value, low), 1) * unit)


def _clusters(row: Mapping[str, object]) -> tuple[str, ...]:
    value = row.get("clusters")
    if not isinstance(value, list):
        raise ValueError("clusters must be a list" if value is not None else "clusters is missing")
    slugs = dict.fromkeys(slug(name) for name in value if isinstance(name, str))
    slugs.pop("", None)
    if not slugs:
        raise ValueError("clusters must name a topic")
    return tuple(slugs)[:MAX_CLUSTERS]


def _reasoning(row: Mapping[str, object]) -> str:
    value = row.get("reasoning")
    if not isinstance(value, str) or not value.strip():
        raise ValueError("reasoning is missing")
    return storable(value.strip())[:MAX_REASONING]
