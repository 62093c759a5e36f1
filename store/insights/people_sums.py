"""What people have in a window: counted exactly, for some of them or for all, in roll-ups and along an index."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Connection,
    Select,
    SmallInteger,
    Subquery,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    select,
    union_all,
)

from domain.analysis import UNSURE
from domain.buckets import EDGE, YEAR, Span, bucket_of, cover
from models import insight_people, people, people_counts
from store.engine.prepared import Prepared, among, by_code_point
from store.insights.people_filing import LEVELS


class PersonSums(NamedTuple):
    """What a person has in a window; a person is a number."""

    person: int
    n: int
    """Conversations."""
    negative: int
    score_sum: int
    open: int
    unsure: int
    """Those without a score, which are left out of the mean."""

    @property
    def mean(self) -> float | None:
        """The mean score, in its units; None if none has one."""
        return self.score_sum / (self.n - self.unsure) if self.n > self.unsure else None


class PeopleSort(StrEnum):
    """The order of a list of people; `-` stands for descending, where equal ones go by who was seen first.

    Ascending is the reverse: whoever was seen last comes first among equals.
    """

    LEAST_NEGATIVE, MOST_NEGATIVE = "negative", "-negative"
    FEWEST, MOST = "conversations", "-conversations"
    LOWEST_MEAN, HIGHEST_MEAN = "mean", "-mean"
    LEAST_OPEN, MOST_OPEN = "open_cases", "-open_cases"
    LEAST_RECENT, MOST_RECENT = "last_seen", "-last_seen"
    FIRST_ID, LAST_ID = "id", "-id"

    @property
    def descending(self) -> bool:
        """Whether the largest value comes first."""
        return self.value.startswith("-")

    @property
    def field(self) -> str:
        """What is sorted by."""
        return self.value.removeprefix("-")


Value = int | str
"""What a list is sorted by."""


class Place(NamedTuple):
    """The place of a person in a list."""

    value: Value
    person: int


@dataclass(frozen=True, slots=True)
class PeopleWindow:
    """The conversations of `[start, end)` (UTC microseconds) in which people wrote in a role."""

    role: int
    start: int
    end: int

    within: tuple[int, int] | None = None
    """`[first, end)` of all insights there are, where that is known."""

    @property
    def spans(self) -> Sequence[Span]:
        """The window as a sum of spans: of two edges at most, and what is between.

        A window of nearly all that there is is all of it without the rest, which may be a day instead of half a month.
        """
        levels = LEVELS[self.role]
        usual = cover(self.start, self.end, levels)
        if self.within is None:
            return usual
        first, end = self.within
        years = Span(YEAR, bucket_of(YEAR, first), bucket_of(YEAR, end - 1) + 1)
        rest = [*cover(first, self.start, levels, -1), *cover(self.end, end, levels, -1)]
        is_less = _edge_length(rest) < _edge_length(usual)
        return [years, *rest] if is_less and len(_edges(rest)) <= len(PLACES) else usual

    @property
    def parameters(self) -> dict[str, Any]:
        """Of a statement that counts in this window."""
        spans = self.spans
        edges = _edges(spans) + [Span(EDGE, 0, 0)] * len(PLACES)
        given: dict[str, Any] = {"role": self.role, "start": self.start, "end": self.end}
        for place, edge in zip(PLACES, edges, strict=False):
            given |= {f"first_{place}": edge.first, f"end_{place}": edge.end, f"sign_{place}": edge.sign}
        for level in range(EDGE + 1, YEAR + 1):
            for sign in SIGNS:
                of_level = [span for span in spans if (span.level, span.sign) == (level, sign)]
                buckets = [bucket for span in of_level for bucket in range(span.first, span.end)]
                given[f"buckets_{level}_{sign}"] = buckets
        return given


PLACES = (0, 1)
"""Of the edges in a statement."""


def _edges(spans: Sequence[Span]) -> list[Span]:
    return [span for span in spans if span.level == EDGE]


def _edge_length(spans: Sequence[Span]) -> int:
    return sum(span.end - span.first for span in _edges(spans))


COLUMNS = {"conversations": 1, "negative": 2}
"""The places in `PersonSums` of the values whose lists have a short way."""


def in_order(place: Place, sort: PeopleSort) -> tuple[int, int]:
    """What places are sorted by, where they have numbers."""
    value = int(place.value)
    return (-value, place.person) if sort.descending else (value, -place.person)


def placed(
    some: Iterable[PersonSums], sort: PeopleSort, limit: int, after: Place | None
) -> list[tuple[Place, PersonSums]]:
    """The first of these people after a place, in order."""
    pairs = [(Place(each[COLUMNS[sort.field]], each.person), each) for each in some]
    if after is not None:
        pairs = [pair for pair in pairs if in_order(pair[0], sort) > in_order(after, sort)]
    return sorted(pairs, key=lambda pair: in_order(pair[0], sort))[:limit]


def sums_of(connection: Connection, window: PeopleWindow, numbers: Collection[int]) -> list[PersonSums]:
    """What each of these people has in the window, in the order of their numbers; nobody who has nothing."""
    if not numbers:
        return []
    given = window.parameters | {"persons": [*numbers]}
    return [PersonSums(*row) for row in _of_some(window.role).rows(connection, given)]


def sorted_sums(
    connection: Connection, window: PeopleWindow, sort: PeopleSort, *, limit: int, after: Place | None
) -> list[tuple[Place, PersonSums]]:
    """The first of all people after a place; everybody in the window is counted for it."""
    page: dict[str, Any] = {"limit": limit}
    if after is not None:
        page |= {"after": after.value, "number": after.person}
    statement = _of_all(window.role, sort, later=after is not None)
    rows = statement.rows(connection, window.parameters | page)
    sums = {each.person: each for each in sums_of(connection, window, [person for person, _ in rows])}
    return [(Place(value, person), sums[person]) for person, value in rows]


# --- statements ---------------------------------------------------------------------------------------------

SIGNS = (1, -1)
MEAN_UNIT = 1_000_000
"""Means are compared in millionths of a score's unit."""
SUMS = ("n", "negative", "score_sum", "open", "unsure")
NEEDED = {"negative": ("n", "negative"), "open_cases": ("n", "open"), "mean": ("n", "score_sum", "unsure")}
"""What a field is sorted by, of SUMS; n alone where nothing is said. All of them took SQLite twice as long to sort."""
ROLE: BindParameter[int] = bindparam("role", type_=SmallInteger)


def signed_parts(role: int, names: Sequence[str] = SUMS, *, chosen: bool) -> list[Select[Any]]:
    """The rows that add up to what each person has: of buckets, and of the two edges, each with its sign."""
    levels = [_of_level(level, sign, names, chosen=chosen) for level in LEVELS[role] for sign in SIGNS]
    return [*levels, *(_of_edge(place, names, chosen=chosen) for place in PLACES)]


def _of_level(level: int, sign: int, names: Sequence[str], *, chosen: bool) -> Select[Any]:
    c = people_counts.c
    found = select(c.person, *((c[name] * literal_column(str(sign))).label(name) for name in names)).where(
        c.role == ROLE,
        c.level == literal_column(str(level)),
        among(c.bucket, f"buckets_{level}_{sign}"),
    )
    return found.where(among(c.person, "persons")) if chosen else found


def _of_edge(place: int, names: Sequence[str], *, chosen: bool) -> Select[Any]:
    c, amounts = insight_people.c, _amounts(bindparam(f"sign_{place}", type_=BigInteger))
    within = c.timestamp >= bindparam(f"first_{place}"), c.timestamp < bindparam(f"end_{place}")
    edge = select(c.person, *(amounts[name].label(name) for name in names)).where(c.role == ROLE, *within)
    if not chosen:
        return edge
    # Added up along the index of each person. Otherwise all rows went through a sorter, which took half of the time.
    return _summed(edge.where(among(c.person, "persons")).subquery(), names)


def _amounts(sign: BindParameter[int]) -> Mapping[str, ColumnElement[int]]:
    """What an insight adds to each of SUMS."""
    c = insight_people.c
    nothing: ColumnElement[int] = literal_column("0")
    negative = case((c.sentiment < nothing, sign), else_=nothing)
    unsure = case((c.sentiment == literal_column(str(UNSURE)), sign), else_=nothing)
    return {
        "n": sign,
        "negative": negative,
        "score_sum": sign * c.score,
        "open": sign * c.open,
        "unsure": unsure,
    }


def _summed(parts: Subquery, names: Sequence[str] = SUMS) -> Select[Any]:
    sums = (cast(func.sum(parts.c[name]), BigInteger).label(name) for name in names)
    return select(parts.c.person, *sums).group_by(parts.c.person)


def _added_up(parts: Subquery, names: Sequence[str] = SUMS) -> Select[Any]:
    return _summed(parts, names).having(func.sum(parts.c.n) > 0)


# Made at their first use: all of them at once took a tenth of what the process imports.
@cache
def _of_some(role: int) -> Prepared:
    parts = union_all(*signed_parts(role, chosen=True)).subquery()
    return Prepared(_added_up(parts).order_by(parts.c.person))


@cache
def _of_all(role: int, sort: PeopleSort, *, later: bool) -> Prepared:
    return Prepared(_sorted(role, sort, later=later))


def _sorted(role: int, sort: PeopleSort, *, later: bool) -> Select[Any]:
    names = NEEDED.get(sort.field, ("n",))
    sums = _added_up(union_all(*signed_parts(role, names, chosen=False)).subquery(), names).subquery()
    value = _value(sort, sums)
    found = select(sums.c.person, value.label("value"))
    if sort.field == "id":
        found = found.join_from(sums, people, people.c.number == sums.c.person)
    if later:
        person, number = sums.c.person, bindparam("number", type_=BigInteger)
        beyond = value < bindparam("after") if sort.descending else value > bindparam("after")
        equal = (value == bindparam("after")) & (person > number if sort.descending else person < number)
        found = found.where(beyond | equal)
    # So that one direction is the reverse of the other.
    order = (value.desc(), sums.c.person) if sort.descending else (value, sums.c.person.desc())
    return found.order_by(*order).limit(bindparam("limit"))


def _value(sort: PeopleSort, sums: Subquery) -> ColumnElement[Any]:
    match sort.field:
        case "negative":
            return sums.c.negative
        case "conversations":
            return sums.c.n
        case "open_cases":
            return sums.c.open
        case "mean":
            # A whole number: as JSON, SQLite gives a fraction 15 digits, which is another place in the list.
            scored, nothing = sums.c.n - sums.c.unsure, literal_column("0", BigInteger)
            mean = sums.c.score_sum * literal_column(str(MEAN_UNIT), BigInteger) // scored
            return case((scored == nothing, nothing), else_=mean)
        case "last_seen":
            return _last_seen(sums.c.person)
        case _:
            return by_code_point(people.c.author)


def _last_seen(person: ColumnElement[int]) -> ColumnElement[int]:
    c = insight_people.c
    last = select(func.max(c.timestamp)).where(
        c.role == ROLE, c.person == person, c.timestamp >= bindparam("start"), c.timestamp < bindparam("end")
    )
    return last.scalar_subquery()
