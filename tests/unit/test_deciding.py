"""A question about conversations: what is asked, what an answer is read as, and what the offline analyzer answers."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm.deciding import parse_decisions, request_body, schema
from llm.offline.deciding import decide

anything = st.recursive(st.none() | st.integers() | st.text() | st.booleans(), lambda each: st.lists(each))
rows = st.dictionaries(st.sampled_from(["conversation_id", "answer"]), anything)
contents = st.text() | st.lists(rows | anything).map(lambda found: json.dumps({"decisions": found}))


def test_answers_are_read_by_their_ids_whatever_their_order() -> None:
    decisions = [
        {"conversation_id": "3", "answer": False},
        {"conversation_id": "1", "answer": True},
        {"conversation_id": "2", "answer": "perhaps"},
        {"conversation_id": "9", "answer": True},
    ]
    assert parse_decisions(json.dumps({"decisions": decisions}), 4) == [True, None, False, None]


@given(contents)
def test_whatever_comes_back_is_three_answers_or_an_error_in_words(content: str) -> None:
    with suppress(ValueError):
        found = parse_decisions(content, 3)
        assert len(found) == 3
        assert {*map(type, found)} <= {bool, type(None)}


def test_a_call_shows_the_question_and_the_texts_as_data() -> None:
    sent = json.loads(request_body("Lost?", ["One", "Two"], model="m", effort=None, strict=True))
    assert json.loads(sent["messages"][1]["content"]) == {
        "question": "Lost?",
        "conversations": [
            {"conversation_id": "1", "text": "One"},
            {"conversation_id": "2", "text": "Two"},
        ],
    }
    assert sent["response_format"]["json_schema"]["schema"] == schema(2)


@pytest.mark.parametrize(
    ("question", "text", "is_yes"),
    [
        ("Is it about lost luggage?", "customer: You LOST my luggage!", True),
        ("Is it about lost luggage?", "customer: You lost my parcel", False),
        ("Is it about lost luggage?", "customer: I am lost\nagent: Your luggage is here", False),
        ("A refund that was refused?", "They refuse to give refunds", True),
        ("Delivered to the neighbour, without a card?", "Delivery to my neighbours again, no card", True),
        ("Delivered to the neighbour, without a card?", "Delivery is late", False),
        ("Does the customer say so?", "So does the customer say", False),
    ],
)
def test_offline_a_question_is_answered_by_its_words(question: str, text: str, is_yes: bool) -> None:
    assert decide(question, [text]) == [is_yes]
