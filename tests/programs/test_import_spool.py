"""Messages on their way from a file: which chat they are in, in what order, and what rejects all of it."""

import io
import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.importers.agents import Agents
from client.importers.base import Rejected
from client.importers.chats import Chat
from client.importers.fields import Reader
from client.importers.files import Source, Unreadable
from client.importers.said import ID, Entry, Messages, Said, Spoiled, chat_id
from client.importers.spool import Spool


class Made(Messages):
    """Messages that a test has made."""

    names_agents = False

    def __init__(self, entries: Sequence[Entry]) -> None:
        super().__init__("made", Source(io.StringIO(), 0, lambda: 0))
        self._made = entries

    def _entries(self) -> Iterator[Entry]:
        return iter(self._made)


def said(
    chat: str, id_: object, text: str = "hi", at: str | None = "2026-11-03T12:00:00+00:00", line: int = 1
) -> Said:
    return Said(line, chat, str(id_), "mara", "customer", text, at)


def given_out(
    entries: Sequence[Entry], reader: Reader | None = None, most: int = 100
) -> list[Chat | Rejected]:
    with closing(Spool(reader or Reader(), most=most)) as spool:
        made = Made(entries)
        rejected = [each for entry in made if (each := spool.take(entry))]
        spool.settle(made)
        found = [*rejected, *spool.chats()]
        assert spool.given == spool.taken
    return found


def sent(chat: Chat | Rejected) -> list[dict[str, Any]]:
    assert isinstance(chat, Chat), chat
    return [json.loads(each) for each in chat.messages]


def test_a_chat_that_is_too_long_comes_in_parts_that_stay_when_it_grows() -> None:
    long = [said("lamps", at) for at in range(7)]
    whole = [
        (each[0]["conversation_id"], [m["message_id"] for m in each])
        for each in map(sent, given_out(long, most=3))
    ]
    before = [sent(each) for each in given_out(long[:5], most=3)]

    assert whole == [("lamps", ["0", "1", "2"]), ("lamps:2", ["3", "4", "5"]), ("lamps:3", ["6"])]
    assert before[0] == sent(given_out(long, most=3)[0])


def test_messages_of_a_second_are_in_the_order_of_their_numbers() -> None:
    (chat,) = given_out([said("a", id_) for id_ in (10, 9, 100)])

    assert [each["message_id"] for each in sent(chat)] == ["9", "10", "100"]


def test_where_one_has_no_time_all_stay_as_they_stand() -> None:
    (chat,) = given_out([said("a", 2), said("a", 1, at=None)])

    assert ([each["message_id"] for each in sent(chat)], isinstance(chat, Chat) and chat.dated) == (
        ["2", "1"],
        False,
    )


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (Spoiled(7, "a", "it is odd"), "it is odd"),
        (said("a", "x" * 256, line=7), "more than 255 characters"),
        (said("a", "#1", line=7), "begins with #"),
        (said("a", 3, " ", line=7), "text is empty"),
        (said("a", 3, "\udcff", line=7), "no text in this encoding"),
        (said("a", 1, "hello", line=7), "the same id and another content"),
        (Said(7, "a", "3", "m" * 256, "customer", "hi", None), "the author has 256 characters"),
    ],
)
def test_one_that_cannot_be_sent_rejects_its_chat_with_its_line(wrong: Entry, reason: str) -> None:
    a, b = given_out([said("a", 1), said("b", 1), wrong, said("a", 2)])

    assert isinstance(a, Rejected)
    assert (a.line, reason in a.reason) == (7, True)
    assert "none of the conversation's 3 turns is sent" in a.reason
    assert len(sent(b)) == 1


def test_one_that_comes_again_is_sent_once_and_counted() -> None:
    reader = Reader(source="shop")
    (chat,) = given_out([said("a", 1), said("a", 1)], reader)

    assert [each["conversation_id"] for each in sent(chat)] == ["shop:a"]
    assert reader.left_out == {"repeated message": 1}


def test_agents_are_known_by_any_of_their_names_and_by_their_domain() -> None:
    agents = Agents(["  ADA\u200e  Agent", "@lamps.example"])

    assert agents.role_of("U1", "Ada Agent") == "support_agent"
    assert agents.role_of("x@Lamps.example") == "support_agent"
    assert agents.role_of("x@old-lamps.example") == "customer"
    assert agents.role_of("Adam Agent") == "customer"
    agents.check(may_be_silent=False)


def test_whoever_speaks_is_shown_without_control_characters() -> None:
    agents = Agents()
    agents.role_of("Mara\u001b[31m")

    with pytest.raises(Unreadable, match=r"Those who speak: Mara\\x1b\[31m$"):
        agents.check(may_be_silent=True)


@given(st.text(max_size=200), st.text(max_size=200))
def test_a_name_becomes_an_id_that_the_service_takes_and_no_other_has(one: str, other: str) -> None:
    assert ID.fullmatch(chat_id(one))
    assert (chat_id(one) == chat_id(other)) == (one == other)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), unique=True))
def test_every_message_is_given_out_once(pairs: list[tuple[str, int]]) -> None:
    found = [message for chat in given_out([said(*pair) for pair in pairs]) for message in sent(chat)]

    assert sorted((each["conversation_id"], int(each["message_id"])) for each in found) == sorted(pairs)
