"""Messages are added to chats: positions without gaps, nothing twice, all of a post or nothing."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, func, select
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import create_async_engine

from core.errors import ConcurrentCreation
from database import Database
from models import conversations, messages, participants
from store.conversations import chats
from store.conversations.chats import ChatTooLong, MessageConflict, PlacedMessage, PostedMessage, PostOutcome
from store.conversations.intake import Conflict, NewMessage, accept
from store.conversations.records import delete_conversation, delete_last_messages, get_conversation
from tests.support.chat_data import QUIET, added, post, said, talk, turns
from tests.support.insight_data import thorough, tried
from tests.support.rows import LATE, NOW, new, statuses, stored, take_in

A = b"a" * 32


async def test_a_new_chat_is_a_conversation_with_all_that_was_sent(db: Database) -> None:
    def play(connection: Connection) -> None:
        added(
            connection,
            said("c", "Hi", author="agent", role="support_agent"),
            said("c", "Late!", author="someone", timestamp=NOW - 9, message_id="m2"),
        )

        row = stored(connection, "c")
        assert (row.is_chat, row.author, row.timestamp, row.received_at) == (True, "someone", NOW, NOW)
        assert (row.message_count, row.indexed, row.revision, row.status) == (2, 2, 1, "queued")
        assert (row.said_from, row.said_until, row.updated_at) == (NOW - 9, NOW, NOW)
        assert [
            (each.position, each.message_id, each.timestamp, each.received_at, each.text)
            for each in turns(connection, "c")
        ] == [
            (1, None, None, NOW, "Hi"),
            (2, "m2", NOW - 9, NOW, "Late!"),
        ]

    await tried(db, play)


async def test_the_time_of_a_chat_is_that_of_its_first_message_for_ever(db: Database) -> None:
    def play(connection: Connection) -> None:
        added(connection, said("c", timestamp=NOW - 5))
        added(connection, said("c", timestamp=NOW - 50), now=NOW + 1)

        row = stored(connection, "c")
        assert (row.timestamp, row.said_from, row.said_until) == (NOW - 5, NOW - 50, NOW - 5)
        assert (row.received_at, row.updated_at, row.revision) == (NOW, NOW + 1, 2)

    await tried(db, play)


async def test_who_takes_part_is_noted_once_and_from_when_on(db: Database) -> None:
    def play(connection: Connection) -> None:
        added(connection, said("c", author="x"), said("c", author="y"), said("c", author="x"))
        added(connection, said("c", author="z"), said("c", author="y"))

        rows = connection.execute(select(participants).order_by(participants.c.position))
        assert [(row.author, row.position) for row in rows] == [("x", 1), ("y", 2), ("z", 4)]

    await tried(db, play)


async def test_the_author_of_a_chat_is_its_first_customer(db: Database) -> None:
    def play(connection: Connection) -> None:
        added(connection, said("c", author="agent", role="support_agent"))
        assert stored(connection, "c").author is None
        added(connection, said("c", author="first"))
        added(connection, said("c", author="second"))
        assert stored(connection, "c").author == "first"

    await tried(db, play)


async def test_the_same_message_again_is_a_duplicate_and_changes_nothing(db: Database) -> None:
    def play(connection: Connection) -> None:
        added(connection, said("c", message_id="m", timestamp=NOW - 1))
        before = stored(connection, "c")

        again = added(connection, said("c", message_id="m", timestamp=NOW - 1), now=NOW + 99)

        assert again == [PlacedMessage(1, "m", created=False)]
        assert stored(connection, "c") == before

    await tried(db, play)


@pytest.mark.parametrize(
    "other",
    [
        {"text": "Something else"},
        {"author": "somebody else"},
        {"role": "support_agent"},
        {"timestamp": NOW},
        {"timestamp": None},
    ],
    ids=str,
)
async def test_a_known_id_with_other_content_is_a_clash(db: Database, other: dict[str, Any]) -> None:
    def play(connection: Connection) -> None:
        added(connection, said("c", message_id="m", timestamp=NOW - 1))
        before = stored(connection, "c")
        fields: dict[str, Any] = {"message_id": "m", "timestamp": NOW - 1, **other}

        assert post(connection, said("c"), said("d"), said("c", **fields)) == MessageConflict([2])

        assert stored(connection, "c") == before
        assert [*statuses(connection)] == ["c"], "nothing of the post was stored"

    await tried(db, play)


async def test_a_clash_is_its_posts_own(db: Database) -> None:
    def play(connection: Connection) -> None:
        posts = [
            [said("c", "one", message_id="m")],
            [said("c", "other", message_id="m"), said("d")],
            [said("c", "two"), said("c", "one", message_id="m")],
        ]

        first, second, third = chats.add_messages(connection, posts, now=NOW, quiet=QUIET)

        assert first == [PlacedMessage(1, "m", created=True)]
        assert second == MessageConflict([0])
        assert third == [PlacedMessage(2, "#2", created=True), PlacedMessage(1, "m", created=False)]
        assert [each.text for each in turns(connection, "c")] == ["one", "two"]
        assert stored(connection, "c").revision == 1

    await tried(db, play)


async def test_an_id_is_known_in_its_own_chat_only(db: Database) -> None:
    def play(connection: Connection) -> None:
        assert added(connection, said("c", "one", message_id="m"), said("d", "other", message_id="m")) == [
            PlacedMessage(1, "m", created=True),
            PlacedMessage(1, "m", created=True),
        ]

    await tried(db, play)


# --- conversations that came by the other door --------------------------------------------------------------


async def test_a_text_that_is_answered_becomes_a_chat(db: Database) -> None:
    def play(connection: Connection) -> None:
        take_in(connection, new("c", "It is late", author="someone", timestamp=NOW - 3, content_hash=A))

        [placed] = added(connection, said("c", "Sorry!", author="agent", role="support_agent"), now=NOW + 5)

        assert placed == PlacedMessage(2, "#2", created=True)
        row = stored(connection, "c")
        assert (row.is_chat, row.message_count, row.revision, row.author) == (True, 2, 2, "someone")
        assert (row.timestamp, row.said_from, row.said_until) == (NOW - 3, NOW - 3, NOW + 5)
        rows = connection.execute(select(participants).order_by(participants.c.position))
        assert [(each.author, each.position) for each in rows] == [("someone", 1), ("agent", 2)]
        # Posting the text again is the same text still.
        again = accept(connection, [new("c", "It is late", content_hash=A)])
        assert not isinstance(again[0], Conflict)

    await tried(db, play)


async def test_a_dialogue_goes_on_where_it_ended(db: Database) -> None:
    def play(connection: Connection) -> None:
        turned = [
            NewMessage("Hi", "x", None, None, "m1"),
            NewMessage("Hello", None, "support_agent", NOW + 9),
        ]
        take_in(connection, new("c", messages=turned, is_chat=True, timestamp=NOW - 3, author="x"))
        row = stored(connection, "c")
        assert (row.message_count, row.said_from, row.said_until) == (2, NOW - 3, NOW + 9)

        answer = added(
            connection, said("c", "Hi", author="x", message_id="m1"), said("c", "Late", author="x")
        )

        assert answer == [PlacedMessage(1, "m1", created=False), PlacedMessage(3, "#3", created=True)]
        assert stored(connection, "c").indexed == 0, "its older messages come first"
        rows = connection.execute(select(participants))
        assert [(each.author, each.position) for each in rows] == [("x", 1)]

    await tried(db, play)


async def test_a_chat_is_known_to_intake_with_other_content(db: Database) -> None:
    def play(connection: Connection) -> None:
        added(connection, said("c"))

        assert accept(connection, [new("c", content_hash=A)]) == [Conflict("c")]

    await tried(db, play)


# --- long ones ----------------------------------------------------------------------------------------------


async def test_a_full_chat_takes_no_more_and_still_knows_what_it_has(db: Database) -> None:
    def play(connection: Connection) -> None:
        added(connection, said("c", message_id="m"))
        row = conversations.c.id == "c"
        connection.execute(conversations.update().where(row).values(message_count=49_999, indexed=49_999))

        assert post(connection, said("c"), said("d"), said("c")) == ChatTooLong(2)
        assert [*statuses(connection)] == ["c"]
        assert added(connection, said("c")) == [PlacedMessage(50_000, "#50000", created=True)]
        assert post(connection, said("c")) == ChatTooLong(0)
        assert added(connection, said("c", message_id="m")) == [PlacedMessage(1, "m", created=False)]

    await tried(db, play)


async def test_a_long_chat_goes_in_steps_from_its_end(db: Database) -> None:
    def play(connection: Connection) -> None:
        talk(connection, "c", 250)
        before = stored(connection, "c")

        assert delete_last_messages(connection, "c")
        assert stored(connection, "c").message_count == len(turns(connection, "c")) == 150
        assert delete_last_messages(connection, "c")
        assert not delete_last_messages(connection, "c")
        assert stored(connection, "c").message_count == len(turns(connection, "c")) == 50
        assert stored(connection, "c").number == before.number
        assert delete_conversation(connection, "c")
        assert not delete_conversation(connection, "c")
        for table in (conversations, messages, participants):
            assert connection.scalar(select(func.count()).select_from(table)) == 0

    await tried(db, play)


async def test_nobody_shortens_what_is_short_or_is_not_there(db: Database) -> None:
    def play(connection: Connection) -> None:
        talk(connection, "c", 100)

        assert not delete_last_messages(connection, "c")
        assert not delete_last_messages(connection, "d")
        assert len(turns(connection, "c")) == 100

    await tried(db, play)


async def test_a_chat_in_one_piece_is_its_first_thousand_messages(db: Database) -> None:
    def play(connection: Connection) -> None:
        talk(connection, "c", 1_001)

        found = get_conversation(connection, "c")

        assert found is not None
        assert [each.position for each in found.messages] == [*range(1, 1_001)]

    await tried(db, play)


# --- whatever is posted -------------------------------------------------------------------------------------


@dataclass
class Model:
    """What the chats hold, by the plainest means."""

    chats: defaultdict[str, list[NewMessage]] = field(default_factory=lambda: defaultdict(list))

    def post(self, some: list[PostedMessage]) -> PostOutcome:
        drafts = {chat: list(held) for chat, held in self.chats.items()}
        placed: list[PlacedMessage] = []
        clashes: list[int] = []
        for index, each in enumerate(some):
            held = drafts.setdefault(each.chat, [])
            known = [
                at for at, one in enumerate(held, 1) if one.message_id == each.message.message_id is not None
            ]
            if known and held[known[0] - 1] != each.message:
                clashes.append(index)
            if not known:
                held.append(each.message)
            position = known[0] if known else len(held)
            placed.append(
                PlacedMessage(position, each.message.message_id or f"#{position}", created=not known)
            )
        if clashes:
            return MessageConflict(clashes)
        self.chats.update(drafts)
        return placed


one_said = st.builds(
    said,
    chat=st.sampled_from(["c", "d", "e"]),
    text=st.sampled_from(["late", "later"]),
    author=st.sampled_from(["x", "y"]),
    message_id=st.sampled_from([None, "m", "n", "o"]),
    timestamp=st.sampled_from([None, NOW]),
)


@thorough
@given(
    groups=st.lists(st.lists(st.lists(one_said, min_size=1, max_size=5), min_size=1, max_size=3), max_size=4)
)
async def test_whatever_is_posted_positions_have_no_gaps_and_no_id_is_there_twice(
    db: Database, groups: list[list[list[PostedMessage]]]
) -> None:
    def play(connection: Connection) -> None:
        model = Model()
        for group in groups:
            assert chats.add_messages(connection, group, now=NOW, quiet=QUIET) == [
                model.post(some) for some in group
            ]
            held = {chat: some for chat, some in model.chats.items() if some}
            assert {*statuses(connection)} == {*held}
            for chat, some in held.items():
                found = turns(connection, chat)
                assert [each.position for each in found] == [*range(1, len(some) + 1)]
                assert [
                    NewMessage(each.text, each.author, each.role, each.timestamp, each.message_id)
                    for each in found
                ] == some
                assert stored(connection, chat).message_count == len(some)

    await tried(db, play)


# --- several at once ----------------------------------------------------------------------------------------

WRITERS, ROUNDS, SIZE = 4, 8, 40


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_racing_writers_leave_no_gap(server_url: URL) -> None:
    """Four processes that begin and continue the same chats at once."""
    engine = create_async_engine(server_url, pool_size=WRITERS)
    together = asyncio.Barrier(WRITERS)

    async def write(writer: int) -> int:
        raced = 0
        for turn in range(ROUNDS):
            order = range(SIZE) if writer % 2 else range(SIZE - 1, -1, -1)
            some = [said(f"{turn}.{at}", message_id=f"w{writer}") for at in order]
            await together.wait()
            raced += await until_stored(some)
        return raced

    async def until_stored(some: list[PostedMessage]) -> int:
        for raced in range(100):
            try:
                async with engine.begin() as connection:
                    await connection.run_sync(chats.add_messages, [some], now=NOW, quiet=QUIET)
            except ConcurrentCreation:
                continue
            return raced
        raise AssertionError("it never came to an end")

    try:
        raced = sum(await asyncio.gather(*map(write, range(WRITERS))))
        async with engine.connect() as connection:
            m = messages.c
            rows = await connection.execute(
                select(func.count(), func.max(m.position)).group_by(m.conversation)
            )
            found = rows.all()
    finally:
        await engine.dispose()
    assert raced > 0, "nobody was in anybody's way"
    assert [*map(tuple, found)] == [(WRITERS, WRITERS)] * (ROUNDS * SIZE)


async def test_who_is_deleted_may_come_again(db: Database) -> None:
    def play(connection: Connection) -> None:
        added(connection, said("c", LATE, message_id="m"))
        number = stored(connection, "c").number
        delete_conversation(connection, "c")

        assert added(connection, said("c", "Anew", message_id="m")) == [PlacedMessage(1, "m", created=True)]
        assert stored(connection, "c").number > number

    await tried(db, play)
