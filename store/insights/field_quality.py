"""What people said of answers to the operator's fields, of what was drawn at random to be checked."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from domain.analysis import UNSURE
from domain.quality import Checked
from models import conversations, corrections
from store.engine.vault import vault_of
from store.insights.field_definitions import fields_of_version

_c = corrections.c
Weights = Mapping[tuple[int, int], Sequence[float]]
"""What each drawn text, by conversation and revision, stands for, at every time that it was drawn."""


class FieldJudgement(NamedTuple):
    """Whether the answer to a field was that of the person who checked it."""

    name: str
    type: str
    checked: Checked


def judged_fields(connection: Connection, start: int, end: int, weights: Weights) -> list[FieldJudgement]:
    """What was said of the fields of drawn conversations that were said in `[start, end)`, UTC microseconds."""
    said_at = conversations.c.timestamp
    found = select(corrections).join(conversations, conversations.c.number == _c.conversation)
    here = said_at >= start, said_at < end, _c.fields.is_not(None), _c.model_fields_version.is_not(None)
    rows = [row for row in connection.execute(found.where(*here)) if row[:2] in weights]
    opened = vault_of(connection).all_opened(corrections, [*filter(_is_drawn_from, rows)])
    asked = {
        each: fields_of_version(connection, each) for each in {row.model_fields_version for row in opened}
    }
    return [
        FieldJudgement(field.name, field.type, Checked(row.model_confidence, agrees, weight))
        for row in opened
        for field, agrees in asked[row.model_fields_version].agreement(
            json.loads(row.model_fields), json.loads(row.fields)
        )
        for weight in weights[row[:2]]
    ]


def _is_drawn_from(row: Any) -> bool:
    """What is unsure is never drawn; it may have been surer when it was."""
    return bool(row.model_sentiment != UNSURE)
