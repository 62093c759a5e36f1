"""The first people of a list of a window, found without counting everybody where that is possible.

Whoever has the most conversations, or negative ones, has many in some month: people are counted exactly from the top of
each month or year down, until nobody who is left can be before the last of the page. Whoever has the fewest is found
from the other end (`people_least`). All other lists count everybody in the window.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, literal_column, select

from domain.buckets import MONTH, YEAR, touching
from models import ALL_TOPICS, BUSY, people_counts
from store.engine.prepared import Prepared
from store.insights.people_least import LeastEffort, find_least
from store.insights.people_sums import (
    COLUMNS,
    PeopleSort,
    PeopleWindow,
    PersonSums,
    Place,
    placed,
    sorted_sums,
    sums_of,
)
from store.insights.windows import Selection, count_insights


@dataclass(frozen=True, slots=True)
class PeopleEffort:
    """How a list is looked for. Any values give the same list."""

    few: int = 40_000
    """Insights of a window up to which everybody is counted at once."""
    steps: tuple[int, ...] = (500, 4_000)
    """How many of the top of each period are counted, in the first attempt and the next."""
    least: LeastEffort = field(default_factory=LeastEffort)
    """For lists that begin with whoever has the fewest."""
    most_months: int = 6
    """Up to this many months the periods are months, otherwise years."""


USUAL = PeopleEffort()
Found = list[tuple[Place, PersonSums]]


def find_people(
    connection: Connection,
    window: PeopleWindow,
    sort: PeopleSort,
    limit: int,
    after: Place | None,
    effort: PeopleEffort = USUAL,
) -> Found:
    """The first people of a list after a place, in order."""
    found: Found | None = None
    chosen = Selection(window.start, window.end)
    if sort.field in COLUMNS and count_insights(connection, ALL_TOPICS, chosen) > effort.few:
        if sort.descending:
            found = _Top(connection, window, sort, limit, after, effort).find()
        else:
            found = find_least(connection, window, sort, limit, after, effort.least)
    if found is not None:
        return found
    return sorted_sums(connection, window, sort, limit=limit, after=after)


@dataclass(frozen=True, slots=True)
class _Top:
    connection: Connection
    window: PeopleWindow
    sort: PeopleSort
    limit: int
    after: Place | None
    effort: PeopleEffort

    def find(self) -> Found | None:
        """The first of the list, if those who have much in some period suffice to tell."""
        for size in self.effort.steps:
            candidates, unseen = self._candidates(size)
            some = sums_of(self.connection, self.window, sorted(candidates))
            found = placed(some, self.sort, self.limit, self.after)
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
            rows: Sequence[Sequence[int]] = statement.rows(self.connection, given)
            candidates.update(person for person, _ in rows)
            unseen += rows[-1][1] if len(rows) == size else BUSY - 1
        return candidates, unseen

    def _periods(self) -> Iterator[tuple[int, int]]:
        months = touching(MONTH, self.window.start, self.window.end)
        level = MONTH if len(months) <= self.effort.most_months else YEAR
        for bucket in touching(level, self.window.start, self.window.end):
            yield level, bucket


def _top_of(column: str) -> Prepared:
    """Select the people who have most in a period, and how much, if it is BUSY or more."""
    c = people_counts.c
    period = c.role == bindparam("role"), c.level == bindparam("level"), c.bucket == bindparam("bucket")
    # Literally, because a partial index serves only queries that repeat its condition.
    busy = c[column] >= literal_column(str(BUSY))
    most = select(c.person, c[column]).where(*period, busy).order_by(c[column].desc())
    return Prepared(most.limit(bindparam("limit")))


TOP_OF = {column: _top_of(column) for column in ("n", "negative")}
