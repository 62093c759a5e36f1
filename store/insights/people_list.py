"""Lists of people of a window, in any order: their counts, when they were seen last, their topics and their names.

The top of the lists that are asked for most is found without counting everybody. Whoever has the most conversations, or
negative ones, has many in some month: people are counted exactly from the top of each month or year down, until nobody
who is left can be before the last of the page. Whoever has fewest is found by counting people in the order in which
they were seen, the last first, because many have none. All other lists count everybody in the window.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from sqlalchemy import Connection, Select, and_, bindparam, func, literal_column, select

from domain.buckets import MONTH, YEAR, touching
from models import ALL_TOPICS, BUSY, insight_people, insights, people, people_counts
from store.engine.prepared import Prepared, listed
from store.insights.people_names import names_of
from store.insights.people_sums import (
    PeopleSort,
    PeopleWindow,
    PersonSums,
    Place,
    sorted_sums,
    sums_of,
)
from store.insights.shown import shown_clusters
from store.insights.windows import Selection, count_insights

TOPICS = 3
"""Topics that are shown of a person."""
READ, LAST = 1_500, 2**62
"""Conversations whose topics are read for a page, each in 15 us; and a number after that of any person."""
NEWEST = (1_000, 300, 100, 30, 10)
"""Of how many of a person's newest conversations topics are counted: the most that READ allows, or the least."""


@dataclass(frozen=True, slots=True)
class PeopleEffort:
    """How a list is looked for. Any values give the same list."""

    few: int = 40_000
    """Insights of a window up to which everybody is counted at once."""
    steps: tuple[int, ...] = (500, 4_000)
    """How many of the top of each period are counted, in the first attempt and the next."""
    walked: int = 16_000
    """How many people are counted at most in the order in which they were seen; if more seem to be needed, all are."""
    most_months: int = 6
    """Up to this many months the periods are months, otherwise years."""


USUAL = PeopleEffort()


class ListedPerson(NamedTuple):
    """A person of a list."""

    name: str | None
    """None if it does not open."""
    sums: PersonSums
    last_seen: int
    """When the newest of the conversations was said, UTC microseconds."""
    topics: Sequence[str]
    """The most frequent in the newest conversations, most frequent first."""


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """A page of people; `next` is where the next page begins, if there is one."""

    people: Sequence[ListedPerson]
    next: Place | None


def list_people(
    connection: Connection,
    window: PeopleWindow,
    sort: PeopleSort,
    *,
    limit: int,
    after: Place | None = None,
    effort: PeopleEffort = USUAL,
) -> PeoplePage:
    """Up to `limit` people who wrote in the window, after a place."""
    inside = _within_time(connection, window)
    if inside is None:
        return PeoplePage((), None)
    found = _Search(connection, inside, sort, limit + 1, after, effort).find()
    shown = found[:limit]
    listed_people = _described(connection, inside, [sums for _, sums in shown])
    return PeoplePage(listed_people, shown[-1][0] if len(found) > limit else None)


def _within_time(connection: Connection, window: PeopleWindow) -> PeopleWindow | None:
    """The window without the years in which there are no insights; None if nothing is left."""
    ((first, last),) = ENDS.rows(connection, {})
    if first is None:
        return None
    inside = replace(window, start=max(window.start, first), end=min(window.end, last + 1))
    return inside if inside.start < inside.end else None


@dataclass(frozen=True, slots=True)
class _Search:
    connection: Connection
    window: PeopleWindow
    sort: PeopleSort
    limit: int
    after: Place | None
    effort: PeopleEffort

    def find(self) -> list[tuple[Place, PersonSums]]:
        found: list[tuple[Place, PersonSums]] | None = None
        if self.sort.field in COLUMNS and not self._is_small:
            found = self._from_the_top() if self.sort.descending else self._from_the_bottom()
        if found is not None:
            return found
        return sorted_sums(self.connection, self.window, self.sort, limit=self.limit, after=self.after)

    @property
    def _is_small(self) -> bool:
        chosen = Selection(self.window.start, self.window.end)
        return count_insights(self.connection, ALL_TOPICS, chosen) <= self.effort.few

    def _placed(self, some: Sequence[PersonSums]) -> list[tuple[Place, PersonSums]]:
        """Those of these people who come after the place, in order."""
        placed = [(Place(each[COLUMNS[self.sort.field]], each.person), each) for each in some]
        after = None if self.after is None else _descending(self.after)
        later = [pair for pair in placed if after is None or _descending(pair[0]) > after]
        return sorted(later, key=lambda pair: _descending(pair[0]))[: self.limit]

    def _from_the_top(self) -> list[tuple[Place, PersonSums]] | None:
        """The first of the list, if those who have much in some period suffice to tell."""
        for size in self.effort.steps:
            candidates, unseen = self._candidates(size)
            found = self._placed(sums_of(self.connection, self.window, sorted(candidates)))
            # Whoever is not a candidate has `unseen` at most; an equal one might have been seen earlier.
            if len(found) == self.limit and found[-1][1][COLUMNS[self.sort.field]] > unseen:
                return found
        return None

    def _candidates(self, size: int) -> tuple[set[int], int]:
        """The top of each period, and the most that anybody else can have in all of them together."""
        candidates: set[int] = set()
        unseen = 0
        statement = TOP_OF["n" if self.sort.field == "conversations" else "negative"]
        for level, bucket in self._periods():
            given = {"role": self.window.role, "level": level, "bucket": bucket, "limit": size}
            rows = statement.rows(self.connection, given)
            candidates.update(person for person, _ in rows)
            unseen += rows[-1][1] if len(rows) == size else BUSY - 1
        return candidates, unseen

    def _periods(self) -> Iterator[tuple[int, int]]:
        months = touching(MONTH, self.window.start, self.window.end)
        level = MONTH if len(months) <= self.effort.most_months else YEAR
        for bucket in touching(level, self.window.start, self.window.end):
            yield level, bucket

    def _from_the_bottom(self) -> list[tuple[Place, PersonSums]] | None:
        """The first of the list, if so many have the least possible that a look at some people finds them."""
        place = COLUMNS[self.sort.field]
        least = 1 if self.sort.field == "conversations" else 0
        if self.after is not None and self.after.value != least:
            return None
        found: list[tuple[Place, PersonSums]] = []
        last, size, walked = self.after.person if self.after else LAST, 4 * self.limit, 0
        while walked + size <= self.effort.walked:
            given = {"before": last, "limit": size}
            numbers = [number for (number,) in NEXT_PEOPLE.rows(self.connection, given)]
            some = sums_of(self.connection, self.window, numbers)
            found += [(Place(least, each.person), each) for each in reversed(some) if each[place] == least]
            if len(found) >= self.limit:
                return found[: self.limit]
            if len(numbers) < size:
                return None
            last, walked = numbers[-1], walked + size
            # As many as should hold the rest, if they are like those before, and a quarter more.
            size = max(1, (self.limit - len(found)) * walked * 5 // (4 * max(1, len(found))))
        return None


def _descending(place: Place) -> tuple[int, int]:
    """What places of a descending list are sorted by."""
    return -int(place.value), place.person


COLUMNS = {"conversations": 1, "negative": 2}
"""The places in `PersonSums` of the values whose lists have a short way."""


# --- what else is shown -------------------------------------------------------------------------------------


def _described(
    connection: Connection, window: PeopleWindow, some: Sequence[PersonSums]
) -> list[ListedPerson]:
    given = {"role": window.role, "start": window.start, "end": window.end, "skipped": _newest_of(some) - 1}
    newest = NEWEST_OF.rows(connection, given | {"persons": [each.person for each in some]})
    shown = shown_clusters(connection, [row[3] for row in newest])
    last: dict[int, tuple[int, int]] = {}
    topics: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for (person, timestamp, conversation, _), slugs in zip(newest, shown, strict=True):
        last[person] = max(last.get(person, (0, 0)), (timestamp, conversation))
        topics[person].update(slugs)
    names = names_of(connection, {person: conversation for person, (_, conversation) in last.items()})
    return [
        ListedPerson(names[each.person], each, last[each.person][0], _most_frequent(topics[each.person]))
        for each in some
    ]


def _newest_of(some: Sequence[PersonSums]) -> int:
    """How many of each person's newest conversations are read."""
    fitting = (most for most in NEWEST if sum(min(each.n, most) for each in some) <= READ)
    return next(fitting, NEWEST[-1])


def _most_frequent(counted: Mapping[str, int]) -> list[str]:
    return sorted(counted, key=lambda slug: (-counted[slug], slug))[:TOPICS]


def _newest() -> Select[tuple[int, int, int, str]]:
    """Select the newest conversations of each of the `persons`, with their topics.

    Outer joins, because SQLite takes their tables in this order. In one of its own it walked over the whole window for
    the hundred people of a page, which took 3.6 s.
    """
    f, person = insight_people.c, listed("persons")
    theirs = f.role == bindparam("role"), f.timestamp >= bindparam("start"), f.timestamp < bindparam("end")
    nth = select(f.timestamp).where(*theirs, f.person == person).order_by(f.timestamp.desc())
    since = nth.limit(literal_column("1")).offset(bindparam("skipped")).scalar_subquery()
    some = select(person.label("person"), func.coalesce(since, bindparam("start")).label("since")).subquery()
    # With the window's start as a second lower bound SQLite read from there on: ten thousand entries for ten.
    role, _, before_end = theirs
    mine = and_(role, before_end, f.person == some.c.person, f.timestamp >= some.c.since)
    joined = some.outerjoin(insight_people, mine).outerjoin(
        insights, insights.c.conversation == f.conversation
    )
    return select(f.person, f.timestamp, f.conversation, insights.c.clusters).select_from(joined)


def _top_of(column: str) -> Prepared:
    """Select the people who have most in a period, and how much, if it is BUSY or more."""
    c = people_counts.c
    period = c.role == bindparam("role"), c.level == bindparam("level"), c.bucket == bindparam("bucket")
    # Literally, because a partial index serves only queries that repeat its condition.
    busy = c[column] >= literal_column(str(BUSY))
    most = select(c.person, c[column]).where(*period, busy).order_by(c[column].desc())
    return Prepared(most.limit(bindparam("limit")))


ENDS = Prepared(
    select(
        select(func.min(insights.c.timestamp)).scalar_subquery(),
        select(func.max(insights.c.timestamp)).scalar_subquery(),
    )
)
TOP_OF = {column: _top_of(column) for column in ("n", "negative")}
NEXT_PEOPLE = Prepared(
    select(people.c.number)
    .where(people.c.number < bindparam("before"))
    .order_by(people.c.number.desc())
    .limit(bindparam("limit"))
)
NEWEST_OF = Prepared(_newest())
