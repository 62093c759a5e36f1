"""Which corrections are examples in the prompt: those that an analyzer was surest of and got wrong.

A conversation that was drawn to measure quality is never one: whoever has seen an answer is not measured by it.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, exists, select

from domain.analysis import UNSURE
from domain.fields.fieldsets import FieldAnswers
from models import conversations, corrections, insights, quality_items
from store.engine.vault import vault_of
from store.insights.corrections import OF_INSIGHT
from store.insights.field_filing import stored_answers
from store.insights.shown import shown_clusters

_c, _i, _q = corrections.c, insights.c, quality_items.c
LOOKED_AT = 50
"""Of the most telling corrections: some are of conversations that are too long."""


class Telling(NamedTuple):
    """A correction that tells an analyzer something."""

    conversation: int
    message_count: int
    is_chat: bool
    made_at: int
    score: int
    clusters: tuple[str, ...]
    """By the slugs that they are shown with."""
    fields: FieldAnswers | None


def telling_corrections(connection: Connection, *, before: int) -> Sequence[Telling]:
    """The most telling corrections that were made before a moment, in an order that stays the same."""
    n = conversations.c
    wrong = _c.sentiment.is_not(None), _c.sentiment != _c.model_sentiment, _c.model_sentiment != UNSURE
    drawn = exists().where(_q.conversation == _c.conversation)
    own = _i.score, _i.clusters, _i.fields, _i.fields_version, _i.filed_fields
    columns = _c.conversation, n.message_count, n.is_chat, _c.made_at, *own
    found = (
        select(*columns)
        .join(insights, OF_INSIGHT)
        .join(conversations, n.number == _c.conversation)
        .where(*wrong, _c.made_at < before, ~drawn)
        .order_by(_c.model_confidence.desc(), _c.made_at.desc(), _c.conversation)
        .limit(LOOKED_AT)
    )
    rows = vault_of(connection).all_opened(insights, connection.execute(found).all())
    answers = stored_answers(connection, rows)
    slugs = shown_clusters(connection, (row.clusters for row in rows))
    return [
        Telling(
            row.conversation,
            row.message_count,
            bool(row.is_chat),
            row.made_at,
            row.score,
            tuple(shown),
            answers.get(row.conversation),
        )
        for row, shown in zip(rows, slugs, strict=True)
    ]
