"""A post becomes rows."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import SECOND, parse
from schemas import Conversation
from services.content import content_hash
from services.intake import conversation_id, prepare
from services.redaction import Received
from store.conversations.intake import NewMessage
from tests.support.rows import LATE, NOW

TEN = parse("2025-01-20T10:00:00Z")


def sent(**fields: Any) -> Conversation:
    """As it arrives: through JSON, and a text if nothing else is said."""
    given = fields if "messages" in fields else {"text": LATE, **fields}
    return Conversation.model_validate_json(json.dumps(given))


def received(**fields: Any) -> Received[Conversation]:
    """The same, where nothing is redacted."""
    return Received(sent(**fields))


def test_an_id_that_the_service_makes_is_unique_and_could_have_been_chosen() -> None:
    made = {conversation_id(NOW) for _ in range(1_000)}

    assert len(made) == 1_000
    assert all(sent(conversation_id=each).conversation_id == each for each in made)
    assert all(each.startswith("conv_") for each in made)


@given(st.integers(0, parse("2100-12-31")), st.integers(1_000, 10**12))
def test_ids_of_a_later_millisecond_sort_later(now: int, later: int) -> None:
    assert conversation_id(now) < conversation_id(now + later)


def test_an_id_that_was_chosen_is_used() -> None:
    assert prepare(received(conversation_id="mine"), NOW).id == "mine"
    assert prepare(received(external_id="mine"), NOW).id.startswith("conv_")


def test_a_text_is_one_message_of_a_customer() -> None:
    row = prepare(received(text=" Where is it? ", author="someone"), NOW)

    assert row.messages == [NewMessage(" Where is it? ", "someone", "customer")]
    assert (row.author, row.is_chat) == ("someone", False)


def test_messages_are_kept_as_they_were_sent() -> None:
    turns = [
        {"text": "Hi", "inbound": True, "user_id": "someone", "message_id": "1"},
        {"text": "Hello", "user_type": "support_agent", "timestamp": "2025-01-20T10:00:00Z"},
        {"text": "?"},
    ]
    row = prepare(received(messages=turns), NOW)

    assert row.messages == [
        NewMessage("Hi", "someone", "customer", None, "1"),
        NewMessage("Hello", None, "support_agent", TEN),
        NewMessage("?"),
    ]
    assert row.is_chat


@pytest.mark.parametrize(
    ("turns", "author"),
    [
        (
            [{"role": "support_agent", "author": "agent"}, {"role": "customer", "author": "someone"}],
            "someone",
        ),
        ([{"role": "customer"}, {"author": "someone"}, {"role": "customer", "author": "other"}], "someone"),
        ([{"role": "support_agent", "author": "agent"}], None),
        ([{}], None),
    ],
)
def test_a_dialogue_is_by_the_first_customer_who_is_named(turns: list[Any], author: str | None) -> None:
    row = prepare(received(messages=[{"text": LATE, **each} for each in turns]), NOW)

    assert row.author == author


@pytest.mark.parametrize(
    ("fields", "timestamp"),
    [
        ({"timestamp": "2025-01-20T10:00:00Z"}, TEN),
        ({"timestamp": "1970-01-01T00:00:00Z"}, 0),
        ({}, NOW),
        ({"messages": [{"text": "a", "timestamp": "2025-01-20T10:00:00Z"}]}, TEN),
        ({"messages": [{"text": "a", "timestamp": "1970-01-01"}]}, 0),
        (
            {
                "timestamp": "2025-01-20T10:00:00Z",
                "messages": [{"text": "a", "timestamp": "2024-01-20T10:00:00Z"}],
            },
            TEN,
        ),
        ({"messages": [{"text": "a"}, {"text": "b", "timestamp": "2025-01-20T10:00:00Z"}]}, NOW),
    ],
)
def test_the_time_is_what_was_sent_else_the_first_messages_else_that_of_intake(
    fields: dict[str, Any], timestamp: int
) -> None:
    row = prepare(received(**fields), NOW)

    assert row.timestamp == timestamp
    assert row.received_at == NOW


def test_objects_are_kept_as_json() -> None:
    row = prepare(received(raw={"b": [None, "ü"], "a": 1}, metadata={}), NOW)

    assert json.loads(row.raw_data or "") == {"b": [None, "ü"], "a": 1}
    assert row.metadata == "{}"
    assert (prepare(received(), NOW).raw_data, prepare(received(), NOW).metadata) == (None, None)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"author": None, "timestamp": None, "metadata": None}),
        ({"raw": {"a": 1, "b": {"c": 2, "d": 3}}}, {"raw_data": {"b": {"d": 3, "c": 2}, "a": 1}}),
        ({"timestamp": "2025-01-20T10:00:00Z"}, {"timestamp": "2025-01-20 12:00+02:00"}),
        (
            {"messages": [{"text": "a", "author": "x", "role": "customer"}]},
            {"messages": [{"message_content": "a", "user_id": "x", "inbound": True}]},
        ),
        (
            {"messages": [{"text": "a", "user_type": "support_agent", "author_id": "x"}]},
            {"messages": [{"text": "a", "role": "support_agent", "inbound": False, "author": "x"}]},
        ),
        ({"messages": [{"text": "a"}]}, {"messages": [{"text": "a", "role": None, "message_id": None}]}),
    ],
)
def test_the_same_content_has_many_spellings(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert content_hash(sent(**one)) == content_hash(sent(**other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"text": "a"}, {"text": "A"}),
        ({"text": "a"}, {"text": "a "}),
        ({"text": "a"}, {"messages": [{"text": "a"}]}),
        ({"text": "a"}, {"text": "a", "author": "x"}),
        ({}, {"metadata": {}}),
        ({"raw": {}}, {"metadata": {}}),
        ({"raw": {"a": None}}, {"raw": {}}),
        ({"raw": {"a": [1, 2]}}, {"raw": {"a": [2, 1]}}),
        ({"raw": {"a": 1}}, {"raw": {"a": True}}),
        ({"external_id": "x"}, {"conversation_id": "x"}),
        ({"timestamp": "2025-01-20T10:00:00Z"}, {}),
        ({"timestamp": "2025-01-20T10:00:00Z"}, {"timestamp": "2025-01-20T10:00:00.000001Z"}),
        ({"messages": [{"text": "a"}, {"text": "b"}]}, {"messages": [{"text": "b"}, {"text": "a"}]}),
        ({"messages": [{"text": "a"}]}, {"messages": [{"text": "a", "role": "customer"}]}),
        ({"messages": [{"text": "a", "author": "x"}]}, {"messages": [{"text": "a", "message_id": "x"}]}),
    ],
)
def test_anything_else_is_other_content(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert content_hash(sent(**one)) != content_hash(sent(**other))


def test_a_time_that_the_service_gave_does_not_count() -> None:
    first = prepare(received(external_id="x"), NOW)
    again = prepare(received(external_id="x"), NOW + 5 * SECOND)

    assert first.content_hash == again.content_hash is not None


@pytest.mark.parametrize(
    ("fields", "key"), [({"external_id": "x"}, None), ({"conversation_id": "x"}, None), ({}, "key")]
)
def test_content_is_hashed_only_for_who_can_send_it_again(fields: dict[str, Any], key: str | None) -> None:
    assert prepare(received(**fields), NOW, key).content_hash is not None
    assert prepare(received(), NOW).content_hash is None
