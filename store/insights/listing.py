"""Lists of insights, each with its conversation and the beginning of its text."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, case, func, select

from domain.text import Turn, transcript
from models import conversations, insights, messages
from store.engine.prepared import Prepared, among
from store.engine.vault import SEALED_BESIDES, SEALED_PER_CHARACTER, Vault, at, vault_of
from store.insights import pages, windows
from store.insights.corrections import shown_corrections
from store.insights.entries import (
    NOTHING_BESIDE,
    Beside,
    InsightEntry,
    InsightPage,
    ListedRow,
    with_beside,
)
from store.insights.narrowing import Narrowing
from store.insights.rollups import SENTIMENTS
from store.insights.shown import shown_clusters
from store.insights.stored_selection import as_stored, without_field
from store.insights.windows import Counts, Position, Selection
from store.insights.words import search_words
from store.search import index

SHOWN = 2_000
"""Characters of a text or transcript that a list shows."""
TURNS = 223
"""The turns that always suffice for SHOWN characters: the shortest is `agent: x` and a line break."""


def _with_conversation(text: ColumnElement[str]) -> Select[Any]:
    """Select the ListedRows of the intake numbers `numbers`, unordered, with this part of a text."""
    c, m = conversations.c, messages.c
    found: dict[str, ColumnElement[Any]] = {
        **insights.c,
        "id": c.id,
        "external_id": c.external_id,
        "metadata": c.metadata,
        "redactions": c.redactions,
        "is_chat": c.is_chat,
    }
    one = select(text).where(m.conversation == c.number, m.position == 1)
    found["text"] = case((~c.is_chat, one.correlate(conversations).scalar_subquery()))
    rows = select(*(found[name] for name in ListedRow._fields)).join_from(insights, conversations)
    return rows.where(among(insights.c.conversation, "numbers"))


def _beginning(text: ColumnElement[str]) -> Select[Any]:
    """Select the first turns of each chat in order, up to `limit` characters as stored, each with `text`."""
    c, m = conversations.c, messages.c
    # A thousand long chats are half a gigabyte, of which four megabytes are shown.
    through = func.sum(func.length(m.text)).over(partition_by=m.conversation, order_by=m.position)
    before = (through - func.length(m.text)).label("before")
    # Erased messages leave gaps, so a chat with some may have its first turns further on.
    of_chat = (m.conversation == c.number) & (m.position <= TURNS + c.erased)
    turn = (
        select(m.conversation, m.position, m.role, text.label("text"), before)
        .join_from(conversations, messages, of_chat)
        .where(among(c.number, "numbers"))
        .subquery()
        .c
    )
    columns = turn.conversation, turn.position, turn.role, turn.text
    shown = select(*columns).where(turn.before <= bindparam("limit"))
    return shown.order_by(turn.conversation, turn.position)


# Built once: building them took a third of a page's 15 ms.
CUT = func.substr(messages.c.text, 1, SHOWN + 1)
WITH_CONVERSATION = Prepared(_with_conversation(CUT))
BEGINNING = Prepared(_beginning(CUT))
# What is sealed cannot be cut.
WITH_SEALED = Prepared(_with_conversation(messages.c.text))
SEALED_BEGINNING = Prepared(_beginning(messages.c.text))
SEALED_SHOWN = SHOWN * SEALED_PER_CHARACTER + TURNS * SEALED_BESIDES


NOTHING = InsightPage((), None)
NONE_OF_EACH: Counts = dict.fromkeys(SENTIMENTS, 0)


@dataclass(frozen=True, slots=True)
class InsightWindow:
    """A page with the totals of its window: insights, and conversations that were skipped."""

    page: InsightPage
    total: int
    skipped: int
    counts: Counts | None = None
    """The total of each sentiment, if the insights were searched for words."""
    is_exact: bool = True
    """False while words of some conversations are not in the index yet."""


def list_with_totals(
    connection: Connection,
    chosen: Selection,
    *,
    limit: int,
    after: Position | None = None,
    beside: Beside = NOTHING_BESIDE,
) -> InsightWindow:
    """Return a page of the chosen insights with the exact totals of its window."""
    found = _Chosen.of(connection, as_stored(connection, chosen))
    total, counts = found.count() if found else (0, NONE_OF_EACH)
    page = found.page(limit, after, total) if found and total else NOTHING
    page = with_beside(connection, page, beside)
    skipped = windows.count_skipped(connection, chosen.start, chosen.end)
    if chosen.keyword is None:
        return InsightWindow(page, total, skipped)
    return InsightWindow(page, total, skipped, counts, index.is_complete(connection))


def list_insights(
    connection: Connection,
    chosen: Selection,
    *,
    limit: int,
    total: int,
    after: Position | None = None,
    beside: Beside = NOTHING_BESIDE,
) -> InsightPage:
    """Return up to `limit` of the chosen insights, of which there are about `total`, after a position."""
    found = _Chosen.of(connection, as_stored(connection, chosen))
    page = found.page(limit, after, total) if found and total else NOTHING
    return with_beside(connection, page, beside)


def list_positions(
    connection: Connection, chosen: Selection, *, limit: int, after: Position | None = None
) -> list[Position]:
    """The positions of up to `limit` of the chosen insights, oldest or newest first, after a position."""
    found = _Chosen.of(connection, as_stored(connection, chosen))
    total = found.count()[0] if found else 0
    return found._positions(limit, after, total) if found and total else []


@dataclass(frozen=True, slots=True)
class _Chosen:
    """A selection with the number of its topic, and the conversations that contain its keyword."""

    connection: Connection
    chosen: Selection
    topic: int
    numbers: Sequence[int] | None

    @classmethod
    def of(cls, connection: Connection, chosen: Selection) -> "_Chosen | None":
        """Look up topic and keyword; None if no insight ever had the topic."""
        topic = windows.topic_number(connection, chosen.cluster)
        if topic is None:
            return None
        return cls(connection, chosen, topic, search_words(connection, chosen, topic))

    @property
    def narrowing(self) -> Narrowing:
        return Narrowing(self.connection, self.chosen, self.topic, self.numbers)

    def count(self) -> tuple[int, Counts | None]:
        """The number of insights, and of each sentiment if they are searched for words."""
        if self.numbers is not None:
            counts = self.narrowing.count_by_sentiment()
            return sum(counts.values()), counts
        if self.chosen.is_plain:
            return windows.count_insights(self.connection, self.topic, self.chosen), None
        rest = without_field(self.topic, self.chosen)
        return self.narrowing.count() if rest is None else self._count_field(rest), None

    def _count_field(self, rest: Selection) -> int:
        """The roll-ups count all that is filed under a value; insights are read where a bin is cut."""
        (asked,) = self.chosen.fields
        n = sum(windows.count_insights(self.connection, number, rest) for number in asked.whole)
        if not asked.cut:
            return n
        cut = replace(self.chosen, fields=(asked._replace(whole=()),))
        return n + Narrowing(self.connection, cut, self.topic).count()

    def page(self, limit: int, after: Position | None, total: int) -> InsightPage:
        """The page after a position."""
        found = self._positions(limit + 1, after, total)
        loaded = _load(self.connection, [place[-1] for place in found[:limit]])
        return InsightPage(loaded, found[limit - 1] if len(found) > limit else None)

    def _positions(self, limit: int, after: Position | None, total: int) -> list[Position]:
        if self.chosen.is_plain and not self.chosen.sort.by_value:
            return pages.find_positions(self.connection, self.chosen, self.topic, limit=limit, after=after)
        rest = without_field(self.topic, self.chosen)
        if rest is not None and not rest.sort.by_value and self.chosen.fields[0].value is not None:
            (number,) = self.chosen.fields[0].whole
            return pages.find_positions(self.connection, rest, number, limit=limit, after=after)
        return self.narrowing.find_positions(limit=limit, after=after, total=total)


def list_recent(connection: Connection, *, limit: int, beside: Beside = NOTHING_BESIDE) -> InsightWindow:
    """Return the insights that were analysed last, newest first, with the totals of all time."""
    c = insights.c
    last = select(c.conversation).order_by(c.analysed_at.desc(), c.conversation.desc()).limit(limit)
    numbers = connection.scalars(last).all()
    page = InsightPage(_load(connection, numbers), None)
    page = with_beside(connection, page, beside)
    return InsightWindow(page, *windows.count_all_time(connection))


def insights_of(connection: Connection, numbers: Sequence[int]) -> list[InsightEntry]:
    """The insights of these conversations, in their order; without those that have none any more."""
    c = insights.c.conversation
    there = set(connection.scalars(select(c).where(c.in_(numbers))))
    return _load(connection, [number for number in numbers if number in there])


def _load(connection: Connection, numbers: Sequence[int]) -> list[InsightEntry]:
    vault = vault_of(connection)
    statement = WITH_SEALED if vault.is_sealing else WITH_CONVERSATION
    stored = (ListedRow._make(row) for row in statement.rows(connection, {"numbers": numbers}))
    rows = [_opened(vault, row) for row in stored] if vault.is_sealing else [*stored]
    turns = _turns(connection, [row.conversation for row in rows if row.is_chat])
    clusters = shown_clusters(connection, (row.clusters for row in rows))
    found = {row.conversation: _entry(row, turns, slugs) for row, slugs in zip(rows, clusters, strict=True)}
    for number, correction in shown_corrections(connection, numbers).items():
        found[number] = found[number]._replace(correction=correction)
    return [found[number] for number in numbers]


def _turns(connection: Connection, numbers: Sequence[int]) -> Mapping[int, Sequence[Turn]]:
    turns: dict[int, list[Turn]] = defaultdict(list)
    if numbers:
        vault = vault_of(connection)
        statement, limit = (SEALED_BEGINNING, SEALED_SHOWN) if vault.is_sealing else (BEGINNING, SHOWN)
        for number, position, role, text in statement.rows(connection, {"numbers": numbers, "limit": limit}):
            turns[number].append((role, vault.open("messages.text", at(number, position), text)))
    return turns


def _opened(vault: Vault, row: ListedRow) -> ListedRow:
    here = at(row.conversation)
    return row._replace(
        author=vault.open_author(insights, here, row.author, row.sealed_author),
        reasoning=vault.open("insights.reasoning", here, row.reasoning),
        fields=vault.open("insights.fields", here, row.fields),
        metadata=vault.open("conversations.metadata", row.id, row.metadata),
        text=vault.open("messages.text", at(row.conversation, 1), row.text),
    )


def _entry(row: ListedRow, turns: Mapping[int, Sequence[Turn]], clusters: Sequence[str]) -> InsightEntry:
    text = transcript(turns[row.conversation]) if row.is_chat else row.text or ""
    return InsightEntry(row, text[:SHOWN], len(text) > SHOWN, clusters)
