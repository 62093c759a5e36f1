"""The top topics of a window, counted exactly: from upper bounds down, or insight by insight where there are few."""

from collections import Counter
from dataclasses import dataclass, replace
from functools import reduce
from itertools import chain
from operator import add
from typing import Any, Literal, NamedTuple, get_args

from pydantic_core import from_json
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Subquery,
    Table,
    bindparam,
    exists,
    func,
    literal_column,
    select,
)

from domain.buckets import MONTH, MONTHS, YEAR, start_of, touching
from models import ACTIVE, ALL_TOPICS, FIRST_UNION, insights, topic_months, topic_years, topics, totals
from store.engine.prepared import Prepared, by_code_point
from store.insights import rollups
from store.insights.rollups import Kind
from store.insights.shown import slugs_shown
from store.insights.windows import Selection, count_insights

TOP = 10
MOST_CANDIDATES = 2_000
MOST_OF_YEAR = 1.5
"""Insights of a year for each of the window's, up to which the year's bounds are not much higher than the months'."""

ONE_IN = 10
"""Up to this many topics are looked up by slug for each that has an insight in the period."""

Order = Literal["of the sums", "of a period", "by slug"]
"""How topics are put in order: after summing periods, as a single period has them, or, where all have one, by slug."""

TopTopics = list[tuple[str, int]]
"""Slugs and their numbers of insights, most first."""


@dataclass(frozen=True, slots=True)
class TopicEffort:
    """How the top topics are looked for. Any values give the same topics."""

    one_in: int = 500
    """Topics that have one in this many of the window's insights in some month are counted first."""
    candidates: int = 40
    """Topics counted exactly in the first step; in every window that was tried they included the top ten."""
    rows_per_candidate: int = 50
    """Insights that are read in the time it takes to count one candidate."""


USUAL = TopicEffort()


def top_topics(connection: Connection, start: int, end: int, total: int, effort: TopicEffort) -> TopTopics:
    """The ten topics with the most of the window's `total` insights, counted exactly; equal ones by slug.

    Topics that are common in a month or year of the window are counted first. The others are left out if the most
    they can have in all periods together is less than the tenth topic has.
    """
    periods = _Periods.of(start, end)
    if periods is None:
        return []
    common = max(1, total // effort.one_in)
    window = _TopicWindow(connection, start, end, total, periods, effort)
    best = window.best(common)
    if common == 1 or (len(best) == TOP and periods.left_out(common) < best[-1][1]):
        return best
    periods = _for_all(connection, start, end, total, periods)
    return replace(window, periods=replace(periods, is_flat=periods.seen_flat(connection))).best(common=1)


def _for_all(connection: Connection, start: int, end: int, total: int, periods: "_Periods") -> "_Periods":
    """Periods that bound all topics: the year of the window, where little of it lies outside the window.

    A topic has one row in a year, so nothing is grouped: of 20,000 topics that took 7 ms, and by three months 15.
    """
    years = touching(YEAR, start, end)
    if len(years) > 1:
        return periods
    whole = Selection(start_of(YEAR, years[0]), start_of(YEAR, years[0] + 1))
    of_year = count_insights(connection, ALL_TOPICS, whole)
    return _Periods(years[0], years[0], by_year=True) if of_year <= MOST_OF_YEAR * total else periods


@dataclass(frozen=True, slots=True)
class _Periods:
    """The months that a window overlaps; the years if it is long."""

    first: int
    last: int
    by_year: bool
    is_flat: bool = False
    """Whether it is a single period in which every topic has one insight: the order by slug is all there is."""

    @classmethod
    def of(cls, start: int, end: int) -> "_Periods | None":
        months = touching(MONTH, start, end)
        if not months:
            return None
        by_year = len(months) > MOST_MONTHS
        unit = MONTHS if by_year else 1
        return cls(months[0] // unit, months[-1] // unit, by_year)

    @property
    def is_one(self) -> bool:
        """Whether there is a single period."""
        return self.first == self.last

    @property
    def order(self) -> Order:
        """How their topics are put in order."""
        if self.is_flat:
            return "by slug"
        return "of a period" if self.is_one else "of the sums"

    def seen_flat(self, connection: Connection) -> bool:
        """Look whether it is flat, and most topics are in it: of 20,000 that takes 1.2 ms, and saves 9."""
        if not self.is_one:
            return False
        ((most, some, of),) = FLATNESS[self.by_year].rows(connection, {"first": self.first})
        return bool(most == 1 and some * ONE_IN >= of)

    def left_out(self, common: int) -> int:
        """The most insights that a topic can have in periods in which it is not common."""
        return (self.last - self.first + 1) * (common - 1)


class _Candidate(NamedTuple):
    """A topic that may be among the top."""

    slug: str
    bound: int
    """The upper bound of its insights in the periods."""
    n: int
    """Its exact number of insights in the window."""


@dataclass(frozen=True, slots=True)
class _TopicWindow:
    """A window with `total` insights, whose topics are counted."""

    connection: Connection
    start: int
    end: int
    total: int
    periods: _Periods
    effort: TopicEffort

    def best(self, common: int) -> TopTopics:
        """The top topics among those that have `common` insights or more in a period.

        Topics are counted by upper bound, then slug, until none of the rest can be before the tenth best. With 2,000
        topics that took 5 to 9 ms; counting all of them took 425. Of 20,000 topics with one insight each, the order by
        slug decides after the first step; without it all were counted, which took 2 s.

        A page of topics that are common in a month costs 0.3 to 1 ms, so one is always read. Reading the 1,700
        insights of a week instead took 5 ms.
        """
        best: list[tuple[str, int]] = []
        counted, size = 0, self.effort.candidates
        while (common > 1 and not counted) or self.total > self.effort.rows_per_candidate * size:
            found = self._candidates(common, offset=counted, limit=size)
            best = _ten_best(*best, *((each.slug, each.n) for each in found if each.n))
            if len(found) < size or (len(best) == TOP and _rank(*best[-1]) <= _rank(*found[-1][:2])):
                return best
            counted, size = counted + size, min(2 * size, MOST_CANDIDATES)
        return self._count_each()

    def _candidates(self, common: int, *, offset: int, limit: int) -> list[_Candidate]:
        """A page of the common topics, highest bound first; equal ones by slug."""
        periods = self.periods
        page = {"common": common, "offset": offset, "limit": limit}
        of_window = rollups.window_parameters(Kind.TOPIC, totals, self.start, self.end)
        rows = CANDIDATES_OF[periods.by_year, periods.order].rows(
            self.connection, {"first": periods.first, "last": periods.last} | page | of_window
        )
        left_out = periods.left_out(common)
        found = [
            _Candidate(slug, int(bound) + left_out, n if topic < FIRST_UNION else self._count(topic))
            for topic, slug, bound, n in rows
        ]
        return sorted(found, key=lambda each: _rank(each.slug, each.bound))

    def _count(self, union: int) -> int:
        return count_insights(self.connection, union, Selection(self.start, self.end))

    def _count_each(self) -> TopTopics:
        """The top topics, counted insight by insight: faster where a window has few of them."""
        rows = CLUSTERS.rows(self.connection, {"start": self.start, "end": self.end})
        # pydantic's parser: the standard library's took four fifths of the time.
        filed = [from_json(clusters) for (clusters,) in rows]
        shown = slugs_shown(self.connection, chain.from_iterable(filed), active=True)
        seen = ({shown[name] for name in names if name in shown} for names in filed)
        return _ten_best(*Counter(chain.from_iterable(seen)).items())


def _rank(slug: str, n: int) -> tuple[int, str]:
    """The place of a topic with so many insights: the smallest comes first."""
    return -n, slug


def _ten_best(*counted: tuple[str, int]) -> TopTopics:
    return sorted(counted, key=lambda each: _rank(*each))[:TOP]


def _counted(bounds: Subquery) -> Select[Any]:
    """Select these topics with the number of insights that each has in the window, but for a union's at its edges.

    One subquery per part and topic, because grouping the rows of a part by topic took three times as long.
    """
    pieces = rollups.window_parts(Kind.TOPIC, totals, topic=bounds.c.topic)
    counts = (select(part.n).where(*part.within).scalar_subquery() for part in pieces)
    n = reduce(add, (func.coalesce(count, 0) for count in counts))
    return select(bounds.c.topic, bounds.c.slug, bounds.c.n, n)


def _bounding(rolled: Table, period: ColumnElement[int], order: Order) -> Subquery:
    """Select a page of the common topics, highest bound first; equal ones by slug."""
    if order == "by slug":
        return _by_slug(rolled, period)
    is_one = order == "of a period"
    # A topic has one row in a single period. SQLite would make a table of the groups before it looks for their names.
    n = rolled.c.n if is_one else func.sum(rolled.c.n).label("n")
    of_window = (
        period == bindparam("first") if is_one else period.between(bindparam("first"), bindparam("last"))
    )
    # Rare topics are dropped before grouping and sorting: 40 of 4,040 rows remain, and 1.0 ms becomes 0.2.
    of_topics = select(rolled.c.topic, n).where(of_window, rolled.c.n >= bindparam("common"))
    bounds = (of_topics if is_one else of_topics.group_by(rolled.c.topic)).subquery()
    shown = (topics.c.counted_as == bounds.c.topic) & (topics.c.state == literal_column(f"'{ACTIVE}'"))
    named = select(bounds.c.topic, bounds.c.n, topics.c.slug).join_from(bounds, topics, shown)
    highest = named.order_by(bounds.c.n.desc(), by_code_point(topics.c.slug))
    return highest.offset(bindparam("offset")).limit(bindparam("limit")).subquery()


def _by_slug(rolled: Table, period: ColumnElement[int]) -> Subquery:
    """The same where every bound is one. As a join, SQLite would read all topics of the period before it sorts."""
    has_one = exists().where(period == bindparam("first"), rolled.c.topic == topics.c.counted_as)
    named = select(topics.c.counted_as.label("topic"), literal_column("1").label("n"), topics.c.slug)
    listed = named.where(topics.c.state == literal_column(f"'{ACTIVE}'"), has_one)
    by_slug = listed.order_by(by_code_point(topics.c.slug))
    return by_slug.offset(bindparam("offset")).limit(bindparam("limit")).subquery()


def _flatness(rolled: Table, period: ColumnElement[int]) -> Select[Any]:
    of = select(func.max(topics.c.number)).scalar_subquery()
    return select(func.max(rolled.c.n), func.count(), of).where(period == bindparam("first"))


def _clusters() -> Select[Any]:
    at = insights.c.timestamp
    return select(insights.c.clusters).where(at >= bindparam("start"), at < bindparam("end"))


MOST_MONTHS = 6
"""Up to this many months a window's topics are bounded by month; for longer ones years suffice and are fewer."""
ROLLED = {False: (topic_months, topic_months.c.month), True: (topic_years, topic_years.c.year)}
CANDIDATES_OF = {
    (by_year, order): Prepared(_counted(_bounding(*ROLLED[by_year], order)))
    for by_year in ROLLED
    for order in get_args(Order)
}
FLATNESS = {by_year: Prepared(_flatness(*of)) for by_year, of in ROLLED.items()}
CLUSTERS = Prepared(_clusters())
