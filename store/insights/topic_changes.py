"""What changed: every topic in a window, compared with another one."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

from sqlalchemy import Connection

from domain.buckets import DAY, MICROSECONDS, bucket_of
from domain.surprise import MOST, History
from models import ALL_TOPICS
from store.insights.compared_topics import ComparedTopic, ComparedTopics, TopicCounts, TopicSort, ordered
from store.insights.filtered_topics import Counted, filtered_sums, without_needless_filters
from store.insights.kept_days import Histories
from store.insights.listed_topics import ListedTopic, Seen, listed_topics, seen
from store.insights.sparklines import IN_HOURS, POINTS, sparklines, sparklines_of_value
from store.insights.stored_selection import as_stored, sole_value
from store.insights.topic_days import TopicDays
from store.insights.topic_sums import AMOUNTS, WindowSums
from store.insights.value_days import DaysOfValue
from store.insights.windows import Selection, topic_number

HISTORY = 28
"""Days before both windows, by which a topic's own variation is told."""


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
        narrowed = chosen.sentiment, chosen.analyzer, chosen.fields or None
        return chosen.min_confidence > 0 or any(each is not None for each in narrowed)


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
    chosen = without_needless_filters(connection, as_stored(connection, asked.chosen))
    asked = replace(asked, chosen=chosen)
    listed = listed_topics(connection)
    of_value = _days_of_value(connection, days, asked)
    if of_value is not None:
        counts = _of_value(of_value, asked)
    else:
        counts = (
            _filtered(connection, asked, listed) if asked.is_filtered else _rolled(connection, days, asked)
        )
    found = [*_changes(listed, counts)]
    if sort in (TopicSort.FIRST_SEEN, TopicSort.LAST_SEEN):
        _note_seen(connection, found)
    page = [*islice(ordered(found, sort, descending), offset, None if limit is None else offset + limit)]
    everything = counts.now(ALL_TOPICS), counts.before(ALL_TOPICS)
    return ComparedTopics(_told(connection, page, asked, of_value), len(found), *everything, counts.days)


def compared_topic(
    connection: Connection, days: TopicDays, asked: Comparison, name: str
) -> ComparedTopic | None:
    """One topic in both windows, found by any of its names; None if it has no insights there, or there is none."""
    number = topic_number(connection, name)
    found = _changes(listed_topics(connection), _rolled(connection, days, asked))
    return next((each for each in found if each.topic.counted_as == number), None)


def _rolled(connection: Connection, days: TopicDays, asked: Comparison) -> TopicCounts:
    windows = ((each.start, each.end) for each in (asked.chosen, asked.before))
    now, before = days.sums(connection, *windows)
    return _compared(now, before, days.history(connection, asked.history.start, asked.history.stop))


def _days_of_value(connection: Connection, days: TopicDays, asked: Comparison) -> DaysOfValue | None:
    """The days of the value that is all that narrows the selection; None if more does, or nothing."""
    value = sole_value(asked.chosen)
    return None if value is None else days.of_values.of(connection, value)


def _of_value(days: DaysOfValue, asked: Comparison) -> TopicCounts:
    now, before = (days.sums(each.start, each.end) for each in (asked.chosen, asked.before))
    return _compared(now, before, days.history(asked.history.start, asked.history.stop))


def _compared(now: WindowSums, before: WindowSums, past: Histories) -> TopicCounts:
    of_both = partial(_counted, now), partial(_counted, before)
    typical = past.most_frequent(MOST)
    return TopicCounts(now.by_topic("n"), before.by_topic("n"), *of_both, past, typical, past.days)


def _counted(sums: WindowSums, topic: int) -> Counted:
    return Counted(*sums.of(topic, AMOUNTS[: len(Counted._fields)]))


def _filtered(connection: Connection, asked: Comparison, listed: Sequence[ListedTopic]) -> TopicCounts:
    both = (filtered_sums(connection, each, listed) for each in (asked.chosen, asked.before))
    now, before = (defaultdict(Counted, each) for each in both)
    n, n_before = ({topic: sums.n for topic, sums in each.items()} for each in (now, before))
    histories, days = _filtered_histories(connection, asked, listed)
    of_both = now.__getitem__, before.__getitem__
    return TopicCounts(n, n_before, *of_both, histories, histories.values(), days)


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


def _changes(listed: Sequence[ListedTopic], counts: TopicCounts) -> Iterator[ComparedTopic]:
    for topic in listed:
        n, before = counts.n.get(topic.counted_as, 0), counts.n_before.get(topic.counted_as, 0)
        if n or before:
            yield ComparedTopic(topic, n, before, counts)


def _told(
    connection: Connection, page: Sequence[ComparedTopic], asked: Comparison, of_value: DaysOfValue | None
) -> Sequence[ComparedTopic]:
    """The same topics with their times and sparklines, and all amounts added up: whoever shows them only reads."""
    parts = [part for each in page for part in each.topic.parts]
    topics = [each.topic for each in page]
    if of_value is not None and asked.chosen.end - asked.chosen.start >= IN_HOURS:
        points = sparklines_of_value(of_value, topics, asked.chosen)
    else:
        points = sparklines(connection, topics, asked.chosen, filtered=asked.is_filtered)
    times = seen(connection, parts)
    for each in page:
        each.seen = Seen.of(times, each.topic)
        each.sparkline = points.get(each.topic.counted_as, (0,) * POINTS)
        _ = each.now, each.before, each.surprise
    return page


def _note_seen(connection: Connection, found: Sequence[ComparedTopic]) -> None:
    times = seen(connection, [part for each in found for part in each.topic.parts])
    for each in found:
        each.seen = Seen.of(times, each.topic)
