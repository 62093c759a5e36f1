"""Stores and deletes insights: one per conversation counts, filed under its topics and counted in the roll-ups.

Callers of `store_insights` and `delete_insights` must hold the row locks of the conversations, so that no other
transaction changes the same insight. The locks taken here follow: the one on all topics, names of topics in order,
people, then roll-ups by key.

What is true is what an insight is filed under: the names in `insights.clusters`, and the numbers of their topics in
`insight_topics`. What it counts under besides, the unions of those topics, follows from that in every transaction.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, delete, insert, select, update

import models
from domain.analysis import UNSURE, Analysis
from models import ALL_TOPICS, SKIPPED_CONVERSATIONS, WHOLE, insight_topics
from store.engine.dialect import as_tuples, insert_on_conflict, insert_rows
from store.engine.prepared import Prepared, among
from store.engine.vault import vault_of
from store.insights import corrections, field_filing, metadata, names, people_filing, versions
from store.insights.field_filing import FiledFields
from store.insights.makers import Made, Maker, count_makers
from store.insights.rollup_changes import Fact, update_counts
from store.insights.topic_cases import count_moved
from store.insights.unions import Unions, counted_in, unions


class Insight(NamedTuple):
    """The analysis of a conversation and how it was made. Times in UTC microseconds."""

    conversation: int
    """Intake number."""
    revision: int
    """The conversation's revision that was analysed."""
    timestamp: int
    """The conversation's timestamp, which never changes."""
    author: str | None
    analysis: Analysis
    analyzer: str
    model: str
    cached: bool
    partial: bool
    analysed_at: int
    call: int | None
    cache_key: bytes | None
    prompt_version: str = ""
    """Of the analyzer's prompt; empty if it is not known."""

    @property
    def maker(self) -> Maker:
        """What made it."""
        return Maker(self.analyzer, self.model, self.prompt_version)


class _Filed(NamedTuple):
    """The parts of an insight that the roll-ups count."""

    conversation: int
    timestamp: int
    sentiment: int
    confidence: int
    score: int
    slugs: tuple[str, ...]
    revision: int
    maker: Maker
    fields: FiledFields | None

    @property
    def made(self) -> Made:
        return self.maker, self.timestamp


def store_insights(connection: Connection, insights: Sequence[Insight]) -> Sequence[Insight]:
    """Store insights and count them; gives them as they count, by number. An earlier insight is replaced everywhere.

    It is kept as a version if it is of the same text, that is of the same revision. Then a correction goes on to
    count, and what the new one says comes beside it.
    """
    newest = {each.conversation: each for each in insights}
    if not newest:
        return ()
    names.hold(connection)
    old = _filed(connection, newest)
    if old:
        carried = corrections.carry_over(
            connection, newest, {each.conversation: each.revision for each in old}
        )
        versions.keep_versions(connection, carried.replaced)
        newest |= {number: newest[number]._replace(analysis=a) for number, a in carried.analyses.items()}
    counted = [newest[number] for number in sorted(newest)]
    _put(connection, counted, old)
    return counted


def recount_insight(connection: Connection, insight: Insight) -> None:
    """Count an insight anew that was corrected since it was stored."""
    names.hold(connection)
    _put(connection, [insight], _filed(connection, [insight.conversation]))


def _put(connection: Connection, insights: Sequence[Insight], old: Sequence[_Filed]) -> None:
    """Put insights, ascending by conversation, in the place of old ones."""
    answered = {each.conversation: each.analysis.fields for each in insights}
    fields = field_filing.to_file(connection, answered)
    new = [_to_file(each, fields.get(each.conversation)) for each in insights]
    known = _Topics.of(connection, (*old, *new), min(each.analysed_at for each in insights))
    _unfile(connection, old, known)
    rows = [_row(each, filed.fields) for each, filed in zip(insights, new, strict=True)]
    stored = vault_of(connection).all_sealed(models.insights, rows)
    insert_rows(connection, _upsert(connection.dialect.name), as_tuples(models.insights, stored))
    metadata.file(connection, rows)
    topic_rows = (row for each in new for row in _topic_rows(each, known))
    insert_rows(connection, FILE, as_tuples(insight_topics, topic_rows))
    field_filing.file_fields(connection, new, old)
    count_moved(connection, known.by_conversation(new), known.by_conversation(old))
    people_filing.file_people(connection, rows)
    values = field_filing.values_to_count(new, old)
    update_counts(connection, _facts(new, known), _facts(old, known), values)
    count_makers(connection, [each.made for each in new], [each.made for each in old])
    field_filing.count_field_versions(connection, new, old)


@cache
def _upsert(dialect: str) -> Any:
    new = insert_on_conflict(dialect, models.insights)
    values = {c.name: new.excluded[c.name] for c in models.insights.c if not c.primary_key}
    return new.on_conflict_do_update(index_elements=list(models.insights.primary_key), set_=values)


def delete_insights(connection: Connection, conversations: Collection[int]) -> None:
    """Delete the insights of these conversations (intake numbers), all versions, and their share of every count."""
    names.hold(connection)
    old = _filed(connection, conversations)
    known = _Topics.of(connection, old, 0)
    _unfile(connection, old, known)
    metadata.remove(connection, conversations)
    connection.execute(delete(models.insights).where(models.insights.c.conversation.in_(conversations)))
    versions.forget_versions(connection, conversations)
    corrections.forget_corrections(connection, conversations)
    field_filing.file_fields(connection, (), old)
    count_moved(connection, {}, known.by_conversation(old))
    people_filing.remove_people(connection, conversations)
    update_counts(connection, (), _facts(old, known), field_filing.values_to_count((), old))
    count_makers(connection, (), [each.made for each in old])
    field_filing.count_field_versions(connection, (), old)


def refile(connection: Connection, names_of: Mapping[int, Sequence[str]], *, at: int) -> None:
    """File the insights of these conversations under other names of topics, best first; names that are new become
    topics, made `at` a time."""
    names.hold(connection)
    old = _filed(connection, names_of)
    new = [each._replace(slugs=tuple(names_of[each.conversation])) for each in old]
    known = _Topics.of(connection, (*old, *new), at)
    _unfile(connection, old, known)
    renamed = [{"of": each.conversation, "named": NAMES.encode(each.slugs)} for each in new]
    if renamed:
        connection.execute(RENAME, renamed)
        corrections.refile_corrections(connection, names_of)
    topic_rows = (row for each in new for row in _topic_rows(each, known))
    insert_rows(connection, FILE, as_tuples(insight_topics, topic_rows))
    count_moved(connection, known.by_conversation(new), known.by_conversation(old))
    update_counts(connection, _facts(new, known), _facts(old, known))


def adjust_skipped(connection: Connection, timestamps: Iterable[int], sign: int) -> None:
    """Count conversations with these timestamps as skipped (`sign` 1), or no longer (-1).

    In a transaction that also stores or deletes insights, call it afterwards.
    """
    facts = [Fact(SKIPPED_CONVERSATIONS, timestamp) for timestamp in timestamps]
    update_counts(connection, facts if sign > 0 else (), facts if sign < 0 else ())


def parse_clusters(stored: str) -> tuple[str, ...]:
    """Parse the column `clusters`: slugs, best first."""
    return tuple(json.loads(stored))


def _row(insight: Insight, fields: FiledFields | None) -> dict[str, object]:
    analysis = insight.analysis
    return {
        **insight._asdict(),
        "score": analysis.score,
        "sentiment": analysis.sentiment,
        "confidence": analysis.confidence,
        "clusters": NAMES.encode(analysis.clusters),
        "reasoning": analysis.reasoning,
        "raw": analysis.raw,
        "language": analysis.language,
        **field_filing.columns_to_store(analysis.fields, fields),
    }


# --- topics -------------------------------------------------------------------------------------------------


def _to_file(insight: Insight, fields: FiledFields | None) -> _Filed:
    a = insight.analysis
    counted = insight.timestamp, a.sentiment, a.confidence, a.score, a.clusters
    return _Filed(insight.conversation, *counted, insight.revision, insight.maker, fields)


FILED_NAMES = (
    *("conversation", "timestamp", "sentiment", "confidence", "score", "clusters", "revision"),
    *("fields_version", "filed_fields", *Maker._fields),
)
FILED = Prepared(
    select(*(models.insights.c[name] for name in FILED_NAMES)).where(
        among(models.insights.c.conversation, "numbers")
    )
)
FILE = insert(insight_topics)
KEY = {"topic": "t", "timestamp": "at", "conversation": "of"}
UNFILE = delete(insight_topics).where(*(insight_topics.c[name] == bindparam(of) for name, of in KEY.items()))
NAMES = json.JSONEncoder(ensure_ascii=False)
RENAME = (
    update(models.insights)
    .where(models.insights.c.conversation == bindparam("of"))
    .values(clusters=bindparam("named"))
)


@dataclass(frozen=True, slots=True)
class _Topics:
    """The topics by their names, and the unions that they belong to, as they are in this transaction."""

    numbers: Mapping[str, int]
    unions: Unions

    @classmethod
    def of(cls, connection: Connection, filed: Iterable[_Filed], at: int) -> "_Topics":
        """Of what is or will be filed; topics that are new are made `at` a time."""
        used = {slug for each in filed for slug in each.slugs}
        return cls(names.intern(connection, used, at=at), unions(connection))

    def of_filed(self, filed: _Filed) -> list[int]:
        """The topics of an insight, each once: two of its names may be of one topic."""
        return list(dict.fromkeys(self.numbers[slug] for slug in filed.slugs))

    def by_conversation(self, filed: Iterable[_Filed]) -> dict[int, set[int]]:
        """The topics of each insight by its conversation."""
        return {each.conversation: {*self.of_filed(each)} for each in filed}

    def counted_under(self, filed: _Filed) -> Iterator[int]:
        """Everything that an insight is counted under."""
        topics = self.of_filed(filed)
        yield from (ALL_TOPICS, *topics)
        yield from counted_in(self.unions, topics, (filed.timestamp, filed.conversation))


def _filed(connection: Connection, conversations: Collection[int]) -> list[_Filed]:
    return [*map(_of_row, FILED.rows(connection, {"numbers": list(conversations)}))]


def _of_row(row: Sequence[Any]) -> _Filed:
    values = dict(zip(FILED_NAMES, row, strict=True))
    maker = Maker(*(values.pop(name) for name in Maker._fields))
    fields = FiledFields.parse(values.pop("fields_version"), values.pop("filed_fields"))
    return _Filed(slugs=parse_clusters(values.pop("clusters")), maker=maker, fields=fields, **values)


def _facts(filed: Iterable[_Filed], known: _Topics) -> Iterator[Fact]:
    for each in filed:
        topics = known.of_filed(each)
        # None of a union: the weights of its topics add up.
        whole = 0 if each.sentiment == UNSURE else WHOLE
        weights = {ALL_TOPICS: whole} | dict.fromkeys(topics, whole // max(1, len(topics)))
        for topic in known.counted_under(each):
            weight = weights.get(topic, 0)
            yield Fact(topic, each.timestamp, each.sentiment, each.confidence, each.score, weight)


def _topic_rows(filed: _Filed, known: _Topics) -> Iterator[dict[str, int]]:
    for topic in known.of_filed(filed):
        yield {
            "topic": topic,
            "timestamp": filed.timestamp,
            "conversation": filed.conversation,
            "sentiment": filed.sentiment,
            "confidence": filed.confidence,
            "score": filed.score,
        }


def _unfile(connection: Connection, filed: Iterable[_Filed], known: _Topics) -> None:
    rows = [
        {"t": topic, "at": each.timestamp, "of": each.conversation}
        for each in filed
        for topic in known.of_filed(each)
    ]
    if rows:
        connection.execute(UNFILE, rows)
