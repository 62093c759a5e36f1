"""What is believed of a summary that a model wrote, and which of its quotes are real."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.analysis import MAX_RAW, Invalid
from domain.evidence import verified
from domain.summaries import (
    MAX_ITEM,
    MAX_ITEMS,
    MAX_KEYWORD,
    MAX_KEYWORDS,
    MAX_POSITIONS,
    MAX_QUOTE,
    MAX_SUMMARY,
    Item,
    Summary,
    from_json,
    to_json,
)
from llm.summary_answers import parse_summary, validate_summary
from tests.support.summary_data import ANSWER, a_summary

POSITIONS = range(1, 6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def changed(**fields: Any) -> dict[str, Any]:
    return ANSWER | fields


def item(**fields: Any) -> dict[str, Any]:
    """The answer, its one action item changed."""
    return changed(action_items=[ANSWER["action_items"][0] | fields])


def believed(answer: dict[str, Any]) -> Summary:
    summary = validate_summary(answer, POSITIONS)
    assert isinstance(summary, Summary), summary
    return summary


def test_a_good_answer_is_believed_as_it_is() -> None:
    assert to_json(believed(ANSWER)) == {
        **{name: ANSWER[name] for name in ("summary", "sentiment", "outcome")},
        "keywords": ("parcel", "carrier"),
        **{
            name: tuple(
                each | {"positions": tuple(each["positions"]), "verified": False} for each in ANSWER[name]
            )
            for name in ("action_items", "decisions", "questions")
        },
    }


def test_lists_may_be_empty() -> None:
    assert believed(changed(action_items=[], decisions=[], questions=[], keywords=[])).items == ()


@pytest.mark.parametrize("name", ANSWER)
def test_nothing_that_is_missing_is_filled_in(name: str) -> None:
    without = {field: value for field, value in ANSWER.items() if field != name}

    for answer in (without, changed(**{name: None})):
        invalid = validate_summary(answer, POSITIONS)
        assert isinstance(invalid, Invalid)
        assert invalid.reason.startswith(name)


@pytest.mark.parametrize(
    "answer",
    [
        changed(summary="  \n "),
        changed(summary=["It is late"]),
        changed(sentiment="angry"),
        changed(sentiment=["negative"]),
        changed(outcome="perhaps"),
        changed(outcome=True),
        changed(keywords="parcel"),
        changed(keywords=["parcel", 7]),
        changed(keywords=["parcel", " "]),
        changed(action_items={}),
        changed(action_items=["ask"]),
        item(text=None),
        item(text=" "),
        item(quote=None),
        item(quote=""),
        item(positions=None),
        item(positions=2),
        item(positions=["2"]),
        item(positions=[2.0]),
        item(positions=[True]),
        changed(questions=[{**ANSWER["questions"][0], "answered": None}]),
        changed(questions=[{**ANSWER["questions"][0], "answered": "yes"}]),
        changed(questions=ANSWER["decisions"]),
    ],
)
def test_one_bad_field_makes_the_answer_invalid(answer: dict[str, Any]) -> None:
    assert isinstance(validate_summary(answer, POSITIONS), Invalid)


@given(st.sampled_from([*ANSWER]), JSON)
def test_whatever_stands_in_a_field_it_is_a_summary_or_invalid(name: str, value: object) -> None:
    assert isinstance(validate_summary(changed(**{name: value}), POSITIONS), Summary | Invalid)


@given(st.sampled_from(["text", "positions", "quote", "answered"]), JSON)
def test_whatever_stands_in_an_item_it_is_a_summary_or_invalid(name: str, value: object) -> None:
    answer = deepcopy(ANSWER)
    answer["questions"][0][name] = value

    assert isinstance(validate_summary(answer, POSITIONS), Summary | Invalid)


def test_what_is_too_long_is_cut() -> None:
    long = "word " * 1_000
    kept = believed(
        changed(
            summary=long,
            action_items=[{"text": long, "quote": long, "positions": [5, 4, 3, 3, *[1] * 50]}] * 30,
            keywords=[f"{number} {long}" for number in range(30)],
        )
    )

    assert len(kept.summary) == MAX_SUMMARY
    assert len(kept.action_items) == MAX_ITEMS
    first = kept.action_items[0]
    assert (len(first.text), len(first.quote), first.positions) == (MAX_ITEM, MAX_QUOTE, (1, 3, 4, 5))
    assert len(kept.keywords) == MAX_KEYWORDS
    assert all(len(word) <= MAX_KEYWORD for word in kept.keywords)
    many = validate_summary(item(positions=[*range(1, 100)]), range(1, 100))
    assert isinstance(many, Summary)
    assert many.action_items[0].positions == tuple(range(1, MAX_POSITIONS + 1))


def test_keywords_come_once_each_whatever_their_case() -> None:
    assert believed(changed(keywords=["Parcel", "late", "parcel", " LATE "])).keywords == ("Parcel", "late")


def test_no_database_has_to_hold_what_it_cannot() -> None:
    kept = believed(item(text="a\0b", quote="c\ud800d"))

    json.dumps(to_json(kept), ensure_ascii=False).encode()
    assert "\0" not in kept.action_items[0].text


def test_positions_that_do_not_exist_are_left_out_and_the_item_stays() -> None:
    assert believed(item(positions=[0, 4, 6, -1, 10**30])).action_items[0].positions == (4,)
    assert believed(item(positions=[0, 6])).action_items[0].positions == ()
    assert believed(item(positions=[])).action_items[0].positions == ()


@pytest.mark.parametrize("content", ["no JSON", "[]", '"a"', "null", "", "[" * 100_000])
def test_what_is_no_json_object_is_malformed(content: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_summary(content, POSITIONS)


def test_an_answer_with_a_tail_of_its_own_is_invalid() -> None:
    assert isinstance(parse_summary(json.dumps(ANSWER), POSITIONS), Summary)
    assert isinstance(parse_summary(json.dumps(ANSWER | {"more": "x" * MAX_RAW}), POSITIONS), Invalid)


def test_a_summary_survives_being_stored() -> None:
    summary = verified(believed(ANSWER), {1: "Where is my parcel?"})

    assert from_json(json.loads(json.dumps(to_json(summary)))) == summary


# --- quotes -------------------------------------------------------------------------------------------------


def is_verified(quote: str, text: str, positions: tuple[int, ...] = (1,)) -> bool:
    summary = a_summary(action_items=(Item("Something", positions, quote),), questions=())
    return verified(summary, {1: text, 2: "another message altogether"}).action_items[0].verified


REAL: list[tuple[str, str]] = [
    ("torn box", "I got a torn box."),
    ("Torn  BOX", "i got a\n torn\tbox"),
    ("It\u2019s torn", "it's torn"),
    ("it's torn", "It\u2019s torn"),
    ('he said "no"', "he said \u201cno\u201d twice"),
    ('"a torn box"', "a torn box"),
    ("\u201ca torn box\u2026\u201d", "a torn box, and late"),
    ("a torn box...", "a torn box, and late"),
    ("stra\u00dfe", "STRASSE 5"),
    ("caf\u00e9", "cafe\u0301 is closed"),
    ("5 euro", "5\u00a0euro"),
]


@pytest.mark.parametrize(("quote", "text"), REAL)
def test_a_quote_may_differ_in_space_case_and_quotation_marks(quote: str, text: str) -> None:
    assert is_verified(quote, text)


@pytest.mark.parametrize(
    ("quote", "text"),
    [
        ("a broken box", "a torn box"),
        ("a torn ... late", "a torn box, and late"),
        ("torn", "to rn"),
        ("...", "so ... what"),
        ('""', 'he said ""'),
        ("\u2026", "well\u2026"),
    ],
)
def test_other_words_are_no_quote(quote: str, text: str) -> None:
    assert not is_verified(quote, text)


def test_a_quote_is_looked_for_only_where_the_item_says_it_is() -> None:
    text = "a torn box"

    assert is_verified(text, text, (2, 1))
    assert not is_verified(text, text, (2,))
    assert not is_verified(text, text, ())
    assert not is_verified(text, text, (3,))


@given(st.text(min_size=1), st.data())
def test_any_part_of_a_message_that_has_a_word_in_it_is_found(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    quote = text[start : data.draw(st.integers(start + 1, len(text)))]
    has_a_word: Callable[[str], bool] = str.isalnum

    # At its edges a cut may part a letter from the mark above it: then it is another letter.
    if quote.isascii() and text.isascii() and any(map(has_a_word, quote)):
        assert is_verified(quote, text)
