"""The entries of a list of insights, and what is shown beside them where that is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, select

from models import insights
from store.engine.vault import vault_of
from store.insights.corrections import ShownCorrection, shown_corrections
from store.insights.participants import Participant, author_of_text, participants_of
from store.insights.shown import shown_clusters
from store.insights.versions import InsightVersion, versions_of
from store.insights.windows import Position


class ListedRow(NamedTuple):
    """An insight and its conversation. A tuple, because a page reads 1,300 fields, and a field of a Row takes 0.5 us.

    Booleans are `bool` on PostgreSQL, but 0 or 1 on SQLite.
    """

    conversation: int
    timestamp: int
    author: str | None
    sealed_author: str | None
    score: int
    sentiment: int
    confidence: int
    clusters: str
    reasoning: str
    analyzer: str
    model: str
    prompt_version: str
    cached: bool
    partial: bool
    language: str | None
    fields: str | None
    """JSON."""
    fields_version: str | None
    analysed_at: int
    id: str
    external_id: str | None
    metadata: str | None
    redactions: str | None
    is_chat: bool
    text: str | None
    """The beginning of the text; None for a chat."""


class InsightEntry(NamedTuple):
    """One entry of a list of insights."""

    row: ListedRow
    text: str
    """The text or transcript, at most 2,000 characters."""
    truncated: bool
    clusters: Sequence[str]
    """The slugs of its topics as they are shown, best first."""
    participants: Sequence[Participant] = ()
    """Who wrote in it, where that was asked for."""
    correction: ShownCorrection | None = None
    """What a person says of it."""
    history: Sequence[InsightVersion] | None = None
    """Its earlier versions, newest first, where they were asked for."""


@dataclass(frozen=True, slots=True)
class InsightPage:
    """A page of insights; `next` is where the next page begins, if there is one."""

    insights: Sequence[InsightEntry]
    next: Position | None


class Beside(NamedTuple):
    """What is asked for beside insights."""

    people: bool = False
    """Who wrote in each conversation."""
    history: bool = False
    """The earlier versions of each insight."""


NOTHING_BESIDE = Beside()


def with_beside(connection: Connection, page: InsightPage, beside: Beside) -> InsightPage:
    """The same page with what is asked for beside its insights."""
    listed = page.insights
    if beside.people:
        listed = _with_participants(connection, listed)
    if beside.history:
        found = versions_of(connection, [each.row.conversation for each in listed])
        listed = [each._replace(history=found.get(each.row.conversation, ())) for each in listed]
    return InsightPage(listed, page.next)


def _with_participants(connection: Connection, listed: Sequence[InsightEntry]) -> list[InsightEntry]:
    found = participants_of(connection, [each.row.conversation for each in listed if each.row.is_chat])
    return [
        each._replace(
            participants=found[each.row.conversation] if each.row.is_chat else author_of_text(each.row.author)
        )
        for each in listed
    ]


# --- insights of single conversations ---------------------------------------------------------------------------


class ShownInsight(NamedTuple):
    """A row of `insights`, the slugs that it is shown with, and what a person says of it."""

    row: Row[Any]
    clusters: Sequence[str]
    correction: ShownCorrection | None = None


def as_shown(connection: Connection, rows: Sequence[Row[Any]]) -> list[ShownInsight]:
    """Rows of `insights` as they are shown; opened, if they are sealed."""
    opened = vault_of(connection).all_opened(insights, rows)
    clusters = shown_clusters(connection, (row.clusters for row in rows))
    corrected = shown_corrections(connection, [row.conversation for row in rows])
    return [
        ShownInsight(row, slugs, corrected.get(row.conversation))
        for row, slugs in zip(opened, clusters, strict=True)
    ]


def insight_of(connection: Connection, conversation: int) -> ShownInsight | None:
    """The insight of a conversation, by its number."""
    found = connection.execute(select(insights).where(insights.c.conversation == conversation)).all()
    return next(iter(as_shown(connection, found)), None)
