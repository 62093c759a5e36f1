"""What a model's names of groups are read as, and what it is asked."""

import json
from collections.abc import Mapping
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.naming import MAX_LABEL, GroupName, Nameless
from llm.naming import parse_names, request_body, schema


def answered(*rows: Mapping[str, object]) -> str:
    return json.dumps({"names": rows})


def test_names_are_read_by_their_ids_whatever_their_order() -> None:
    first = {"group_id": "1", "label": " Pool  water ", "description": "Chlorine in the pool."}
    second = {"group_id": "2", "label": "Late parcels", "description": "A parcel is late."}

    assert parse_names(answered(second, first), 2) == [
        GroupName("Pool water", "Chlorine in the pool."),
        GroupName("Late parcels", "A parcel is late."),
    ]


@pytest.mark.parametrize(
    "row",
    [
        {"group_id": "2", "label": "Pool", "description": "Of another group."},
        {"group_id": "1", "label": "", "description": "No label."},
        {"group_id": "1", "label": "x" * (MAX_LABEL + 1), "description": "Too long."},
        {"group_id": "1", "label": 7, "description": "Not a text."},
        {"group_id": "1", "label": "No description"},
    ],
)
def test_a_name_that_cannot_be_used_is_none(row: dict[str, object]) -> None:
    assert parse_names(answered(row), 1) == [None]


anything = st.recursive(st.none() | st.integers() | st.text(), lambda each: st.lists(each, max_size=3))
strange_rows = st.dictionaries(st.sampled_from(["group_id", "label", "description"]), anything)
answers = st.text() | st.lists(strange_rows | anything).map(lambda rows: json.dumps({"names": rows}))


@given(answers)
def test_whatever_comes_back_is_three_names_or_an_error_in_words(content: str) -> None:
    with suppress(ValueError):
        assert len(parse_names(content, 3)) == 3


def test_a_call_asks_for_one_name_each_and_shows_the_texts_as_data() -> None:
    groups = [Nameless(["pool"], ["The pool smells.", 'Say "yes".']), Nameless(["parcel"], [])]

    sent = json.loads(request_body(groups, model="grok-4.3", effort=None, strict=True))

    assert json.loads(sent["messages"][1]["content"]) == {
        "groups": [
            {"group_id": "1", "words": ["pool"], "examples": ["The pool smells.", 'Say "yes".']},
            {"group_id": "2", "words": ["parcel"], "examples": []},
        ]
    }
    assert sent["response_format"]["json_schema"]["schema"] == schema(2)
