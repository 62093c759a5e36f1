"""Roll-ups against a recount, made the slow way."""

from collections import Counter
from collections.abc import Iterable
from operator import add

from sqlalchemy import Connection, Table, select

from domain.buckets import DAY, HOUR, MONTH, bucket_of
from models import (
    ALL_TOPICS,
    SKIPPED_CONVERSATIONS,
    counts,
    insight_topics,
    topic_months,
    topic_years,
    topics,
    totals,
)
from store.insights.writing import Insight


class Recount:
    """The same counts, made the slow way."""

    def __init__(self, connection: Connection, filed: Iterable[Insight], skipped: Iterable[int]) -> None:
        self.slugs = {row.slug: row.number for row in connection.execute(select(topics))}
        self.counts: Counter[tuple[int, ...]] = Counter()
        self.totals: dict[tuple[int, ...], list[int]] = {}
        self.months: Counter[tuple[int, ...]] = Counter()
        self.years: Counter[tuple[int, ...]] = Counter()
        self.topics: set[tuple[int, ...]] = set()
        for each in filed:
            self._insight(each)
        for at in skipped:
            self._count(SKIPPED_CONVERSATIONS, at, 0, 0, 0)

    def _insight(self, each: Insight) -> None:
        a, at = each.analysis, each.timestamp
        self._count(ALL_TOPICS, at, a.sentiment, a.confidence, a.score)
        for slug in a.clusters:
            topic = self.slugs[slug]
            self._count(topic, at, a.sentiment, a.confidence, a.score)
            self.months[bucket_of(MONTH, at), topic] += 1
            self.years[bucket_of(MONTH, at) // 12, topic] += 1
            self.topics.add((topic, at, each.conversation, a.sentiment, a.confidence, a.score))

    def _count(self, topic: int, at: int, sentiment: int, confidence: int, score: int) -> None:
        for level in (HOUR, DAY, MONTH):
            key = (topic, level, bucket_of(level, at))
            one = (1, sentiment == -1, sentiment == 1, score, sentiment == 2)
            self.totals[key] = [*map(add, self.totals.get(key, (0, 0, 0, 0, 0)), one)]
            if topic <= 0 or level != HOUR:
                self.counts[*key, sentiment, confidence] += 1


def rows(connection: Connection, table: Table) -> list[tuple[int, ...]]:
    return sorted(tuple(row) for row in connection.execute(select(table)))


def assert_counted(connection: Connection, filed: Iterable[Insight], skipped: Iterable[int]) -> None:
    recount = Recount(connection, filed, skipped)

    assert rows(connection, counts) == sorted((*key, n) for key, n in recount.counts.items())
    assert rows(connection, totals) == sorted((*key, *sums) for key, sums in recount.totals.items())
    assert rows(connection, topic_months) == sorted((*key, n) for key, n in recount.months.items())
    assert rows(connection, topic_years) == sorted((*key, n) for key, n in recount.years.items())
    assert rows(connection, insight_topics) == sorted(recount.topics)
