"""What changed: every topic in a window, compared with another one."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from heapq import merge
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import Connection

from domain.buckets import DAY, MICROSECONDS, bucket_of
from domain.surprise import History, Variation, common_variation, deviation, surprise, variation
from models import ALL_TOPICS
from store.insights.filtered_topics import Counted, filtered_sums, without_needless_filters
from store.insights.listed_topics import ListedTopic, Seen, listed_topics, seen
from store.insights.sparklines import POINTS, sparklines
from store.insights.topic_days import TopicDays
from store.insights.windows import Selection, topic_number

HISTORY = 28
"""Days before both windows, by which a topic's own variation is told."""


NOTHING = Counted()


class TopicSort(StrEnum):
    """The fields that topics can be sorted by; `-` before them stands for descending."""

    SLUG, LABEL, COUNT, SHARE, CHANGE, SURPRISE = "slug", "label", "count", "share", "change", "surprise"
    NEGATIVE_SHARE, MEAN_SENTIMENT = "negative_share", "mean_sentiment"
    FIRST_SEEN, LAST_SEEN = "first_seen", "last_seen"
    BEFORE_COUNT, BEFORE_SHARE = "previous.count", "previous.share"
    BEFORE_NEGATIVE_SHARE, BEFORE_MEAN_SENTIMENT = "previous.negative_share", "previous.mean_sentiment"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The window whose topics are asked for, and the one to compare it with; both narrowed alike."""

    chosen: Selection
    before_start: int
    before_end: int

    @property
    def before(self) -> Selection:
        """The selection in the compared window."""
        return replace(self.chosen, start=self.before_start, end=self.before_end)

    @property
    def history(self) -> range:
        """The whole UTC days before both windows, counted from 1970."""
        end = bucket_of(DAY, min(self.chosen.start, self.before_start))
        return range(max(0, end - HISTORY), end)

    @property
    def is_filtered(self) -> bool:
        """Whether roll-ups by topic cannot count it."""
        chosen = self.chosen
        return chosen.sentiment is not None or chosen.min_confidence > 0 or chosen.analyzer is not None


@dataclass(frozen=True)
class ComparedTopic:
    """A topic in both windows."""

    topic: ListedTopic
    now: Counted
    before: Counted
    within: "_Counts"
    seen: Seen | None = None
    sparkline: Sequence[int] = ()

    @property
    def change(self) -> int:
        """The difference of counts."""
        return self.now.n - self.before.n

    @cached_property
    def variation(self) -> Variation:
        """How much the topic varies anyway."""
        days = self.within.days
        history = self.within.histories.get(self.topic.counted_as, History(days, 0, 0, 0.0))
        return variation(history, self.within.common)

    @cached_property
    def deviations(self) -> float | None:
        """By how many standard deviations the count is above what both windows let expect; None: nothing to compare."""
        all_now, all_before = (
            each.get(ALL_TOPICS, NOTHING).n for each in (self.within.now, self.within.before)
        )
        return deviation(self.now.n, self.before.n, all_now, all_before, self.variation.dispersion)

    @cached_property
    def surprise(self) -> float | None:
        """See domain/surprise.py."""
        return None if self.deviations is None else surprise(self.deviations, self.variation.degrees)


class ComparedTopics(NamedTuple):
    """A page of topics, with what the two windows have in all."""

    page: Sequence[ComparedTopic]
    total: int
    """Topics with insights in one of the windows."""
    now: Counted
    before: Counted
    history_days: int
    """Days with insights, of which a topic's own variation is told."""


@dataclass(frozen=True)
class _Counts:
    """The insights of each topic in both windows, and in the days before."""

    now: Mapping[int, Counted]
    before: Mapping[int, Counted]
    histories: Mapping[int, History]
    days: int

    @cached_property
    def common(self) -> Variation:
        """How much topics vary in general."""
        return common_variation(self.histories.values())


def topic_changes(
    connection: Connection,
    days: TopicDays,
    asked: Comparison,
    *,
    sort: TopicSort = TopicSort.COUNT,
    descending: bool = True,
    limit: int | None = None,
    offset: int = 0,
) -> ComparedTopics:
    """Count every topic in both windows; `limit` None returns all of them."""
    asked = replace(asked, chosen=without_needless_filters(connection, asked.chosen))
    listed = listed_topics(connection)
    counts = _filtered(connection, asked, listed) if asked.is_filtered else _rolled(connection, days, asked)
    found = [*_changes(listed, counts)]
    if sort in (TopicSort.FIRST_SEEN, TopicSort.LAST_SEEN):
        found = _with_seen(connection, found)
    page = [*islice(_ordered(found, sort, descending), offset, None if limit is None else offset + limit)]
    everything = counts.now.get(ALL_TOPICS, NOTHING), counts.before.get(ALL_TOPICS, NOTHING)
    return ComparedTopics(_told(connection, page, asked), len(found), *everything, counts.days)


def compared_topic(
    connection: Connection, days: TopicDays, asked: Comparison, name: str
) -> ComparedTopic | None:
    """One topic in both windows, found by any of its names; None if it has no insights there, or there is none."""
    number = topic_number(connection, name)
    found = _changes(listed_topics(connection), _rolled(connection, days, asked))
    return next((each for each in found if each.topic.counted_as == number), None)


def _rolled(connection: Connection, days: TopicDays, asked: Comparison) -> _Counts:
    windows = ((each.start, each.end) for each in (asked.chosen, asked.before))
    now, before = (
        {topic: Counted(*sums[:4]) for topic, sums in each.items()}
        for each in days.sums(connection, *windows, amounts=4)
    )
    past = days.history(connection, asked.history.start, asked.history.stop)
    total = past.n.get(ALL_TOPICS, 0)
    histories = {
        topic: History(past.days, total, n, past.squares[topic])
        for topic, n in past.n.items()
        if topic != ALL_TOPICS
    }
    return _Counts(now, before, histories, past.days)


def _filtered(connection: Connection, asked: Comparison, listed: Sequence[ListedTopic]) -> _Counts:
    now, before = (filtered_sums(connection, each, listed) for each in (asked.chosen, asked.before))
    return _Counts(now, before, *_filtered_histories(connection, asked, listed))


def _filtered_histories(
    connection: Connection, asked: Comparison, listed: Sequence[ListedTopic]
) -> tuple[dict[int, History], int]:
    """Of each topic, and the number of days; day by day, because all of them would be 50,000 rows at once."""
    found: defaultdict[int, tuple[int, float]] = defaultdict(lambda: (0, 0.0))
    days = total = 0
    for day in asked.history:
        first = day * MICROSECONDS[DAY]
        window = replace(asked.chosen, start=first, end=first + MICROSECONDS[DAY])
        sums = {topic: each.n for topic, each in filtered_sums(connection, window, listed).items()}
        of_day = sums.pop(ALL_TOPICS, 0)
        days, total = days + (of_day > 0), total + of_day
        for topic, n in sums.items():
            having, squares = found[topic]
            found[topic] = having + n, squares + n * n / of_day
    return {topic: History(days, total, *sums) for topic, sums in found.items()}, days


def _changes(listed: Sequence[ListedTopic], counts: _Counts) -> Iterator[ComparedTopic]:
    for topic in listed:
        now, before = (each.get(topic.counted_as, NOTHING) for each in (counts.now, counts.before))
        if now.n or before.n:
            yield ComparedTopic(topic, now, before, counts)


def _told(
    connection: Connection, page: Sequence[ComparedTopic], asked: Comparison
) -> Sequence[ComparedTopic]:
    """The same topics with their times and sparklines."""
    parts = [part for each in page for part in each.topic.parts]
    points = sparklines(connection, [each.topic for each in page], asked.chosen, filtered=asked.is_filtered)
    times = seen(connection, parts)
    return [
        replace(
            each,
            seen=Seen.of(times, each.topic),
            sparkline=points.get(each.topic.counted_as, (0,) * POINTS),
        )
        for each in page
    ]


def _with_seen(connection: Connection, found: Sequence[ComparedTopic]) -> list[ComparedTopic]:
    times = seen(connection, [part for each in found for part in each.topic.parts])
    return [replace(each, seen=Seen.of(times, each.topic)) for each in found]


# --- order --------------------------------------------------------------------------------------------------


def _ordered(found: Sequence[ComparedTopic], sort: TopicSort, descending: bool) -> Iterator[ComparedTopic]:
    """By a field; topics without a value come last in either direction, equal ones by slug."""
    value = VALUES[sort]
    by_slug = sorted(found, key=lambda each: each.topic.slug)
    known = [each for each in by_slug if value(each) is not None]
    ordered = sorted(known, key=value, reverse=descending)
    yield from _by_surprise(ordered, descending) if sort is TopicSort.SURPRISE else ordered
    yield from (each for each in by_slug if value(each) is None)


def _by_surprise(ordered: Sequence[ComparedTopic], descending: bool) -> Iterator[ComparedTopic]:
    """Order by surprise what is ordered by deviations: the same order among topics of equal degrees of freedom.

    So surprise is computed for those that are shown alone; for two thousand topics it took 70 ms.
    """
    alike: defaultdict[float, list[ComparedTopic]] = defaultdict(list)
    for each in ordered:
        alike[each.variation.degrees].append(each)
    return merge(*alike.values(), key=lambda each: each.surprise or 0.0, reverse=descending)


def _mean(counted: Counted) -> float | None:
    return counted.score_sum / counted.scored if counted.scored else None


def _negative(counted: Counted) -> float | None:
    return counted.negative / counted.n if counted.n else None


VALUES: Mapping[TopicSort, Callable[[ComparedTopic], Any]] = {
    TopicSort.SLUG: lambda each: each.topic.slug,
    TopicSort.LABEL: lambda each: each.topic.label,
    TopicSort.COUNT: lambda each: each.now.n,
    TopicSort.SHARE: lambda each: each.now.n,
    TopicSort.CHANGE: lambda each: each.change,
    TopicSort.SURPRISE: lambda each: each.deviations,
    TopicSort.NEGATIVE_SHARE: lambda each: _negative(each.now),
    TopicSort.MEAN_SENTIMENT: lambda each: _mean(each.now),
    TopicSort.FIRST_SEEN: lambda each: each.seen and each.seen.first,
    TopicSort.LAST_SEEN: lambda each: each.seen and each.seen.last,
    TopicSort.BEFORE_COUNT: lambda each: each.before.n,
    TopicSort.BEFORE_SHARE: lambda each: each.before.n,
    TopicSort.BEFORE_NEGATIVE_SHARE: lambda each: _negative(each.before),
    TopicSort.BEFORE_MEAN_SENTIMENT: lambda each: _mean(each.before),
}
