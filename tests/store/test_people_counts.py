"""Who wrote in which conversations, against a plain recount."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from core.clock import SECOND
from database import Database
from domain.analysis import UNSURE, Analysis
from domain.summaries import Question
from models import AGENT, CUSTOMER, conversations, people
from store.conversations import records
from store.conversations.intake import accept
from store.insights.people_least import LeastEffort
from store.insights.people_list import ListedPerson, list_people
from store.insights.people_search import PeopleEffort
from store.insights.people_sums import MEAN_UNIT, PeopleSort, PeopleWindow, PersonSums, sorted_sums, sums_of
from store.insights.topic_cases import OUTCOMES
from store.queue import renewal, summaries
from store.queue.summaries import Written
from tests.support.chat_data import added, said
from tests.support.insight_data import A_DAY, NOON, thorough, timestamps, tried
from tests.support.people_data import erase, turn
from tests.support.people_recount import (
    assert_cases_counted,
    assert_people_counted,
    assert_people_filed,
    facts,
    within,
)
from tests.support.rows import NOW, answered, claim, new, settle, stored, take_in
from tests.support.summary_data import a_part

ANN, BOB, AGENT_7 = "ann", "bob", "agent7"
LATE = "It is late and nobody answers me at all"
LATER = NOW + 3_600 * SECOND

authors = st.sampled_from([ANN, ANN, BOB, AGENT_7, None])
roles = st.sampled_from(["customer", "support_agent", None])
turns = st.lists(st.tuples(authors, roles), min_size=1, max_size=4)
numbers = st.integers(0, 7)
posts = st.tuples(st.just("post"), st.booleans(), turns, timestamps(500))
grown = st.tuples(st.just("grow"), numbers, authors, roles)
steps = st.one_of(
    posts,
    posts,
    grown,
    st.tuples(st.just("analyse"), st.integers(-10_000, 10_000)),
    st.tuples(st.just("delete"), numbers),
    st.tuples(st.just("erase"), st.sampled_from([ANN, AGENT_7])),
    st.tuples(st.just("renew"), numbers),
    st.tuples(st.just("summarise"), numbers, st.sampled_from(OUTCOMES), st.booleans()),
)


TOPICS = ("delay",), ("delay", "refund"), ("refund",)


def analyse(connection: Connection, score: int, topics: Sequence[tuple[str, ...]] = TOPICS) -> None:
    """Analyse all that is due, with different scores, and the topics in turn."""
    works = claim(connection, limit=1_000, now=LATER).work
    found = [
        Analysis((score + 3_001 * at) % 20_001 - 10_000, 90, topics[(score + at) % len(topics)], "r", "{}")
        for at in range(99)
    ]
    settle(connection, works, [answered(*each) for each in zip(works, found, strict=False)], now=LATER)


def post(
    connection: Connection, at: int, is_chat: bool, said_: list[tuple[str | None, str]], timestamp: int
) -> None:
    written = [turn(f"{LATE} {at}.{place}", *each) for place, each in enumerate(said_)]
    messages = written if is_chat else [turn(f"{LATE} {at}", said_[0][0])]
    given: dict[str, Any] = {
        "messages": messages,
        "is_chat": is_chat,
        "timestamp": timestamp,
        "author": messages[0].author,
    }
    accept(connection, [new(f"c{at}", **given)])


def grow(connection: Connection, at: int, number: int, author: str | None, role: str | None) -> None:
    added(connection, said(f"c{number}", f"{LATE} {at}", author=author, role=role))


def renew(connection: Connection, number: int) -> None:
    rows = connection.execute(select(conversations).where(conversations.c.id == f"c{number}")).all()
    for row in rows:
        renewal.renew(connection, row, now=NOW, due=NOW)


def summarise(connection: Connection, number: int, outcome: str, answered_: bool) -> None:
    """Ask for a summary and have it written; one that is current stays."""
    if not summaries.ask(connection, f"c{number}", now=LATER):
        return
    while job := summaries.claim(connection, now=LATER, token="t", until=LATER + 9, suspects=True):
        question = Question("Where is it?", (1,), "late", answered=answered_)
        part = a_part(1, job.last, outcome=outcome, questions=(question,))
        summaries.settle(connection, Written(job, part, ()), now=LATER)


DOES: dict[str, Callable[..., object]] = {
    "post": post,
    "grow": grow,
    "analyse": lambda connection, _, score: analyse(connection, score),
    "delete": lambda connection, _, number: records.delete_conversation(connection, f"c{number}"),
    "erase": lambda connection, _, person: erase(connection, person),
    "summarise": lambda connection, _, *given: summarise(connection, *given),
    "renew": lambda connection, _, number: renew(connection, number),
}


def step(connection: Connection, at: int, what: tuple[Any, ...]) -> None:
    kind, *given = what
    DOES[kind](connection, at, *given)


@settings(thorough, max_examples=60)
@given(given_=st.lists(steps, min_size=1, max_size=12), score=st.integers(-10_000, 10_000))
async def test_people_are_counted_whatever_is_posted_analysed_deleted_and_erased(
    db: Database, given_: list[tuple[Any, ...]], score: int
) -> None:
    def play(connection: Connection) -> None:
        for at, what in enumerate(given_):
            step(connection, at, what)
            assert_people_counted(connection)
            assert_cases_counted(connection)
        # By chance few chats have both a summary and an insight, and fewer another one after that.
        for number in range(len(given_)):
            summarise(connection, number, OUTCOMES[number % len(OUTCOMES)], bool(number % 2))
        for more in range(2):
            analyse(connection, score + more)
            assert_people_filed(connection)
            assert_cases_counted(connection)
            for number in range(len(given_)):
                grow(connection, len(given_) + more, number, ANN, "customer")

    await tried(db, play)


def plain_sums(connection: Connection, window: PeopleWindow) -> dict[str, list[int]]:
    sums: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0, 0])
    for each in within(connection, window.role, window.start, window.end):
        one = (1, int(each.sentiment < 0), each.score, each.open, int(each.sentiment == UNSURE))
        sums[each.person] = [*map(sum, zip(sums[each.person], one, strict=True))]
    return sums


def named(connection: Connection) -> dict[int, str]:
    return {row.number: row.author for row in connection.execute(select(people))}


@settings(thorough, max_examples=60)
@given(
    given_=st.lists(posts, min_size=1, max_size=12),
    ends=st.tuples(timestamps(500), timestamps(500)),
    role=st.sampled_from([CUSTOMER, AGENT]),
    sort=st.sampled_from(PeopleSort),
    score=st.integers(-10_000, 10_000),
)
async def test_what_people_have_in_a_window_is_exact_in_every_order(
    db: Database,
    given_: list[tuple[Any, ...]],
    ends: tuple[int, int],
    role: int,
    sort: PeopleSort,
    score: int,
) -> None:
    def play(connection: Connection) -> None:
        for at, what in enumerate(given_):
            step(connection, at, what)
        analyse(connection, score)
        window = PeopleWindow(role, min(ends), max(ends))
        names = named(connection)
        plain = plain_sums(connection, window)

        some = sums_of(connection, window, [*names])
        pages, after = [], None
        while page := sorted_sums(connection, window, sort, limit=1, after=after):
            pages += page
            after = page[-1][0]

        assert {names[each.person]: [*each[1:]] for each in some} == plain
        assert [each for _, each in pages] == in_order(connection, window, sort, some, names)

    await tried(db, play)


def mean_of(each: PersonSums) -> int:
    scored = each.n - each.unsure
    return int(Fraction(each.score_sum * MEAN_UNIT, scored)) if scored else 0


def in_order(
    connection: Connection,
    window: PeopleWindow,
    sort: PeopleSort,
    some: list[PersonSums],
    names: dict[int, str],
) -> list[PersonSums]:
    seen: defaultdict[str, int] = defaultdict(int)
    for each in within(connection, window.role, window.start, window.end):
        seen[each.person] = max(seen[each.person], each.timestamp)
    values = {
        "negative": lambda each: each.negative,
        "conversations": lambda each: each.n,
        "open_cases": lambda each: each.open,
        "mean": lambda each: mean_of(each),
        "last_seen": lambda each: seen[names[each.person]],
        "id": lambda each: names[each.person],
    }
    by_number = sorted(some, key=lambda each: each.person)
    descending = sorted(by_number, key=values[sort.field], reverse=True)
    return descending if sort.descending else descending[::-1]


async def test_a_person_counts_once_in_each_role_however_often_they_wrote(db: Database) -> None:
    def play(connection: Connection) -> None:
        both = [
            turn(LATE, ANN),
            turn("Sorry", AGENT_7, "support_agent"),
            turn("I work here", ANN, "support_agent"),
        ]
        take_in(connection, new("c0", messages=[*both, turn("Still", ANN)], is_chat=True))
        take_in(connection, new("c1", messages=[turn(f"{LATE}!", ANN)], author=ANN))
        analyse(connection, 0)

        assert sorted((each.person, each.role) for each in facts(connection)) == [
            (AGENT_7, AGENT),
            (ANN, CUSTOMER),
            (ANN, CUSTOMER),
            (ANN, AGENT),
        ]
        assert_people_filed(connection)
        window = PeopleWindow(CUSTOMER, NOON - A_DAY, NOON + A_DAY)
        [(_, ann)] = sorted_sums(connection, window, PeopleSort.MOST_NEGATIVE, limit=9, after=None)
        assert ann.n == 2

    await tried(db, play)


async def test_an_insight_that_is_replaced_counts_anew(db: Database) -> None:
    def play(connection: Connection) -> None:
        take_in(connection, new("c0", messages=[turn(LATE, ANN)], is_chat=True))
        analyse(connection, 0)
        row = stored(connection, "c0")
        added(connection, said("c0", "And now?", author=BOB))
        assert_people_counted(connection)
        analyse(connection, 9_000)

        assert stored(connection, "c0").revision > row.revision
        assert {each.person for each in facts(connection)} == {ANN, BOB}
        assert_people_filed(connection)

    await tried(db, play)


HASTY = PeopleEffort(few=0, steps=(1, 3), least=LeastEffort(walked=20, counted=20), most_months=1)
BOUNDED = PeopleEffort(few=0, least=LeastEffort(walked=0, counted=3, at_edges=-1))
ALL_BOUNDED = PeopleEffort(few=0, least=LeastEffort(walked=0, at_edges=-1))


@settings(thorough, max_examples=60)
@given(
    given_=st.lists(posts, min_size=1, max_size=30),
    ends=st.tuples(timestamps(500), timestamps(500)),
    role=st.sampled_from([CUSTOMER, AGENT]),
    sort=st.sampled_from(PeopleSort),
    limit=st.integers(1, 3),
    effort=st.sampled_from([HASTY, BOUNDED, ALL_BOUNDED, PeopleEffort(few=0), PeopleEffort()]),
)
async def test_the_short_ways_to_a_list_lead_to_the_same_list(
    db: Database,
    given_: list[tuple[Any, ...]],
    ends: tuple[int, int],
    role: int,
    sort: PeopleSort,
    limit: int,
    effort: PeopleEffort,
) -> None:
    def play(connection: Connection) -> None:
        for at, what in enumerate(given_):
            step(connection, at, what)
        analyse(connection, -9_000, TOPICS[:1])
        window = PeopleWindow(role, min(ends), max(ends))
        names = named(connection)
        some = sums_of(connection, window, [*names])

        pages: list[ListedPerson] = []
        after = None
        while True:
            page = list_people(connection, window, sort, limit=limit, after=after, effort=effort)
            pages += page.people
            after = page.next
            if after is None:
                break

        assert [each.sums for each in pages] == in_order(connection, window, sort, some, names)
        seen = [*within(connection, role, window.start, window.end)]
        for each in pages:
            assert each.name == names[each.sums.person]
            assert each.last_seen == max(fact.timestamp for fact in seen if fact.person == each.name)
            assert list(each.topics) == ["delay"]

    await tried(db, play)
