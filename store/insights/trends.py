"""Trends: sentiment and top topics of a window, with a series by hour, day, week or month of a time zone."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import gcd
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import CompoundSelect, Connection, select, union_all

from domain.analysis import UNSURE
from domain.buckets import DAY, HOUR, MICROSECONDS
from domain.fields.filters import FieldFilter
from domain.local_time import Interval, LocalTime
from models import totals
from store.engine.prepared import Prepared
from store.insights import rollups, series, windows
from store.insights.filtered_topics import top_filtered_topics, top_of_sums, without_needless_filters
from store.insights.makers import Maker, makers_between
from store.insights.narrowing import Narrowing
from store.insights.rollups import SENTIMENTS, Kind, kind_of
from store.insights.series import Sums
from store.insights.stored_selection import as_stored, sole_value, without_field
from store.insights.top_topics import USUAL, TopicEffort, TopTopics, top_topics
from store.insights.topic_days import TopicDays
from store.insights.windows import Counts, Selection

IN_HOURS = 7 * MICROSECONDS[DAY]
"""Windows longer than this have a series by day, unless another interval is asked for."""


class Point(NamedTuple):
    """A bucket of the series."""

    start: int
    offset: int
    """Local time minus UTC at the start, in microseconds."""
    negative: int
    neutral: int
    positive: int
    unsure: int
    score_sum: int
    """Of all but the unsure ones, which have no score."""
    partial: bool
    """Whether the window or the present cuts the bucket, so that it may have more insights than counted."""
    makers: Collection[Maker]
    """Who made its insights, if it has any, of whatever topic and confidence."""


class Calendar(NamedTuple):
    """How time is divided: by the clocks of a zone, into buckets of an interval, or of what suits the window."""

    zone: ZoneInfo
    interval: Interval | None = None

    def length(self, start: int, end: int) -> Interval:
        """The interval of the window's buckets."""
        return self.interval or (Interval.HOUR if end - start <= IN_HOURS else Interval.DAY)


USUAL_CALENDAR = Calendar(ZoneInfo("UTC"))


@dataclass(frozen=True, slots=True)
class Trends:
    """The trends of `[start, end)`, and the sentiments of the window of the same length before it."""

    counts: Counts
    skipped: int
    top_topics: TopTopics
    series: Sequence[Point]
    previous: Counts


def trends(
    connection: Connection,
    start: int,
    end: int,
    *,
    cluster: str | None,
    now: int,
    calendar: Calendar = USUAL_CALENDAR,
    min_confidence: int = 0,
    analyzer: str | None = None,
    fields: tuple[FieldFilter, ...] = (),
    effort: TopicEffort = USUAL,
    days: TopicDays | None = None,
) -> Trends:
    """Compute the trends of a window, narrowed by topic, confidence (percent), analyzer and fields; times in UTC
    microseconds.

    The insights are read one by one for a lowest confidence, and for an analyzer unless it made all of them. Of a value
    of a field only the topics are counted so, unless `days` has them.
    """
    chosen = Selection(
        start, end, min_confidence=min_confidence, cluster=cluster, analyzer=analyzer, fields=fields
    )
    chosen = without_needless_filters(connection, as_stored(connection, chosen))
    window = _Window(connection, chosen, effort, days)
    points = window.series(calendar, now)
    counts = _sums(points)
    return Trends(
        counts=counts,
        skipped=windows.count_skipped(connection, start, end),
        top_topics=window.top_topics(sum(counts.values())),
        series=points,
        previous=window.before().by_sentiment(),
    )


@dataclass(frozen=True, slots=True)
class _Window:
    connection: Connection
    chosen: Selection
    effort: TopicEffort
    days: TopicDays | None

    @property
    def topic(self) -> int | None:
        """The number of the topic; None if no insight ever had it."""
        return windows.topic_number(self.connection, self.chosen.cluster)

    @property
    def is_filtered(self) -> bool:
        """Whether `totals` cannot count it."""
        chosen = self.chosen
        return chosen.min_confidence > 0 or chosen.analyzer is not None or bool(chosen.fields)

    def rolled(self, topic: int) -> int | None:
        """The number that `totals` counts all of it under: the topic's, or a value's; None if there is none."""
        if not self.is_filtered:
            return topic
        rest = without_field(topic, self.chosen)
        if rest is None or rest.min_confidence > 0 or self.chosen.fields[0].value is None:
            return None
        return next(iter(self.chosen.fields[0].whole), None)

    def before(self) -> "_Window":
        """The window of the same length before it."""
        start, end = self.chosen.start, self.chosen.end
        return replace(self, chosen=replace(self.chosen, start=start - (end - start), end=start))

    def series(self, calendar: Calendar, now: int) -> list[Point]:
        """The points of the series."""
        start, end = self.chosen.start, self.chosen.end
        local, length = LocalTime.around(calendar.zone, start, end), calendar.length(start, end)
        borders = local.borders(length, start, end)
        if len(borders) < 2:
            return []
        moments = [start, *borders[1:-1], end]
        found = self._between(moments, HOUR if length is Interval.HOUR else DAY)
        until = min(end, now)
        return [
            Point._make((first, local.offset(first), *sums, first < start or last > until, makers))
            for (first, last), sums, makers in zip(
                pairwise(borders), found, self._makers(moments), strict=True
            )
        ]

    def _makers(self, moments: Sequence[int]) -> list[set[Maker]]:
        found, analyzer = makers_between(self.connection, moments), self.chosen.analyzer
        return [{each for each in some if analyzer in (None, each.analyzer)} for some in found]

    def _between(self, moments: Sequence[int], level: int) -> Sequence[Sums]:
        topic = self.topic
        if topic is None:
            return [series.NOTHING] * (len(moments) - 1)
        rolled = self.rolled(topic)
        if rolled is not None:
            return series.sums_between(self.connection, rolled, moments, level)
        unit = gcd(MICROSECONDS[HOUR], *moments[1:-1])
        rows = Narrowing(self.connection, self.chosen, topic).sums_by(unit)
        return series.sums_of_units(moments, unit, rows)

    def by_sentiment(self) -> Counts:
        """The insights of each sentiment."""
        topic = self.topic
        if topic is None:
            return dict.fromkeys(SENTIMENTS, 0)
        rolled = self.rolled(topic)
        if rolled is not None:
            of_window = rollups.window_parameters(kind_of(rolled), totals, self.chosen.start, self.chosen.end)
            return _by_sentiment(self.connection, rolled, of_window)
        if self.chosen.analyzer is not None or self.chosen.fields:
            return Narrowing(self.connection, self.chosen, topic).count_by_sentiment()
        each = {one: replace(self.chosen, sentiment=one) for one in self.chosen.sentiments}
        return dict.fromkeys(SENTIMENTS, 0) | {
            sentiment: windows.count_insights(self.connection, topic, one) for sentiment, one in each.items()
        }

    def top_topics(self, total: int) -> TopTopics:
        """The ten topics with the most of the `total` insights."""
        if self.chosen.cluster is not None:
            found = windows.find_topic(self.connection, self.chosen.cluster)
            return [(found.slug, total)] if found is not None and total else []
        value = sole_value(self.chosen)
        if value is not None and self.days is not None:
            sums = self.days.of_values.of(self.connection, value).sums(self.chosen.start, self.chosen.end)
            return top_of_sums(self.connection, sums.by_topic("n"))
        if self.is_filtered:
            return top_filtered_topics(self.connection, self.chosen) if total else []
        return top_topics(self.connection, self.chosen.start, self.chosen.end, total, self.effort)


def _sums(points: Sequence[Point]) -> Counts:
    return {
        -1: sum([point.negative for point in points]),
        0: sum([point.neutral for point in points]),
        1: sum([point.positive for point in points]),
        UNSURE: sum([point.unsure for point in points]),
    }


def _by_sentiment(connection: Connection, topic: int, of_window: Mapping[str, Any]) -> Counts:
    rows = BY_SENTIMENT[kind_of(topic)].rows(connection, {"topic": topic, **of_window})
    return {sentiment: sum(row[place] or 0 for row in rows) for place, sentiment in enumerate(SENTIMENTS)}


def _counting(kind: Kind) -> CompoundSelect[Any]:
    """Select the sums of each part of the window."""
    each = (
        select(*map(part.sum, part.amounts)).where(*part.within)
        for part in rollups.window_parts(kind, totals)
    )
    return union_all(*each)


BY_SENTIMENT = {kind: Prepared(_counting(kind)) for kind in (Kind.FIELD, Kind.ALL, Kind.TOPIC, Kind.UNION)}
