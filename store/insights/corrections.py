"""What people have said of conversations, and what that changes of the insights that are stored for the same texts.

`insights` has the values that count. What the analyzer says of the same text stands in `corrections`, beside what the
person said. A correction is of a revision: when the chat has grown, its new insight counts as it was made, and the
correction stays as one of the earlier versions.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from pydantic_core import to_json
from sqlalchemy import Connection, bindparam, delete, select, update

from domain.analysis import Analysis
from domain.corrections import Correction, corrected
from domain.fields.fieldsets import NO_FIELDS
from models import OF_CORRECTION, corrections, insights, quality_items, summaries
from store.engine.dialect import insert_on_conflict
from store.engine.prepared import Prepared, among
from store.engine.vault import vault_of
from store.insights.field_definitions import fields_answered
from store.insights.shown import shown_clusters

_c, _i, _s = corrections.c, insights.c, summaries.c
OF_INSIGHT = (_i.conversation == _c.conversation) & (_i.revision == _c.revision)


class StandingCorrection(NamedTuple):
    """A correction of the text that a conversation's insight is of. Times in UTC microseconds."""

    conversation: int
    revision: int
    sentiment: int | None
    clusters: str | None
    """JSON, like that of the analyzer."""
    outcome: str | None
    made_at: int
    made_by: str
    model_score: int
    model_sentiment: int
    model_confidence: int
    model_clusters: str
    model_outcome: str | None
    fields: str | None
    """JSON, by name."""
    model_fields: str | None
    """JSON; None where the person says nothing of fields, or the analyzer has answered none."""

    @property
    def said(self) -> Correction:
        """What the person said."""
        clusters = None if self.clusters is None else tuple(json.loads(self.clusters))
        fields = None if self.fields is None else json.loads(self.fields)
        return Correction(self.sentiment, clusters, self.outcome, fields)

    @property
    def model_values(self) -> dict[str, Any]:
        """What the analyzer says, as columns of `insights`; those of fields only where the person says something."""
        fields = {} if self.model_fields is None else {"fields": self.model_fields}
        return {
            **fields,
            "score": self.model_score,
            "sentiment": self.model_sentiment,
            "confidence": self.model_confidence,
            "clusters": self.model_clusters,
        }

    def as_version(self, at: int) -> dict[str, Any]:
        """How the corrected insight is kept as a version that is replaced `at` a time."""
        made = {"made_at": self.made_at, "made_by": self.made_by}
        return {"origin": OF_CORRECTION, "reasoning": None, **made, "replaced_at": at}


STANDING = Prepared(
    select(*(_c[name] for name in StandingCorrection._fields))
    .join(insights, OF_INSIGHT)
    .where(among(_c.conversation, "numbers"))
)
OUTCOME = Prepared(
    select(_c.outcome)
    .join(summaries, (_s.conversation == _c.conversation) & (_s.made_from == _c.revision))
    .where(_c.conversation == bindparam("of"), _c.outcome.is_not(None))
)


def standing(connection: Connection, numbers: Collection[int]) -> dict[int, StandingCorrection]:
    """The corrections that count, of these conversations (intake numbers)."""
    rows = STANDING.rows(connection, {"numbers": [*numbers]}) if numbers else ()
    return {row[0]: _opened(connection, StandingCorrection(*row)) for row in rows}


def _opened(connection: Connection, its: StandingCorrection) -> StandingCorrection:
    if its.fields is None:
        return its
    return StandingCorrection(**vault_of(connection).opened_values(corrections, its._asdict()))


def outcome_of(connection: Connection, conversation: int) -> str | None:
    """The outcome that a person gave the text that a conversation's summary is of; None without one."""
    rows = OUTCOME.rows(connection, {"of": conversation})
    return rows[0][0] if rows else None


class ShownCorrection(NamedTuple):
    """A correction that counts, with the slugs that the topics of both sides are shown with."""

    row: StandingCorrection
    clusters: Sequence[str] | None
    model_clusters: Sequence[str]


def shown_corrections(connection: Connection, numbers: Collection[int]) -> Mapping[int, ShownCorrection]:
    """The corrections that count, as they are shown."""
    found = standing(connection, numbers)
    rows = [*found.values()]
    if not rows:
        return {}
    own = shown_clusters(connection, (row.model_clusters for row in rows))
    said = shown_clusters(connection, (row.clusters or "[]" for row in rows))
    return {
        row.conversation: ShownCorrection(row, None if row.clusters is None else clusters, model)
        for row, clusters, model in zip(rows, said, own, strict=True)
    }


# --- when an insight is stored ----------------------------------------------------------------------------------


class Analysed(Protocol):
    """An insight that is about to be stored."""

    @property
    def revision(self) -> int: ...
    @property
    def analysis(self) -> Analysis: ...
    @property
    def analysed_at(self) -> int: ...
    @property
    def analyzer(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def prompt_version(self) -> str: ...


class Carried(NamedTuple):
    """What becomes of the insights that are replaced, and of the corrections of them."""

    analyses: Mapping[int, Analysis]
    """Those that count otherwise than they were made, corrected."""
    replaced: Mapping[int, Mapping[str, Any]]
    """The insights to keep as versions, each with what is different of the version."""


def carry_over(connection: Connection, new: Mapping[int, Analysed], old: Mapping[int, int]) -> Carried:
    """Carry corrections over to new insights of the same texts. `old` are the revisions of insights that are replaced.

    The analyzer's old values are to be kept as a version, and the new ones come beside the correction. A corrected
    insight of an earlier text is to be kept as it counted.
    """
    its = standing(connection, old)
    analyses: dict[int, Analysis] = {}
    replaced: dict[int, Mapping[str, Any]] = {}
    for number, revision in old.items():
        made, correction = new[number], its.get(number)
        if made.revision == revision:
            own = {} if correction is None else correction.model_values
            replaced[number] = {**own, "replaced_at": made.analysed_at}
            if correction is not None:
                _note_model(connection, number, made, correction.said)
                analyses[number] = as_counted(connection, made.analysis, correction.said)
        elif correction is not None:
            replaced[number] = correction.as_version(made.analysed_at)
    return Carried(analyses, replaced)


def as_counted(connection: Connection, analysis: Analysis, said: Correction) -> Analysis:
    """The analysis as it counts with what a person says of it."""
    asked = NO_FIELDS if said.fields is None else fields_answered(connection, analysis.fields)
    return corrected(analysis, said, asked)


def _note_model(connection: Connection, number: int, made: Analysed, said: Correction) -> None:
    """Put what an analyzer says beside what a person says of the same text."""
    here = {"conversation": number, "revision": made.revision}
    values = vault_of(connection).sealed(corrections, {**here, **model_columns(made, said)})
    this = (_c[name] == value for name, value in here.items())
    connection.execute(update(corrections).where(*this).values(values))


def model_columns(made: Analysed, said: Correction) -> dict[str, Any]:
    """What an analyzer says, as columns of `corrections`; its answers to fields where the person says something."""
    a = made.analysis
    fields = None if said.fields is None else a.fields
    return {
        "model_fields": None if fields is None else to_json(fields.values).decode(),
        "model_fields_version": None if fields is None else fields.version,
        "model_score": a.score,
        "model_sentiment": a.sentiment,
        "model_confidence": a.confidence,
        "model_clusters": json.dumps(a.clusters, ensure_ascii=False),
        "analyzer": made.analyzer,
        "model": made.model,
        "prompt_version": made.prompt_version,
    }


# --- changes ----------------------------------------------------------------------------------------------------


def store_correction(connection: Connection, number: int, revision: int, values: Mapping[str, Any]) -> None:
    """Store a correction in place of that of the same revision; `values` has all other columns."""
    new = insert_on_conflict(connection.dialect.name, corrections)
    key = [_c.conversation, _c.revision]
    row = vault_of(connection).sealed(corrections, {"conversation": number, "revision": revision, **values})
    changed = {name: row[name] for name in values}
    connection.execute(new.values(row).on_conflict_do_update(index_elements=key, set_=changed))


def remove_correction(connection: Connection, number: int, revision: int) -> None:
    """Remove the correction of a revision."""
    connection.execute(delete(corrections).where(_c.conversation == number, _c.revision == revision))


def refile_corrections(connection: Connection, names_of: Mapping[int, Sequence[str]]) -> None:
    """File corrected conversations under other names of topics: those of the person, or else those of the analyzer."""
    for number, its in standing(connection, names_of).items():
        side = _c.model_clusters if its.clusters is None else _c.clusters
        here = _c.conversation == number, _c.revision == its.revision
        named = {side.name: json.dumps(names_of[number], ensure_ascii=False)}
        connection.execute(update(corrections).where(*here).values(named))


def forget_corrections(connection: Connection, numbers: Collection[int]) -> None:
    """Delete the corrections of these conversations, and that they were drawn to be checked."""
    if numbers:
        for table in (corrections, quality_items):
            connection.execute(delete(table).where(table.c.conversation.in_(numbers)))
