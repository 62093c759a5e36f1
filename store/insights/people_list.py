"""Lists of people of a window, in any order: their counts, when they were seen last, their topics and their names."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from sqlalchemy import Connection, Select, and_, bindparam, func, literal_column, select

from models import insight_people, insights
from store.engine.prepared import Prepared, listed
from store.insights.people_names import names_of
from store.insights.people_search import USUAL, PeopleEffort, find_people
from store.insights.people_sums import PeopleSort, PeopleWindow, PersonSums, Place
from store.insights.shown import shown_clusters

TOPICS = 3
"""Topics that are shown of a person."""
READ = 1_500
"""Conversations whose topics are read for a page, each in 15 us."""
NEWEST = (1_000, 300, 100, 30, 10)
"""Of how many of a person's newest conversations topics are counted: the most that READ allows, or the least."""


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
    found = find_people(connection, inside, sort, limit + 1, after, effort)
    shown = found[:limit]
    listed_people = _described(connection, inside, [sums for _, sums in shown])
    return PeoplePage(listed_people, shown[-1][0] if len(found) > limit else None)


def _within_time(connection: Connection, window: PeopleWindow) -> PeopleWindow | None:
    """The window without the years in which there are no insights; None if nothing is left."""
    ((first, last),) = ENDS.rows(connection, {})
    if first is None:
        return None
    ends = max(window.start, first), min(window.end, last + 1)
    inside = replace(window, start=ends[0], end=ends[1], within=(first, last + 1))
    return inside if inside.start < inside.end else None


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


ENDS = Prepared(
    select(
        select(func.min(insights.c.timestamp)).scalar_subquery(),
        select(func.max(insights.c.timestamp)).scalar_subquery(),
    )
)
NEWEST_OF = Prepared(_newest())
