"""The cache: earlier analyses of the same texts, found by their keys along an index of the insights."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Connection,
    LargeBinary,
    Row,
    Select,
    bindparam,
    column,
    func,
    literal_column,
    select,
    text,
)

import models
from core.errors import DoesNotOpen
from domain.analysis import UNSURE, Analysis
from domain.fields.fieldsets import FieldAnswers
from store.engine.vault import Vault, at, vault_of
from store.insights.field_definitions import answers_in
from store.insights.field_filing import stored_answers
from store.insights.writing import parse_clusters


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """An earlier analysis of the same text."""

    analysis: Analysis
    analyzer: str
    model: str
    partial: bool
    prompt_version: str = ""


def cached_answers(connection: Connection, keys: Collection[bytes]) -> dict[bytes, CachedAnswer]:
    """Look up the newest answer for each cache key that has one."""
    wanted, vault = sorted(keys), vault_of(connection)
    found: dict[bytes, CachedAnswer] = {}
    for first in range(0, len(wanted), LOOKED_UP):
        chunk = wanted[first : first + LOOKED_UP]
        padded = chunk + chunk[:1] * (LOOKED_UP - len(chunk))
        parameters = {f"key_{place}": key for place, key in enumerate(padded)}
        opened = [*_opened(vault, connection.execute(NEWEST, parameters).all())]
        rows = [row for row, _ in opened]
        answers = stored_answers(connection, rows) | _own_answers(connection, opened)
        found |= {row.cache_key: _cached_answer(row, answers.get(row.conversation)) for row in rows}
    return found


def _newest() -> Select[Any]:
    """Select the newest insight of each of LOOKED_UP keys, key by key, because some texts occur a million times."""
    keys = ", ".join(f"(:key_{place})" for place in range(LOOKED_UP))
    typed = [bindparam(f"key_{place}", type_=LargeBinary) for place in range(LOOKED_UP)]
    # As text, because SQLAlchemy compiles its own VALUES again for every claim: 8 % of the engine's CPU.
    wanted = text(f"VALUES {keys}").bindparams(*typed).columns(column("column1", LargeBinary)).cte("wanted")
    i = models.insights.alias("one")
    of_key = select(i.c.conversation).where(i.c.cache_key == wanted.c.column1)
    newest = of_key.order_by(i.c.analysed_at.desc()).limit(literal_column("1")).correlate(wanted)
    numbers = select(newest.scalar_subquery()).select_from(wanted)
    # What a person has corrected is about one conversation: its twins get what the analyzer said.
    own, c = models.insights.c, models.corrections.c
    values = {name: func.coalesce(c[f"model_{name}"], own[name]) for name in OWN}
    columns = (values.get(each.name, each).label(each.name) for each in own)
    of_insight = (c.conversation == own.conversation) & (c.revision == own.revision)
    return (
        select(*columns, c.model_fields)
        .outerjoin(models.corrections, of_insight)
        .where(own.conversation.in_(numbers))
    )


OWN = ("score", "sentiment", "confidence", "clusters")
"""What a correction may change of an insight."""
LOOKED_UP = 64
"""Keys in one statement, whose SQL is always the same; a shorter list is padded with its first key."""
NEWEST = _newest()


Opened = tuple[Row[Any], str | None]
"""An insight, and what its analyzer answers to fields where a person has corrected that."""


def _opened(vault: Vault, rows: Iterable[Row[Any]]) -> Iterator[Opened]:
    """Without what does not open: its text is asked about again."""
    for row in rows:
        with suppress(DoesNotOpen):
            own = vault.open("corrections.model_fields", at(row.conversation, row.revision), row.model_fields)
            yield vault.opened(models.insights, row), own


def _own_answers(connection: Connection, opened: Iterable[Opened]) -> dict[int, FieldAnswers]:
    return {
        row.conversation: answers_in(connection, row.fields_version, own)
        for row, own in opened
        if own is not None
    }


def _cached_answer(row: Row[Any], fields: FieldAnswers | None) -> CachedAnswer:
    analysis = Analysis(
        row.score,
        row.confidence,
        parse_clusters(row.clusters),
        row.reasoning,
        row.raw,
        row.language,
        row.sentiment == UNSURE,
        fields,
    )
    return CachedAnswer(analysis, row.analyzer, row.model, row.partial, row.prompt_version)
