"""Lists of chats, on both databases: by user, time and words, each by itself and together."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection
from sqlalchemy.engine import URL

from benchmarks.support.process import POSTS, Json
from benchmarks.support.waiting import eventually
from database import Database
from domain.search_words import phrases_in
from store.conversations.chat_lists import ChatFilter, list_chats
from store.conversations.intake import NewMessage
from store.insights.participants import SHOWN_PARTICIPANTS
from tests.support.chat_data import added, said
from tests.support.chat_views import names
from tests.support.insight_data import A_DAY, thorough, tried
from tests.support.rows import NOW, new, take_in
from tests.support.search_data import index_all
from tests.support.service import Service, running


@pytest.fixture
async def service(database_url: URL) -> AsyncIterator[Service]:
    async with running(database_url) as made:
        yield made


async def send(service: Service, *sent: tuple[str, str, str, str | None]) -> None:
    """Chat, user, text and time of each message."""
    body: list[Json] = []
    for chat, user, text, timestamp in sent:
        message = {"conversation_id": chat, "user_id": user, "user_type": "customer", "message_content": text}
        body.append(message if timestamp is None else {**message, "timestamp": timestamp})
    response = await service.http.post("/chats", json=body)
    assert response.status_code == 201, response.text


async def ids(service: Service, path: str = "/chats", **asked: Any) -> list[str]:
    """The chats of a list, in its order."""
    return [each["conversation_id"] for each in (await service.get(path, **asked))["chats"]]


async def test_a_list_is_newest_first_and_in_pages(service: Service) -> None:
    for at in range(1, 8):
        await send(service, (f"c{at}", "u", "late", None))
    await send(service, ("c1", "u", "a message does not move its chat", None))

    first = await service.get("/users/u/chats", limit=3)

    assert [each["conversation_id"] for each in first["chats"]] == ["c7", "c6", "c5"]
    assert (first["total"], first["page"], first["limit"], first["pages"]) == (7, 1, 3, 3)
    assert first["total_is_exact"] is True
    assert await ids(service, "/users/u/chats", limit=3, page=3) == ["c1"]
    past = await service.get("/users/u/chats", page=10**9)
    assert (past["chats"], past["total"]) == ([], 7)
    for asked in ({}, {"user_id": "u"}, {"keyword": "late"}, {"start_date": "2025-01-01"}):
        assert await ids(service, "/chats", limit=2, page=2, **asked) == ["c5", "c4"]
        assert (await service.get("/chats", page=9, **asked))["total"] == 7


async def test_an_item_tells_of_its_chat(service: Service) -> None:
    await send(service, ("c", "x", "late", None), ("c", "y", "sorry", None), ("c", "x", "thanks", None))

    [item] = (await service.get("/chats"))["chats"]

    assert (item["conversation_id"], names(item), item["message_count"]) == ("c", ["x", "y"], 3)
    assert (item["status"], item["created_at"]) == ("queued", item["updated_at"])


async def test_a_user_s_chats_are_those_with_a_message_of_theirs(service: Service) -> None:
    await service.post("A text is a chat", conversation_id="text", author="x")
    turns = [{"text": "Hi", "author": "x"}, {"text": "Hello", "author": "agent/7", "role": "support_agent"}]
    await service.http.post(POSTS, json={"conversation_id": "dialogue", "messages": turns})
    await send(service, ("chat", "x", "late", None), ("chat", "agent/7", "sorry", None))
    await send(service, ("other", "y", "late", None))
    await send(service, ("text", "y", "a text that was answered", None))

    assert await ids(service, "/users/x/chats") == ["chat", "dialogue", "text"]
    assert await ids(service, "/users/y/chats") == ["other", "text"]
    assert await ids(service, "/users/agent%2F7/chats") == ["chat", "dialogue"]
    assert await ids(service, "/users/nobody/chats") == []
    assert await ids(service, user_id="agent/7") == ["chat", "dialogue"]
    assert await ids(service) == ["other", "chat", "dialogue", "text"]


async def test_dates_are_in_the_window_to_their_end_and_times_are_not(service: Service) -> None:
    await send(service, ("last", "u", "late", "2025-01-31T23:59:59.999999Z"))
    await send(service, ("next", "u", "late", "2025-02-01"))
    await send(service, ("both", "u", "late", "2025-01-01"), ("both", "u", "late", "2025-03-01"))

    assert await ids(service, start_date="2025-01-31", end_date="2025-01-31") == ["last"]
    assert await ids(service, start_date="2025-01-31", end_date="2025-02-01") == ["next", "last"]
    assert await ids(service, start_date="2025-01-31", end_date="2025-02-01T00:00:00Z") == ["last"]
    assert await ids(service, start_date="2025-02-01 00:00:00 01:00") == ["both", "next", "last"]
    assert await ids(service, start_date="2025-01-02", end_date="2025-01-30") == []
    assert await ids(service, end_date="2025-01-01") == ["both"]
    assert await ids(service, start_date="2025-02-02") == ["both"]


async def test_one_message_has_to_meet_every_filter(service: Service) -> None:
    await send(
        service,
        ("apart", "x", "late", "2025-01-01"),
        ("apart", "y", "late", "2025-01-02"),
        ("apart", "x", "order", "2025-01-02"),
    )
    await send(service, ("one", "x", "my late order", "2025-01-02"))

    day = {"start_date": "2025-01-02", "end_date": "2025-01-02"}
    assert await ids(service, user_id="x", keyword="late", **day) == ["one"]
    assert await ids(service, user_id="y", keyword="late", **day) == ["apart"]
    assert await ids(service, user_id="x", keyword="late") == ["one", "apart"]
    assert await ids(service, keyword="late", **day) == ["one", "apart"]
    assert await ids(service, keyword="late order") == ["one"]
    assert await ids(service, keyword='"late order"', user_id="y") == []
    assert await ids(service, user_id="y", **day) == ["apart"]
    assert await ids(service, user_id="y", end_date="2025-01-01") == []
    assert await ids(service, keyword="!?", **day) == []


async def test_a_chat_that_began_long_before_the_window_is_found_by_what_was_said_in_it(
    service: Service,
) -> None:
    for chat, text in (("silent", "early"), ("long", "late")):
        await send(service, (chat, "u", "early", "2025-01-01"), (chat, "u", text, "2025-03-01"))
        await send(service, (chat, "u", "early", "2025-05-01"))
    await send(service, ("over", "u", "late", "2025-01-01"), ("over", "u", "late", "2025-01-09"))
    await send(service, ("inside", "u", "late", "2025-03-01"))

    window = {"start_date": "2025-02-25", "end_date": "2025-03-05"}
    assert await ids(service, **window) == ["inside", "long", "silent"]
    assert await ids(service, keyword="late", **window) == ["inside", "long"]
    assert (await service.get("/chats", keyword="late", **window))["total"] == 2
    assert await ids(service, keyword="late", limit=1, page=2, **window) == ["long"]
    assert await ids(service, keyword="late", start_date="2025-01-05") == ["inside", "over", "long"]


async def test_what_is_posted_by_the_other_door_is_found_a_moment_later(service: Service) -> None:
    await service.post("Où est ma commande? The café never called", conversation_id="c", author="x")

    async def found() -> list[str]:
        return await ids(service, keyword='"the CAFE" ou', user_id="x")

    assert await eventually(found) == ["c"]
    await service.http.delete(f"{POSTS}/c")
    assert await found() == []


async def test_participants_are_shown_up_to_a_hundred(db: Database) -> None:
    def play(connection: Connection) -> None:
        added(connection, *[said("c", author=f"u{at}") for at in range(150)], said("d", author="v"))
        take_in(connection, new("nobody"))

        found = list_chats(connection, ChatFilter(), offset=0, limit=9)

        assert (found.total, found.total_is_exact) == (3, True)
        assert [(chat.row.id, len(chat.participants)) for chat in found.chats] == [
            ("nobody", 0),
            ("d", 1),
            ("c", SHOWN_PARTICIPANTS),
        ]
        assert [each.name for each in found.chats[2].participants] == [
            f"u{at}" for at in range(SHOWN_PARTICIPANTS)
        ]

    await tried(db, play)


# --- whatever is said and asked -----------------------------------------------------------------------------

WORDS = ("late", "order", "late order")
AUTHORS = ("x", "y")
DAYS = st.integers(0, 3)
# Who said what, on which day, in which chat; a day of None is that of the intake.
messages = st.tuples(
    st.sampled_from("cd"), st.sampled_from(AUTHORS), st.sampled_from(WORDS), st.none() | DAYS
)
Said = tuple[str, str, str, int | None]


def day(number: int) -> int:
    return NOW + number * A_DAY


@settings(thorough, max_examples=30)
@given(
    some=st.lists(messages, min_size=1, max_size=8),
    taken_in=st.lists(messages, max_size=4),
    author=st.none() | st.sampled_from(AUTHORS),
    window=st.tuples(st.none() | DAYS, st.none() | DAYS),
    keyword=st.none() | st.sampled_from([*WORDS, '"late order"', '"order late"']),
    counted=st.integers(1, 5),
)
async def test_a_list_is_what_looking_at_every_message_would_give(
    db: Database,
    some: list[Said],
    taken_in: list[Said],
    author: str | None,
    window: tuple[int | None, int | None],
    keyword: str | None,
    counted: int,
) -> None:
    start, end = (None if each is None else day(each) for each in window)

    def meets(message: Said) -> bool:
        _, who, text, number = message
        at = NOW if number is None else day(number)
        return (
            author in (None, who)
            and (start is None or at >= start)
            and (end is None or at < end)
            and (
                keyword is None
                or keyword.strip('"') == text
                or (len(keyword.split()) == 1 and keyword in text)
            )
        )

    def play(connection: Connection) -> None:
        for at, (_, who, text, number) in enumerate(taken_in):
            one: dict[str, Any] = {"timestamp": NOW if number is None else day(number), "author": who}
            content: dict[str, Any] = {"messages": [NewMessage(text, who)], "is_chat": bool(at % 2)}
            take_in(connection, new(f"t{at}", **one, **content))
        index_all(connection)
        for chat, who, text, number in some:
            added(connection, said(chat, text, author=who, timestamp=None if number is None else day(number)))
        asked = ChatFilter(author, start, end, None if keyword is None else phrases_in(keyword))

        found = list_chats(connection, asked, offset=0, limit=100)

        by_chat = {f"t{at}": [each] for at, each in enumerate(taken_in)} | {
            chat: [each for each in some if each[0] == chat]
            for chat in dict.fromkeys(each[0] for each in some)
        }
        expected = [chat for chat, said in by_chat.items() if any(meets(each) for each in said)]
        assert [chat.row.id for chat in found.chats] == expected[::-1]
        assert (found.total, found.total_is_exact) == (len(expected), True)
        second = list_chats(connection, asked, offset=1, limit=1, counted=counted)
        assert [chat.row.id for chat in second.chats] == expected[::-1][1:2]
        assert second.total_is_exact or 2 < second.total <= len(expected)
        assert second.total == len(expected) or not second.total_is_exact

    await tried(db, play)
