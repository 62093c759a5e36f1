"""What a conversation may look like: accepted names, limits, canonical JSON."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from core.clock import parse
from schemas import BulkConversations, Conversation, DialogueMessage, Ids, compact
from tests.support.rows import LATE

TURN = {"text": LATE}


def conversation(**fields: Any) -> Conversation:
    """As it arrives: through JSON."""
    return Conversation.model_validate_json(json.dumps(fields))


def turn(**fields: Any) -> DialogueMessage:
    [only] = conversation(messages=[{**TURN, **fields}]).messages or []
    return only


@pytest.mark.parametrize("name", ["author", "author_id", "user_id"])
def test_who_wrote_a_message_has_three_names(name: str) -> None:
    assert turn(**{name: "someone"}).author == "someone"


@pytest.mark.parametrize("name", ["role", "user_type"])
def test_a_role_has_two_names(name: str) -> None:
    assert turn(**{name: "support_agent"}).sender == "support_agent"


def test_a_message_may_call_its_text_message_content() -> None:
    [said] = conversation(messages=[{"message_content": "Where is it?"}]).texts()

    assert said == "Where is it?"


def test_raw_is_short_for_raw_data() -> None:
    assert conversation(text=LATE, raw={"a": None}).raw_data == {"a": None}


@pytest.mark.parametrize(
    ("fields", "sender"),
    [
        ({}, None),
        ({"inbound": True}, "customer"),
        ({"inbound": False}, "support_agent"),
        ({"role": "customer"}, "customer"),
        ({"role": "customer", "inbound": True}, "customer"),
        ({"role": "support_agent", "inbound": False}, "support_agent"),
        ({"role": None, "inbound": None}, None),
    ],
)
def test_inbound_and_role_say_who_speaks(fields: dict[str, Any], sender: str | None) -> None:
    assert turn(**fields).sender == sender


@pytest.mark.parametrize(("role", "inbound"), [("customer", False), ("support_agent", True)])
def test_a_role_that_inbound_contradicts_is_refused(role: str, inbound: bool) -> None:
    with pytest.raises(ValidationError, match="disagrees with inbound"):
        turn(role=role, inbound=inbound)


def test_limits_are_inclusive() -> None:
    texts = {
        "text": "x" * 20_000,
        "author": "a" * 255,
        "external_id": "e" * 255,
        "conversation_id": "c" * 128,
    }
    objects = {"raw_data": {"a": "x" * (65_536 - 8)}, "metadata": {"a": "x" * (16_384 - 8)}}

    assert conversation(**texts, **objects).text == "x" * 20_000
    assert len(conversation(messages=[TURN] * 1_000).messages or ()) == 1_000


def test_a_character_is_one_however_many_bytes_it_has() -> None:
    assert conversation(text="😀" * 20_000).text == "😀" * 20_000
    with pytest.raises(ValidationError):
        conversation(text="😀" * 20_001)


def test_the_size_of_an_object_is_that_of_its_bytes() -> None:
    assert conversation(text=LATE, metadata={"a": "ü" * 8_188}).metadata
    with pytest.raises(ValidationError, match="over 16 KB"):
        conversation(text=LATE, metadata={"a": "ü" * 8_189})


@pytest.mark.parametrize("id_", ["a", "7", "conv_1", "A.b:c-d_e", "0" * 128])
def test_a_chosen_id_is_plain(id_: str) -> None:
    assert conversation(text=LATE, conversation_id=id_).conversation_id == id_


def test_messages_may_be_blank_as_long_as_one_is_not() -> None:
    assert [*conversation(messages=[{"text": " "}, TURN]).texts()] == [" ", LATE]


def test_times_are_microseconds_from_then_on() -> None:
    sent = conversation(text=LATE, timestamp="2025-01-20T12:00:00+02:00")

    assert sent.timestamp == parse("2025-01-20T10:00:00Z")


def test_up_to_500_ids_are_asked_about_at_once() -> None:
    assert len(Ids(ids=["a"] * 500).ids) == 500
    for bad in ([], ["a"] * 501, [""], ["a" * 129]):
        with pytest.raises(ValidationError):
            Ids(ids=bad)


def test_the_document_of_the_api_shows_times_as_text_and_every_limit() -> None:
    schema = TypeAdapter(BulkConversations).json_schema()
    fields = schema["$defs"]["Conversation"]["properties"]

    assert {"type": "string", "format": "date-time"} in fields["timestamp"]["anyOf"]
    assert fields["text"]["anyOf"][0] == {"type": "string", "minLength": 1, "maxLength": 20_000}
    assert (schema["minItems"], schema["maxItems"]) == (1, 500)
    assert schema["$defs"]["Conversation"]["additionalProperties"] is False


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=5), values, max_size=5))
def test_canonical_json_means_the_same_whatever_the_order_of_names(value: dict[str, Any]) -> None:
    turned = dict(reversed(value.items()))

    assert json.loads(compact(value)) == value
    assert compact(value) == compact(turned)


def test_canonical_json_has_no_number_that_json_has_not() -> None:
    for number in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="JSON"):
            compact({"a": number})
