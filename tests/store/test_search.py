"""The full-text index finds, on both databases, exactly what looking through all messages would find."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, select
from sqlalchemy.engine import URL

import database
from core.crypto import KeyRing
from database import Database
from domain.search_words import words
from store.conversations.intake import NewMessage
from store.conversations.records import delete_conversation, delete_last_messages
from store.search import index
from store.search.index import IndexEntry
from tests.support.chat_data import added, post, said
from tests.support.insight_data import thorough, tried
from tests.support.rows import new, stored, take_in
from tests.support.search_data import entries, entries_of, found, index_all, looked_through

CHATS = {
    "order": ["My ORDER is late", "Sorry, which order was it?"],
    "cafe": ["Le café était fermé", "The late bus, the order of things"],
    "apart": ["It is late", "I have no order"],
    "long": ["late " * 400 + "unique ending", "x" * 300],
}


@pytest.mark.parametrize(
    ("keyword", "ids"),
    [
        ("order", ["order", "cafe", "apart"]),
        ("OrDeR late", ["order", "cafe"]),
        ('"order is late"', ["order"]),
        ('"late order"', []),
        ('"the late" order', ["cafe"]),
        ("CAFE ferme", ["cafe"]),
        ("Café", ["cafe"]),
        ("cafe", ["cafe"]),
        ("ord", []),
        ('"unique ending"', ["long"]),
        ("late unique", ["long"]),
        ("x" * 300, ["long"]),
        ("nothing", []),
        ("late NOT order", []),
    ],
)
async def test_words_find_the_messages_that_contain_them_all(
    db: Database, keyword: str, ids: list[str]
) -> None:
    def play(connection: Connection) -> None:
        for chat, texts in CHATS.items():
            added(connection, *[said(chat, each) for each in texts])

        assert found(connection, keyword) == ids

    await tried(db, play)


@settings(thorough, max_examples=50)
@given(keyword=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=255))
async def test_nothing_that_can_be_asked_is_an_error(db: Database, keyword: str) -> None:
    def play(connection: Connection) -> None:
        added(connection, said("c", keyword))

        assert found(connection, keyword) in (["c"], [])
        assert bool(words(keyword)) or found(connection, keyword) == []

    await tried(db, play)


async def test_as_many_words_as_can_be_asked_are_looked_for(db: Database) -> None:
    def play(connection: Connection) -> None:
        letters = " ".join(chr(ord("a") + at % 26) + str(at // 26) for at in range(85))
        added(connection, said("c", letters), said("d", letters[:-2]))

        assert found(connection, letters) == ["c"]
        assert found(connection, f'"{letters}"') == ["c"]
        assert found(connection, " ".join(f'"{each}"' for each in letters.split()[:60])) == ["c", "d"]

    await tried(db, play)


async def test_a_user_s_messages_are_found_apart(db: Database) -> None:
    def play(connection: Connection) -> None:
        added(connection, said("c", "late", author="x"), said("c", "order", author="y"))
        added(connection, said("d", "late order", author="x"))

        assert found(connection, "late", "x") == ["c", "d"]
        assert found(connection, "order", "y") == ["c"]
        assert found(connection, "late order", "x") == ["d"]
        assert found(connection, "x") == found(connection, "late", "z") == []

    await tried(db, play)


@pytest.fixture(params=[None, KeyRing([bytes(32)])], ids=["plain", "sealed"])
async def either(request: pytest.FixtureRequest, database_url: URL) -> AsyncIterator[Database]:
    """A plain database and an encrypted one: both find the same."""
    async with database.opened(database_url, ring=request.param) as opened:
        yield opened


# --- whatever is said and asked -----------------------------------------------------------------------------

vocabulary = st.sampled_from(
    ["late", "LATE", "order", "café", "cafe", "Straße", "strasse", "a", "7", "東京", "-"]
)
texts = st.lists(vocabulary, min_size=1, max_size=6).map(" ".join)
authors = st.sampled_from(["x", "y"])
some_said = st.lists(st.tuples(st.sampled_from(["c", "d", "e"]), texts, authors), min_size=1, max_size=8)
keywords = st.lists(st.one_of(vocabulary, texts.map(lambda text: f'"{text}"')), min_size=1, max_size=3).map(
    " ".join
)


@settings(thorough, max_examples=30)
@given(some=some_said, asked=st.lists(st.tuples(keywords, st.none() | authors), min_size=1, max_size=4))
async def test_the_index_finds_what_looking_through_everything_finds(
    either: Database, some: list[tuple[str, str, str]], asked: list[tuple[str, str | None]]
) -> None:
    def play(connection: Connection) -> None:
        added(connection, *[said(chat, text, author=author) for chat, text, author in some])
        for keyword, author in asked:
            assert found(connection, keyword, author) == looked_through(connection, keyword, author)
        delete_conversation(connection, some[0][0])
        for keyword, author in asked:
            assert found(connection, keyword, author) == looked_through(connection, keyword, author)

    await tried(either, play)


# --- in and out ---------------------------------------------------------------------------------------------


async def test_what_is_deleted_is_in_the_index_no_more(db: Database) -> None:
    def play(connection: Connection) -> None:
        added(connection, *[said("c", f"late {at}") for at in range(250)], said("d", "late"))
        assert entries(connection) == 251

        assert delete_last_messages(connection, "c")
        assert entries(connection) == 151
        assert (found(connection, '"late 149"'), found(connection, '"late 150"')) == (["c"], [])
        delete_last_messages(connection, "c")
        delete_conversation(connection, "c")

        assert entries(connection) == 1
        assert found(connection, "late") == ["d"]

    await tried(db, play)


async def test_what_came_by_intake_is_found_once_it_was_indexed(db: Database) -> None:
    def play(connection: Connection) -> None:
        dialogue = [NewMessage("late", "x"), NewMessage("order", None, "support_agent")]
        take_in(connection, new("c", "late café"), new("d", messages=dialogue, is_chat=True))
        assert found(connection, "late") == []

        index_all(connection)

        assert found(connection, "late") == ["c", "d"]
        assert found(connection, "late", "x") == ["d"]
        assert [stored(connection, id_).indexed for id_ in "cd"] == [1, 2]
        assert index.list_unindexed(connection, limit=5) == []
        assert entries(connection) == 3

    await tried(db, play)


async def test_what_is_not_indexed_yet_is_deleted_all_the_same(db: Database) -> None:
    def play(connection: Connection) -> None:
        take_in(connection, new("c", "late"), new("d", "late"))
        delete_conversation(connection, "c")
        index_all(connection)

        assert found(connection, "late") == ["d"]
        assert entries(connection) == 1

    await tried(db, play)


async def test_a_dialogue_is_indexed_in_steps_and_goes_on_where_it_was(db: Database) -> None:
    def play(connection: Connection) -> None:
        dialogue = [NewMessage(f"late {at}") for at in range(10)]
        take_in(connection, new("c", messages=dialogue, is_chat=True))
        rows = index.list_unindexed(connection, limit=4)
        index.index_unindexed(connection, entries_of(rows))
        assert stored(connection, "c").indexed == 4

        added(connection, said("c", "appended meanwhile"))
        assert stored(connection, "c").indexed == 4
        index_all(connection)

        assert stored(connection, "c").indexed == 11
        assert found(connection, '"late 9"') == found(connection, "appended") == ["c"]
        added(connection, said("c", "at once again"))
        assert stored(connection, "c").indexed == 12

    await tried(db, play)


async def test_who_indexes_too_late_changes_nothing(db: Database) -> None:
    def play(connection: Connection) -> None:
        take_in(connection, new("c", "late"), new("d", "late"), new("e", "late"))
        read = entries_of(index.list_unindexed(connection, limit=5))
        delete_conversation(connection, "c")
        index.index_unindexed(
            connection, [each for each in read if each.conversation == stored(connection, "d").number]
        )

        index.index_unindexed(connection, read)

        assert entries(connection) == 2
        assert found(connection, "late") == ["d", "e"]

    await tried(db, play)


async def test_a_large_post_is_left_to_the_background(db: Database) -> None:
    def play(connection: Connection) -> None:
        long = "late " * 4_000
        post(connection, *[said("c", long) for _ in range(11)])
        assert (stored(connection, "c").indexed, found(connection, "late")) == (0, [])

        index_all(connection)

        assert (stored(connection, "c").indexed, found(connection, "late")) == (11, ["c"])

    await tried(db, play)


async def test_the_position_and_the_conversation_of_a_match_are_known(db: Database) -> None:
    def play(connection: Connection) -> None:
        added(connection, said("c", "no"), said("c", "late"), said("d", "late"))
        numbers = {id_: stored(connection, id_).number for id_ in "cd"}

        found = index.matching_messages(connection, [("late",)], among=[*numbers.values()])
        rows = connection.execute(select(found))

        assert sorted(map(tuple, rows)) == [(numbers["c"], 2), (numbers["d"], 1)]

    await tried(db, play)


async def test_only_those_among_some_are_found(db: Database) -> None:
    def play(connection: Connection) -> None:
        added(connection, *[said(chat, "late") for chat in "abcde"], said("d", "order"))
        a, b, c, d, e = (stored(connection, chat).number for chat in "abcde")

        assert list(index.matching_chats(connection, [("late",)], among=[d, b])) == [b, d]
        assert list(index.matching_chats(connection, [("order",)], among=[b, c, e])) == []
        rows = connection.execute(select(index.matching_messages(connection, [("late",)], among=[a, c, e])))
        assert sorted(map(tuple, rows)) == [(a, 1), (c, 1), (e, 1)]

    await tried(db, play)


async def test_the_last_position_and_a_great_number_are_told_apart(db: Database) -> None:
    def play(connection: Connection) -> None:
        great = 2**40
        index.add(connection, [IndexEntry(great, 50_000, ["late"]), IndexEntry(great + 1, 1, ["late"])])

        assert list(index.matching_chats(connection, [("late",)])) == [great, great + 1]
        those = index.matching_messages(connection, [("late",)], among=[great])
        rows = connection.execute(select(func.max(those.c.position)))
        assert rows.scalar() == 50_000

    await tried(db, play)
