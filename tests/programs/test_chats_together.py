"""Small chats on their way: many in a post, and each is counted for what became of it."""

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import URL

from client import AsyncClient
from client.answers import ChatsStored
from client.importers.chats import Chat
from client.importing.delivery import Delivery, Freshness, Tally
from client.importing.together import Gathering
from tests.support.service import Service, running

EDITED = "another text, author, role or time of 1 message, which stays as stored"


class Counting(AsyncClient):
    """A client that counts its posts to chats."""

    posts = 0

    async def post_messages(self, messages: Any, **more: Any) -> ChatsStored:
        self.posts += 1
        return await super().post_messages(messages, **more)


def chat(number: int, *said: str, name: str = "{}", ids_last: bool = False) -> Chat:
    messages = [
        {
            "conversation_id": f"c{number}",
            "message_id": name.format(at),
            "user_id": "ann",
            "user_type": "customer",
            "message_content": text,
        }
        for at, text in enumerate(said)
    ]
    return Chat(number, [json.dumps(each).encode() for each in messages], ids_last=ids_last)


async def sent(service: Service, chats: Sequence[Chat], freshness: Freshness = "now") -> tuple[int, Tally]:
    """How many posts it took, and what became of them."""
    tally = Tally(ids={})
    async with Counting(service.url) as client:
        await Delivery(client, tally, lambda: None, freshness).send(iter(chats), 100)
        return client.posts, tally


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_chats_go_in_one_post_and_each_counts_as_accepted_that_has_grown(database_url: URL) -> None:
    first = [chat(number, "hi", "ho") for number in range(20)]
    grown = [chat(0, "hi", "ho", "so"), *first[1:], chat(20, "hi"), chat(20, "hi"), chat(21, "hi")]
    async with running(database_url, chat_quiet_seconds=60) as service:
        posts, tally = await sent(service, first)
        await sent(service, [chat(30, "hi", "ho"), chat(31, *"abc" * 200)], "day")
        can_wait = await service.rows("SELECT id FROM conversations WHERE freshness = 'day' ORDER BY id")
        assert [each.id for each in can_wait] == ["c30", "c31"]
        assert (posts, tally.sent, tally.accepted, tally.duplicates) == (1, 20, 20, 0)
        assert tally.ids == {f"c{number}": None for number in range(20)}

        posts, tally = await sent(service, grown)
        assert (tally.sent, tally.chats, tally.accepted, tally.duplicates) == (23, 23, 3, 20)
        assert posts == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_one_that_is_refused_keeps_none_of_its_neighbours_out(database_url: URL) -> None:
    clashing, empty = chat(1, "hi", "ho", name="same"), chat(2, "")
    async with running(database_url) as service:
        posts, tally = await sent(service, [chat(0, "hi"), clashing, empty, chat(3, "hi")])

    assert posts == 5  # all; the empty one, and the rest; the clashing one, and the rest

    assert (tally.sent, tally.accepted, tally.duplicates) == (3, 2, 0)
    assert [line for line, _ in tally.conflicts.first] == [1]
    assert [line for line, _ in tally.rejected.first] == [2]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_an_edited_message_keeps_out_what_was_said_after_it_only_where_ids_are_places(
    database_url: URL,
) -> None:
    first = [chat(number, "hi", "ho", ids_last=number != 1) for number in range(3)]
    grown = [chat(number, "hi!", "ho", "so", ids_last=number != 1) for number in range(2)]
    async with running(database_url) as service:
        await sent(service, first)
        posts, tally = await sent(service, [*grown, chat(2, "hi", "ho", "so"), chat(3, "hi", "ho")])
        _, again = await sent(service, [chat(0, "hi!", ids_last=True)])
        said = [
            [each["message_content"] for each in (await service.get(f"/chats/c{number}"))["messages"]]
            for number in range(3)
        ]

    assert said == [["hi", "ho", "so"], ["hi", "ho"], ["hi", "ho", "so"]]
    assert (tally.sent, tally.accepted, tally.duplicates, posts) == (4, 2, 0, 5)
    assert tally.conflicts.first == [
        (0, f"{EDITED}; 1 new stored beside"),
        (1, "message 1: known with another text, author, role or time"),
    ]
    assert again.conflicts.first == [(0, EDITED)]
    assert [*(tally.ids or ())] == ["c0", "c2", "c3"]


@given(st.lists(st.lists(st.binary(max_size=9), min_size=1, max_size=7), max_size=30))
def test_what_is_gathered_keeps_its_order_and_the_limits(items: list[list[bytes]]) -> None:
    gathering = Gathering[list[bytes]](5, 40)

    posts = [*filter(None, [gathering.add(each, each) for each in items]), gathering.taken()]

    assert [each for post in posts for each in post] == items
    for post in posts:
        parts = [part for each in post for part in each]
        assert len(post) < 2 or (len(parts) <= 5 and sum(map(len, parts)) + len(parts) <= 40)
    for post, after in pairwise(posts):
        together = [part for each in (*post, after[0]) for part in each]
        assert len(together) > 5 or sum(map(len, together)) + len(together) > 40
