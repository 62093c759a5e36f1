"""The other names of a message's fields and of its author's role, and what a sender hears who uses two at once."""

import json
from typing import Any

import pytest
from pydantic import TypeAdapter

from api.errors import ApiError
from api.parsing import parse_body
from schemas import ChatMessage, Conversation
from services.content import content_hash

ONE = TypeAdapter(Conversation)
CUSTOMER = ("customer", "Customer", "user", "USER", "end-user", "End User", "end_user")
AGENT = ("support_agent", "Support Agent", "agent", "Assistant", "BOT", "admin")


def dialogue(**message: Any) -> Conversation:
    return parse_body(ONE, json.dumps({"messages": [message]}).encode())


def refusal(**message: Any) -> object:
    with pytest.raises(ApiError) as refused:
        dialogue(**message)
    return refused.value.details


@pytest.mark.parametrize("field", ["role", "user_type"])
@pytest.mark.parametrize(
    ("name", "role"),
    [*((name, "customer") for name in CUSTOMER), *((name, "support_agent") for name in AGENT)],
)
def test_a_role_may_be_called_what_other_programs_call_it(field: str, name: str, role: str) -> None:
    assert (dialogue(text="hi", **{field: name}).messages or [])[0].sender == role


@pytest.mark.parametrize("name", ["", "system", "customers", "agent smith", 1, True, ["agent"]])
def test_a_role_that_nobody_knows_is_refused_with_the_names_that_there_are(name: object) -> None:
    details = str(refusal(text="hi", role=name))

    assert details.startswith("messages[0].role: must be customer or support_agent")
    assert "end-user" in details
    assert "bot" in details


@pytest.mark.parametrize("name", ["text", "message_content", "content"])
def test_a_text_has_three_names(name: str) -> None:
    assert list(dialogue(**{name: "Where is it?"}).texts()) == ["Where is it?"]


@pytest.mark.parametrize(
    ("field", "role", "inbound"),
    [
        ("role", "bot", True),
        ("user_type", "END-USER", False),
        ("role", "admin", True),
        ("user_type", "user", False),
    ],
)
def test_a_role_that_disagrees_is_refused_by_the_name_it_was_sent_under(
    field: str, role: str, inbound: bool
) -> None:
    assert (
        refusal(text="hi", inbound=inbound, **{field: role}) == f"messages[0].{field}: disagrees with inbound"
    )


@pytest.mark.parametrize(
    "twice",
    [
        {"text": "a", "content": "b"},
        {"text": "a", "role": "user", "user_type": "agent"},
        {"text": "a", "author": "x", "author_id": "y"},
    ],
)
def test_a_field_that_is_sent_under_two_names_is_refused_by_the_second(twice: dict[str, Any]) -> None:
    second = [*twice][-1]

    assert refusal(**twice) == f"Unknown field: messages[0].{second} (or a second name for one that was sent)"


def test_an_unknown_field_is_only_unknown() -> None:
    assert refusal(text="a", colour="red") == "Unknown field: messages[0].colour"


def test_the_same_message_under_other_names_is_the_same_content() -> None:
    plain = dialogue(text="hi", author="a", role="support_agent")

    for other in (
        dialogue(content="hi", user_id="a", user_type="Bot"),
        dialogue(message_content="hi", author_id="a", inbound=False),
        dialogue(content="hi", author_id="a", role="agent", inbound=False),
    ):
        assert content_hash(other) == content_hash(plain)
    assert content_hash(dialogue(text="hi", author="a", role="user")) != content_hash(plain)


def test_a_chat_message_takes_the_same_roles() -> None:
    sent = {"user_id": "u", "user_type": "Bot", "message_content": "hi"}

    assert parse_body(TypeAdapter(ChatMessage), json.dumps(sent).encode()).user_type == "support_agent"
