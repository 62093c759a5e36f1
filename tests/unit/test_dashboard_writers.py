"""Those who wrote: a sentence that is true, and where the values of a field lead."""

from datetime import UTC, datetime
from math import inf, nextafter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.answers import Facets, PeoplePage, Person
from client.answers.conversations import FieldValue
from dashboard import writers
from dashboard.address import Address, PeopleOrder
from dashboard.writers import FARTHEST
from domain.fields.kinds import EDGES, bin_label, number_bin


def person(id_: str | None = "ann", conversations: int = 3, **given: Any) -> Person:
    whole = {
        "id": id_,
        "conversations": conversations,
        "negative": 2,
        "mean": -0.4,
        "topics": ["delay", "refund"],
        "last_seen": datetime(2026, 11, 13, tzinfo=UTC),
        "open_cases": 1,
    }
    return Person.model_validate(whole | given)


def page(*people: Person, more: bool = False) -> PeoplePage:
    return PeoplePage(people=[*people], next_cursor="next" if more else None)


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ("-negative", "Nobody has more negative conversations than “ann”: 2 of 3."),
        ("-conversations", "Nobody came more often than “ann”: 3 conversations."),
        ("mean", "Nobody has a lower mean than “ann”: -0.40, of 3 conversations."),
        ("-open_cases", "Nobody has more open cases than “ann”: 1."),
        ("id", ""),
    ],
)
def test_the_first_of_a_list_is_called_what_its_order_makes_of_them(order: PeopleOrder, said: str) -> None:
    sentence = writers.sentence(page(person(), person("bob", 1)), "customer", order)

    opening = "2 customers wrote in this window, 1 of them in more than one conversation."
    assert sentence == f"{opening} {said}".rstrip()


@pytest.mark.parametrize(
    ("order", "given"),
    [("-negative", {"negative": 0}), ("mean", {"mean": None}), ("-open_cases", {"open_cases": 0})],
)
def test_nobody_is_named_for_what_they_do_not_have(order: PeopleOrder, given: dict[str, Any]) -> None:
    assert "ann" not in writers.sentence(page(person(**given)), "customer", order)


def test_an_empty_list_says_so() -> None:
    assert writers.sentence(page(), "support_agent", "id") == (
        "None of the agents and companies wrote in this window."
    )


@given(counts=st.lists(st.integers(1, 4), min_size=1, max_size=12), shown=st.integers(1, 12))
def test_how_many_came_again_is_only_said_where_all_of_them_are_on_the_page(
    counts: list[int], shown: int
) -> None:
    ordered = sorted(counts, reverse=True)
    found = page(*(person(conversations=each) for each in ordered[:shown]), more=shown < len(ordered))
    sentence = writers.sentence(found, "customer", "-conversations")
    again = sum(each > 1 for each in ordered)

    if f"{again:,} of them in more than one" not in sentence and ", each in one conversation" not in sentence:
        assert found.next_cursor
        assert all(each > 1 for each in ordered[:shown])
    if ", each in one" in sentence:
        assert again == 0
    assert "more than one" not in writers.sentence(found, "customer", "-negative") or not found.next_cursor


def test_a_name_that_cannot_be_decrypted_opens_nothing() -> None:
    (row,) = writers.rows([person(None)])

    assert row["id"] == ""
    assert row["name"] == "(cannot be decrypted)"
    assert row["share"] == pytest.approx(2 / 3)
    assert row["open share"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("facet", "narrowed"),
    [
        ("analyzer", {"analyzer": "x"}),
        ("model", {"model": "x"}),
        ("metadata.shop", {"metadata": {"shop": "x"}}),
        ("urgency", {"fields": {"urgency": "x"}}),
    ],
)
def test_a_value_narrows_the_list_by_its_field(facet: str, narrowed: dict[str, Any]) -> None:
    address = Address.of({"facet": facet})[0]

    assert writers.narrowed(writers.opened(address, "x")) == narrowed
    assert writers.narrowed(address) == {}


@given(st.integers(0, 2 * len(EDGES)).map(lambda place: f"#{place - len(EDGES)}"))
def test_the_range_of_a_bin_finds_what_is_in_it(name: str) -> None:
    address = Address.of({"facet": "refund", "value": bin_label(name)})[0]

    least, most = writers.narrowed(address)["fields"]["refund"]

    assert least <= most
    assert {number_bin(least), number_bin(most)} == {name}
    before, after = nextafter(least, -inf), nextafter(most, inf)
    assert before < -FARTHEST or number_bin(before) != name
    assert after > FARTHEST or number_bin(after) != name


def test_answers_to_fields_are_lines() -> None:
    answers: dict[str, FieldValue] = {
        "urgency": "high",
        "refund": 12.5,
        "damaged": False,
        "place": None,
        "wishes": ["a", "b"],
        "none": [],
    }

    assert writers.answers(answers) == "urgency: high\nrefund: 12.5\ndamaged: no\nwishes: a, b"
    assert writers.answers(None) == ""


def test_authors_and_outcomes_have_filters_of_their_own() -> None:
    author = writers.opened(Address.of({"facet": "author"})[0], "ann")
    outcome = writers.opened(Address.of({"facet": "outcome"})[0], "no")

    assert (author.author, author.value) == ("ann", None)
    assert outcome.outcome == "no"
    assert writers.narrowed(author) == writers.narrowed(outcome) == {}


def test_values_are_shown_as_they_are() -> None:
    found = Facets.model_validate(
        {
            "field": "author",
            "values": [{"value": "![x](//y)", "count": 2}, {"value": None, "count": 1}],
            "has_more": False,
        }
    )

    assert writers.values(found) == [
        {"value": "![x](//y)", "n": 2},
        {"value": "(cannot be decrypted)", "n": 1},
    ]
