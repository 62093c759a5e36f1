"""A person corrects what an analyzer says of a conversation, or takes that back; all counts follow at once."""

import json
from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, select

from core.errors import BadCorrection
from domain.analysis import UNSURE, Analysis
from domain.corrections import Correction, FieldChanges
from domain.fields.fieldsets import FieldAnswers, FieldSet
from domain.fields.kinds import FieldValue
from models import insights, summaries
from store.engine.vault import at as place
from store.engine.vault import vault_of
from store.insights import case_filing, corrections, field_filing, names, versions, writing
from store.insights.corrections import StandingCorrection
from store.insights.field_definitions import answers_in, fields_answered
from store.insights.writing import Insight

_i, _s = insights.c, summaries.c
PLAIN = ("sentiment", "outcome")
"""The parts of a correction that are stored as they are; the others are JSON."""


class NotCorrected(Enum):
    """Why a conversation cannot be corrected."""

    UNKNOWN = "unknown"
    """No conversation has this id."""
    NOT_ANALYSED = "not_analysed"
    NOT_SUMMARISED = "not_summarised"
    """There is no summary of what was analysed, whose outcome could be corrected."""
    WITHOUT_FIELDS = "without_fields"
    """The insight has no answers to fields."""


class Corrected(NamedTuple):
    """What counts now; the insight is None if nothing has changed."""

    number: int
    insight: Insight | None


class _Before(NamedTuple):
    """What a conversation was when somebody came to correct it."""

    insight: Insight
    """As the analyzer made it."""
    correction: StandingCorrection | None
    outcome: str | None
    """Of the summary of the same text, as the analyzer wrote it."""

    @property
    def said(self) -> Correction:
        return Correction() if self.correction is None else self.correction.said


def correct(
    connection: Connection, number: int, changes: Mapping[str, Any], *, by: str, at: int
) -> Corrected | NotCorrected:
    """Change what a person says of a conversation: these parts of `Correction`, None to take one back; that of the
    operator's fields is changed by `FieldChanges`.

    What is said already changes nothing. If nothing is left, what the analyzer says counts again. The row of the
    conversation, by its intake number, is locked. Raises BadCorrection for a value that a field cannot have.
    """
    before = _before(connection, number)
    if before is None:
        return NotCorrected.NOT_ANALYSED
    said = _said(connection, before, changes)
    if isinstance(said, NotCorrected):
        return said
    if said == before.said:
        return Corrected(number, None)
    if said.outcome is not None and before.outcome is None:
        return NotCorrected.NOT_SUMMARISED
    names.hold(connection)
    _note(connection, before, said, by, at)
    # First, for the order of locks: cases, people, topics.
    if said.outcome != before.said.outcome:
        _refile_summary(connection, number)
    analysis = corrections.as_counted(connection, before.insight.analysis, said)
    new = before.insight._replace(analysis=analysis)
    writing.recount_insight(connection, new)
    return Corrected(number, new)


def _said(connection: Connection, before: _Before, changes: Mapping[str, Any]) -> Correction | NotCorrected:
    """What the person says afterwards, or why they cannot."""
    answers, new = before.insight.analysis.fields, changes.get("fields")
    if isinstance(new, FieldChanges):
        if new.said and answers is None:
            return NotCorrected.WITHOUT_FIELDS
        new = new._replace(said=_checked(fields_answered(connection, answers), new.said))
        changes = {**changes, "fields": new.applied(before.said.fields)}
    return before.said._replace(**changes)


def _checked(asked: FieldSet, given: Mapping[str, FieldValue]) -> Mapping[str, FieldValue]:
    try:
        return asked.read_some(given)
    except ValueError as error:
        raise BadCorrection(str(error)) from None


def _before(connection: Connection, number: int) -> _Before | None:
    found = connection.execute(select(insights).where(_i.conversation == number)).one_or_none()
    if found is None:
        return None
    row = vault_of(connection).opened(insights, found)
    correction = corrections.standing(connection, [number]).get(number)
    own = {} if correction is None else correction.model_values
    content = _summary(connection, number, row.revision)
    outcome = None if content is None else content["outcome"]
    fields = field_filing.stored_answers(connection, [row]).get(number)
    if fields is not None and "fields" in own:
        fields = answers_in(connection, fields.version, own["fields"])
    return _Before(_insight(row, {**row._asdict(), **own}, fields), correction, outcome)


def _insight(row: Row[Any], values: Mapping[str, Any], fields: FieldAnswers | None) -> Insight:
    clusters = writing.parse_clusters(values["clusters"])
    told = row.reasoning, row.raw, row.language
    is_unsure = values["sentiment"] == UNSURE
    analysis = Analysis(values["score"], values["confidence"], clusters, *told, is_unsure, fields)
    same = {name: values[name] for name in Insight._fields if name != "analysis"}
    same |= {"cached": bool(row.cached), "partial": bool(row.partial)}
    return Insight(analysis=analysis, **same)


def _note(connection: Connection, before: _Before, said: Correction, by: str, at: int) -> None:
    """Note what is said now; what was said before becomes a version."""
    made, old = before.insight, before.correction
    if old is not None:
        versions.keep_versions(connection, {made.conversation: old.as_version(at)})
    if said.is_empty:
        corrections.remove_correction(connection, made.conversation, made.revision)
        return
    values = {
        **{name: value if name in PLAIN else _as_json(value) for name, value in said._asdict().items()},
        "made_at": at,
        "made_by": by[:100],
        "model_outcome": before.outcome,
        **corrections.model_columns(made, said),
    }
    corrections.store_correction(connection, made.conversation, made.revision, values)


def _as_json(value: object) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)


def _summary(connection: Connection, number: int, revision: int) -> Mapping[str, Any] | None:
    """The content of the summary of this revision."""
    written = select(_s.content).where(_s.conversation == number, _s.made_from == revision)
    stored = connection.scalar(written)
    if stored is None:
        return None
    content: Mapping[str, Any] = json.loads(
        vault_of(connection).open("summaries.content", place(number), stored)
    )
    return content


def _refile_summary(connection: Connection, number: int) -> None:
    revision = connection.scalar(select(_i.revision).where(_i.conversation == number)) or 0
    content = _summary(connection, number, revision)
    if content is not None:
        case_filing.file_summary(connection, number, content)
