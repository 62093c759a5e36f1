"""Pages of what is searched for are exact, and so is their total up to a number of messages, on both databases."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, event, text

from database import Database
from domain.search_words import Phrase, phrases_in
from store.search import index
from store.search.index import IndexEntry
from store.search.pages import NARROW, SPARSE, SearchPage, search_chats
from tests.support.insight_data import thorough, tried
from tests.support.partitioned import needs_plain_tables

LATE: Sequence[Phrase] = [("late",)]


def fill(connection: Connection, said: Sequence[tuple[int, str]]) -> None:
    """Messages of these conversations, by number, each behind its last."""
    positions: dict[int, int] = {}
    for number, words in said:
        positions[number] = positions.get(number, 0) + 1
        index.add(connection, [IndexEntry(number, positions[number], words.split())])
    analyse(connection)


def analyse(connection: Connection) -> None:
    """Let PostgreSQL know how common words are, as it finds out by itself after some thousand messages."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("ANALYZE search"))


def pages(
    connection: Connection,
    phrases: Sequence[Phrase],
    limit: int,
    counted: int,
    among: Sequence[int] | None = None,
) -> list[SearchPage]:
    """All of them, and one behind the last."""
    found: list[SearchPage] = []
    while not found or found[-1].numbers:
        offset = len(found) * limit
        found.append(
            search_chats(connection, phrases, among=among, offset=offset, limit=limit, counted=counted)
        )
    return found


def are_pages_of(found: Sequence[SearchPage], numbers: Sequence[int], limit: int) -> bool:
    """Whether they show these, and count them exactly where they say so, and enough of them where not."""
    return [number for each in found for number in each.numbers] == [*numbers] and all(
        each.total == len(numbers) if each.total_is_exact else at * limit + limit < each.total <= len(numbers)
        for at, each in enumerate(found)
    )


WORDS = ["late", "order", "late order", "order late", "else"]


@settings(thorough, max_examples=60)
@given(
    said=st.lists(st.tuples(st.integers(1, 12), st.sampled_from(WORDS)), max_size=40),
    keyword=st.sampled_from(["late", "order late", '"late order"', "nothing"]),
    among=st.none() | st.sets(st.integers(1, 14)).map(sorted),
    limit=st.integers(1, 5),
    counted=st.integers(1, 20),
)
async def test_every_page_is_exact_and_so_is_the_total_that_says_so(
    db: Database,
    said: list[tuple[int, str]],
    keyword: str,
    among: list[int] | None,
    limit: int,
    counted: int,
) -> None:
    def play(connection: Connection) -> None:
        fill(connection, said)
        phrases = phrases_in(keyword)
        all_ = index.matching_chats(connection, phrases)
        expected = [number for number in all_ if among is None or number in among][::-1]

        assert are_pages_of(pages(connection, phrases, limit, counted, among), expected, limit)

    await tried(db, play)


async def test_up_to_the_limit_the_total_is_exact_and_beyond_it_is_not(db: Database) -> None:
    def play(connection: Connection) -> None:
        needs_plain_tables(connection, "an empty partition is estimated at ten pages of rows")
        # Two messages of each of a hundred chats, half of them late; PostgreSQL's statistics say just that.
        fill(connection, [(1 + at // 2, "late" if at % 2 else "order") for at in range(200)])

        for counted in (100, 101, 1_000):
            found = search_chats(connection, LATE, offset=0, limit=10, counted=counted)
            assert (found.total, found.total_is_exact) == (100, True)
        found = search_chats(connection, LATE, offset=0, limit=10, counted=60)
        assert not found.total_is_exact
        assert 10 < found.total < 100
        assert list(found.numbers) == list(range(100, 90, -1))
        assert are_pages_of(pages(connection, LATE, 10, counted=60), range(100, 0, -1), 10)

    await tried(db, play)


async def test_one_chat_that_has_every_message_counted_hides_no_other(db: Database) -> None:
    def play(connection: Connection) -> None:
        fill(connection, [*[(1, "late")] * 30, *[(2 + at, "late") for at in range(9)], *[(11, "late")] * 30])

        assert are_pages_of(pages(connection, LATE, 2, counted=20), range(11, 0, -1), 2)

    await tried(db, play)


async def test_a_phrase_of_common_words_is_not_counted_as_its_words_are(db: Database) -> None:
    def play(connection: Connection) -> None:
        fill(connection, [(1 + at, "late order" if at % 10 == 0 else "order late") for at in range(60)])
        phrase = phrases_in('"late order"')

        assert are_pages_of(pages(connection, phrase, 3, counted=8), range(51, 0, -10), 3)
        assert are_pages_of(pages(connection, phrase, 1, counted=50), range(51, 0, -10), 1)

    await tried(db, play)


async def test_words_that_were_common_long_ago_are_found(db: Database) -> None:
    def play(connection: Connection) -> None:
        fill(connection, [(1 + at, "late" if at < 50 else "order") for at in range(150)])

        found = search_chats(connection, LATE, offset=0, limit=10, counted=20)

        assert list(found.numbers) == list(range(50, 40, -1))
        assert are_pages_of(pages(connection, LATE, 10, counted=20), range(50, 0, -1), 10)

    await tried(db, play)


FAR = SPARSE * 1_000
GIVEN = {
    "side by side": range(100, 200),
    "with gaps": range(100, 250, 2),
    "far apart": range(100, 100 + 50 * FAR, FAR),
    "wide": range(100, 101 + NARROW),
    "one": [120],
    "none": [],
}


@pytest.mark.parametrize("numbers", GIVEN.values(), ids=GIVEN)
@pytest.mark.parametrize("counted", [5, 30, 10_000])
async def test_those_among_some_are_found_however_far_apart_their_numbers_are(
    db: Database, numbers: Sequence[int], counted: int
) -> None:
    def play(connection: Connection) -> None:
        chats = sorted({*range(90, 300), *numbers})
        said = [IndexEntry(each, 1, ["late" if each % 5 else "order"]) for each in chats]
        index.add(connection, said)
        analyse(connection)
        expected = [number for number in numbers if number % 5][::-1]

        first = search_chats(connection, LATE, among=numbers, offset=0, limit=10, counted=counted)
        assert list(first.numbers) == expected[:10]
        later = search_chats(connection, LATE, among=numbers, offset=30, limit=10, counted=counted)
        assert list(later.numbers) == expected[30:40]
        assert first.total == len(expected) or not first.total_is_exact
        assert first.total_is_exact or min(11, len(expected)) <= first.total <= len(expected)
        assert first.total_is_exact or counted < len(expected)

    await tried(db, play)


async def test_what_is_rare_in_a_narrow_range_of_long_chats_is_counted_exactly(db: Database) -> None:
    def play(connection: Connection) -> None:
        fill(connection, [(1 + at // 11, "order" if at % 11 else "late") for at in range(550)])

        found = search_chats(connection, LATE, among=range(1, 51), offset=0, limit=2, counted=100)

        assert (list(found.numbers), found.total, found.total_is_exact) == ([50, 49], 50, True)

    await tried(db, play)


# --- what it costs ------------------------------------------------------------------------------------------


def reading(connection: Connection, **asked_for: Any) -> tuple[SearchPage, list[str]]:
    """A first page, and the statements by which the index was read for it."""
    asked: list[str] = []

    def note(*args: object) -> None:
        asked.append(str(args[2]))

    event.listen(connection, "before_cursor_execute", note)
    found = search_chats(connection, LATE, offset=0, limit=10, **asked_for)
    event.remove(connection, "before_cursor_execute", note)
    return found, [each for each in asked if "FROM search" in each and "EXPLAIN" not in each]


async def test_what_is_common_is_not_read_to_its_end(db: Database) -> None:
    def play(connection: Connection) -> None:
        fill(connection, [(1 + at, "late") for at in range(400)])

        found, read = reading(connection, counted=100)

        assert (len(found.numbers), found.total_is_exact) == (10, False)
        assert read
        assert all("LIMIT" in statement for statement in read)

    await tried(db, play)


async def test_what_is_common_but_not_lately_is_not_read_to_its_end_either(db: Database) -> None:
    def play(connection: Connection) -> None:
        fill(connection, [(1 + at, "late" if at < 450 else "order") for at in range(600)])

        found, read = reading(connection, counted=100)

        assert (list(found.numbers), found.total_is_exact) == (list(range(450, 440, -1)), False)
        assert all("LIMIT" in statement for statement in read)

    await tried(db, play)


async def test_a_narrow_range_is_read_and_one_far_apart_is_looked_up(db: Database) -> None:
    def play(connection: Connection) -> None:
        chats = {"narrow": range(1, 51), "wide": range(1, 2 * NARROW), "far": range(1, 50 * FAR, FAR)}
        index.add(
            connection, [IndexEntry(each, 1, ["late"]) for each in sorted({*chats["wide"], *chats["far"]})]
        )
        analyse(connection)

        read = {name: reading(connection, among=some) for name, some in chats.items()}

        assert {name: found.total for name, (found, _) in read.items()} == {
            name: len(some) for name, some in chats.items()
        }
        statements = {name: " ".join(each) for name, (_, each) in read.items()}
        by_themselves = "EXISTS" if connection.dialect.name == "postgresql" else "json_each"
        assert [name for name, each in statements.items() if by_themselves in each] == ["far"]
        if connection.dialect.name == "postgresql":
            assert [name for name, each in statements.items() if "LIMIT" in each] == ["narrow"]

    await tried(db, play)
