"""Roll-ups against a recount, made the slow way."""

from collections import Counter
from collections.abc import Iterable
from operator import add
from typing import Any

from sqlalchemy import Connection, Table, select

from domain.buckets import DAY, HOUR, MONTH, QUARTER, bucket_of
from models import (
    ALL_TOPICS,
    DROPPED,
    LAST_FIELD_VALUE,
    SKIPPED_CONVERSATIONS,
    counts,
    field_values,
    field_version_counts,
    insight_fields,
    insight_topics,
    maker_days,
    maker_quarters,
    summaries,
    topic_case_counts,
    topic_hours,
    topic_months,
    topic_names,
    topic_unions,
    topic_years,
    totals,
    union_topics,
)
from store.insights.topic_cases import OUTCOMES
from store.insights.writing import Insight


class Recount:
    """The same counts, made the slow way."""

    def __init__(self, connection: Connection, filed: Iterable[Insight], skipped: Iterable[int]) -> None:
        self.slugs = {row.name: row.topic for row in connection.execute(select(topic_names))}
        members = select(union_topics, topic_unions).join(topic_unions)
        self.unions = connection.execute(members).all()
        self.counts: Counter[tuple[int, ...]] = Counter()
        self.totals: dict[tuple[int, ...], list[int]] = {}
        self.months: Counter[tuple[int, ...]] = Counter()
        self.years: Counter[tuple[int, ...]] = Counter()
        self.hours: dict[tuple[int, ...], list[int]] = {}
        self.topics: set[tuple[int, ...]] = set()
        values = connection.execute(select(field_values))
        self.numbers = {(row.field, row.value): row.number for row in values}
        self.fields: set[tuple[Any, ...]] = set()
        self.field_versions: Counter[tuple[str]] = Counter()
        self.maker_days: Counter[tuple[int | str, ...]] = Counter()
        self.maker_quarters: Counter[tuple[int | str, ...]] = Counter()
        for each in filed:
            self._insight(each)
        for at in skipped:
            self._count(SKIPPED_CONVERSATIONS, at, 0, 0, 0)

    def _insight(self, each: Insight) -> None:
        a, at = each.analysis, each.timestamp
        self.maker_days[bucket_of(DAY, at), *each.maker] += 1
        self.maker_quarters[*each.maker, bucket_of(QUARTER, at)] += 1
        self._count(ALL_TOPICS, at, a.sentiment, a.confidence, a.score)
        whole = 0 if a.is_unsure else 60
        self._count_hour(ALL_TOPICS, each, whole)
        own = {self.slugs[slug] for slug in a.clusters}
        self.topics |= {(topic, at, each.conversation, a.sentiment, a.confidence, a.score) for topic in own}
        for topic in own | self._unions_of(own, at, each.conversation):
            self._count(topic, at, a.sentiment, a.confidence, a.score)
            self._count_hour(topic, each, whole // len(own) if topic in own else 0)
            self.months[bucket_of(MONTH, at), topic] += 1
            self.years[bucket_of(MONTH, at) // 12, topic] += 1

        self._fields(each)

    def _fields(self, each: Insight) -> None:
        a, at = each.analysis, each.timestamp
        if a.fields is None:
            return
        self.field_versions[(a.fields.version,)] += 1
        for name, value, number in a.fields.filed:
            filed = self.numbers[name, value]
            self.fields.add((filed, at, each.conversation, a.sentiment, a.confidence, a.score, number))
            self._count(filed, at, a.sentiment, a.confidence, a.score)

    def _unions_of(self, own: set[int], at: int, conversation: int) -> set[int]:
        """Those that are complete, or counted as far as this one at least."""
        return {
            row.whole
            for row in self.unions
            if row.topic in own
            and (row.built_at is None or (at, conversation) < (row.built_at, row.built_number))
        }

    def _count_hour(self, topic: int, each: Insight, weight: int) -> None:
        score, key = each.analysis.score, (bucket_of(HOUR, each.timestamp), topic)
        one = (1, each.analysis.sentiment == -1, each.analysis.is_unsure, score, weight, weight * score)
        self.hours[key] = [*map(add, self.hours.get(key, (0,) * 6), one)]

    def _count(self, topic: int, at: int, sentiment: int, confidence: int, score: int) -> None:
        for level in (HOUR, DAY, MONTH, QUARTER) if topic == ALL_TOPICS else (HOUR, DAY, MONTH):
            key = (topic, level, bucket_of(level, at))
            one = (1, sentiment == -1, sentiment == 1, score, sentiment == 2)
            self.totals[key] = [*map(add, self.totals.get(key, (0, 0, 0, 0, 0)), one)]
            if topic <= LAST_FIELD_VALUE:
                continue
            if level != QUARTER and (topic in (ALL_TOPICS, SKIPPED_CONVERSATIONS) or level != HOUR):
                self.counts[*key, sentiment, confidence] += 1


def rows(connection: Connection, table: Table) -> list[tuple[int, ...]]:
    """What is stored, but for the counts of unions that are being swept away."""
    dropped = select(topic_unions.c.number).where(topic_unions.c.state == DROPPED)
    kept = select(table).where(table.c.topic.not_in(dropped))
    return sorted(tuple(row) for row in connection.execute(kept))


def assert_counted(connection: Connection, filed: Iterable[Insight], skipped: Iterable[int]) -> None:
    recount = Recount(connection, filed, skipped)

    assert rows(connection, counts) == sorted((*key, n) for key, n in recount.counts.items())
    assert rows(connection, totals) == sorted((*key, *sums) for key, sums in recount.totals.items())
    assert rows(connection, topic_months) == sorted((*key, n) for key, n in recount.months.items())
    assert rows(connection, topic_years) == sorted((*key, n) for key, n in recount.years.items())
    assert rows(connection, topic_hours) == sorted((*key, *sums) for key, sums in recount.hours.items())
    assert rows(connection, insight_topics) == sorted(recount.topics)
    assert sorted(map(tuple, connection.execute(select(insight_fields))), key=str) == sorted(
        recount.fields, key=str
    )
    for table, counted in (
        (maker_days, recount.maker_days),
        (maker_quarters, recount.maker_quarters),
        (field_version_counts, recount.field_versions),
    ):
        stored = sorted(tuple(row) for row in connection.execute(select(table)))
        assert stored == sorted((*key, n) for key, n in counted.items())


def assert_topic_cases_counted(connection: Connection) -> None:
    """Summaries are counted under the topics of their conversations' insights, as a plain join has them."""
    f, s = insight_topics.c, summaries.c
    joined = select(f.topic, f.timestamp, s.outcome, s.has_open_questions).join_from(
        insight_topics, summaries, f.conversation == s.conversation
    )
    counted: Counter[tuple[Any, ...]] = Counter()
    for topic, at, outcome, is_open in connection.execute(joined.where(s.outcome.in_(OUTCOMES))):
        for level in (DAY, MONTH):
            counted[topic, level, bucket_of(level, at), outcome, is_open] += 1
    stored = [tuple(row) for row in connection.execute(select(topic_case_counts))]
    assert sorted(stored) == sorted((*key, n) for key, n in counted.items())
