"""The offline summary: sentences of the chat itself, items by rules, quotes that are there."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.offline_quality import DATA, DIALOGS
from domain.evidence import verified
from domain.summaries import (
    MAX_ITEMS,
    MAX_SUMMARY,
    Material,
    Merge,
    Message,
    Part,
    Stretch,
    Summary,
)
from llm.offline.summaries import summarise
from llm.summary_answers import validate
from tests.support.summary_data import LATE

ROLES = st.sampled_from(["customer", "support_agent"])
TURNS = st.lists(st.tuples(ROLES, st.text(min_size=1, max_size=200)), min_size=1, max_size=12)


def stretch(turns: Sequence[tuple[str, str]], first: int = 1) -> Stretch:
    return Stretch([Message(at, role, text) for at, (role, text) in enumerate(turns, first)])


def summed_up(material: Material) -> Summary:
    """The summary, by way of JSON as between the processes, its quotes looked up."""
    document = json.loads(json.dumps(material.document))
    found = validate(json.loads(json.dumps(summarise(document))), material.citable)
    assert isinstance(found, Summary), found
    if isinstance(material, Stretch):
        found = verified(found, {message.position: message.text for message in material.messages})
    return found


def told(*turns: tuple[str, str]) -> Summary:
    return summed_up(stretch(turns))


def customer(*texts: str) -> Summary:
    return told(*(("customer", text) for text in texts))


def test_a_chat_in_its_own_words() -> None:
    found = told(*LATE)

    assert found.summary.splitlines() == [
        "Customer: My parcel is three days late.",
        "Agent: TODO: we will ask the carrier today.",
        "Customer: Can you send another one?",
        "Agent: AGREED: a second parcel leaves tomorrow.",
    ]
    assert [(item.text, item.positions) for item in found.action_items] == [
        ("TODO: we will ask the carrier today.", (2,))
    ]
    assert [item.positions for item in found.decisions] == [(4,)]
    assert [(item.positions, item.answered) for item in found.questions] == [((1,), True), ((3,), True)]
    assert found.outcome == "yes"
    assert found.keywords[0] == "parcel"


@given(TURNS)
def test_whatever_is_said_there_is_a_summary_and_every_quote_is_real(turns: list[tuple[str, str]]) -> None:
    found = summed_up(stretch(turns))

    # What has no letter or digit in it is all quotation marks and dots, and cannot be looked up.
    assert all(item.verified for item in found.items if re.search(r"[^\W_]", item.quote))
    assert found == summed_up(stretch(turns))


def test_a_question_is_answered_once_the_other_side_has_spoken() -> None:
    found = told(
        ("customer", "Where is it?"),
        ("customer", "Hello?"),
        ("support_agent", "Which order is it?"),
        ("customer", "The blue one. Is it lost?"),
    )

    assert [(item.text, item.answered) for item in found.questions] == [
        ("Where is it?", True),
        ("Hello?", True),
        ("Which order is it?", True),
        ("Is it lost?", False),
    ]


@pytest.mark.parametrize(
    "promise",
    [
        "I'll call the carrier this afternoon.",
        "We\u2019ll refund you by Friday.",
        "We will send a new one.",
        "I am going to check that.",
        "Please send us your order number.",
    ],
)
def test_what_an_agent_promises_or_asks_for_is_an_action_item(promise: str) -> None:
    assert [item.text for item in told(("support_agent", promise)).action_items] == [promise]
    if "lease" not in promise:
        assert customer(promise).action_items == ()


@pytest.mark.parametrize(
    "phrase", ["Please accept our apologies.", "Please note the delay.", "Will do, thanks."]
)
def test_courtesy_is_none(phrase: str) -> None:
    assert told(("support_agent", phrase)).action_items == ()


@pytest.mark.parametrize(
    "decision", ["We have refunded the order.", "Your flight has been cancelled.", "I've escalated it."]
)
def test_what_was_done_is_a_decision(decision: str) -> None:
    assert [item.text for item in told(("support_agent", decision)).decisions] == [decision]


@pytest.mark.parametrize(
    ("last", "outcome"),
    [
        ("Thank you, it works now!", "yes"),
        ("Worst service ever, I am leaving.", "no"),
        ("It is order 12.", "maybe"),
        ("Do you open on Sundays?", "curious"),
    ],
)
def test_the_outcome_is_read_from_how_the_customer_leaves(last: str, outcome: str) -> None:
    assert customer(last).outcome == outcome
    assert told(("support_agent", "Hello!")).outcome == "maybe"


def test_the_sentiment_is_the_customers() -> None:
    angry, glad = "This is the worst company, terrible service.", "Great, I love it, perfect!"

    assert told(("customer", angry), ("support_agent", glad)).sentiment == "negative"
    assert told(("customer", glad), ("support_agent", angry)).sentiment == "positive"
    assert told(("support_agent", angry)).sentiment == "neutral"


def test_keywords_are_the_most_frequent_words_that_mean_something() -> None:
    found = customer("The parcels, the parcel and the parcels!", "The carrier has the parcel. The carrier!")

    assert found.keywords == ("parcels", "carrier")


def test_what_has_no_words_says_so() -> None:
    assert customer(" ").summary == "Nothing was said in words."
    assert customer("\U0001f621").summary == "Customer: \U0001f621"


def test_a_very_long_message_is_cut_to_what_a_summary_holds() -> None:
    found = customer("word " * 4_000, *("And yet another sentence without an end " * 20 for _ in range(9)))

    assert len(found.summary) <= MAX_SUMMARY
    assert found.summary.startswith("Customer: word word")


# --- parts --------------------------------------------------------------------------------------------------


def parts(number: int) -> list[Part]:
    """Summaries of as many stretches of five messages."""
    found = []
    for at in range(number):
        turns = [(role, f"{text} Part {at} of it?") for role, text in LATE]
        material = stretch(turns, 1 + 5 * at)
        summary = summed_up(material)
        found.append(Part(material.first, material.last, summary, "offline", "luhn-1", "{}"))
    return found


@pytest.mark.parametrize("number", [2, 5, 30])
def test_parts_are_merged_with_a_fair_share_of_each_and_their_own_positions(number: int) -> None:
    merged = summed_up(Merge(parts(number)))

    assert len(merged.summary) <= MAX_SUMMARY
    assert len(merged.action_items) == min(number, MAX_ITEMS)
    firsts = {5 * at + 2 for at in range(number)}
    assert {item.positions[0] for item in merged.action_items} <= firsts
    assert [item.positions for item in merged.questions] == sorted(
        item.positions for item in merged.questions
    )
    assert (merged.outcome, merged.keywords[0]) == ("yes", "part")
    shown = {int(word) for word in re.findall(r"Part (\d+)", " ".join(i.text for i in merged.questions))}
    assert len(shown) == min(number, MAX_ITEMS)


def test_the_summary_of_many_parts_reaches_from_the_first_to_the_last() -> None:
    many = [
        Part(at, at, summed_up(stretch([("customer", f"It is about matter {at} today")], at)), "", "", "")
        for at in range(1, 31)
    ]

    lines = summed_up(Merge(many)).summary.splitlines()
    assert (lines[0], lines[-1]) == (
        "Customer: It is about matter 1 today",
        "Customer: It is about matter 30 today",
    )


# --- the child ----------------------------------------------------------------------------------------------


# --- against what people picked -----------------------------------------------------------------------------


def words(text: str) -> Counter[str]:
    bare = re.sub(r"https?://\S+|@\w+|^(?:Customer|Agent):", " ", text, flags=re.MULTILINE)
    return Counter(re.findall(r"[^\W_]+", bare.lower()))


def overlap(text: str, reference: str) -> float:
    """ROUGE-1: the F measure of the words that two texts share."""
    ours, theirs = words(text), words(reference)
    return 2 * (ours & theirs).total() / (ours.total() + theirs.total())


def test_it_picks_more_of_what_people_picked_than_the_first_sentences() -> None:
    path = DATA / DIALOGS
    if not path.exists():
        pytest.skip(f"the public set {DIALOGS} is not here")
    dialogs: list[dict[str, Any]] = [json.loads(line) for line in path.read_text().splitlines()]

    found = [summed_up(stretch([(m["role"], m["text"]) for m in d["messages"]])) for d in dialogs]

    scores = [
        overlap(each.summary, dialog["extractive_summary"])
        for each, dialog in zip(found, dialogs, strict=True)
    ]
    # 0.587; random sentences 0.35, the first ones 0.55.
    assert sum(scores) / len(scores) > 0.57
    assert all(item.verified for each in found for item in each.items)
