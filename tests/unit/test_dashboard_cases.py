"""Cases: shares that are true, counts by topic and agent, and a price in plain words."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.answers import Case, Job, SummariesEstimate
from dashboard import cases, running

WHEN = datetime(2026, 11, 13, tzinfo=UTC)
NAMES = st.lists(st.sampled_from(["delay", "refund", "pricing"]), max_size=4)


def case(topics: list[str], *people: tuple[str, list[str]], **given: Any) -> Case:
    item = {"text": "?", "positions": [1], "quote": "?", "verified": True}
    whole = {
        "status": "completed",
        "conversation_id": "c1",
        "sentiment": "negative",
        "outcome": "maybe",
        "model_outcome": "maybe",
        "keywords": [],
        "message_count": 2,
        "stale": False,
        "analyzer": "offline",
        "model": "rules",
        "created_at": WHEN,
        "updated_at": WHEN,
        "summary": "It is late.",
        "action_items": [item],
        "decisions": [],
        "questions": [item | {"answered": True}, item | {"answered": False}],
        "timestamp": WHEN,
        "participants": [{"id": name, "roles": roles} for name, roles in people],
        "topics": topics,
        "has_open_questions": True,
    }
    return Case.model_validate(whole | given)


def job(**given: Any) -> Job:
    whole = {
        "id": "j1",
        "kind": "summarise",
        "status": "running",
        "done": 5,
        "total": 20,
        "usd": 0.5,
        "conversations": 20,
        "error": None,
        "created_at": WHEN,
        "created_by": "ann",
        "ended_at": None,
    }
    return Job.model_validate(whole | given)


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"maybe": 5, "yes": 15}, "5 of 20 cases are open (25 %)."),
        ({"maybe": 1, "no": 1_999}, "1 of 2,000 cases is open (0.1 %)."),
        ({"yes": 3}, "0 of 3 cases are open (0 %)."),
        ({}, "No conversation of this window that the filters let through has a summary."),
    ],
)
def test_the_share_that_is_open(counts: dict[str, int], said: str) -> None:
    assert cases.sentence(counts) == said


@given(st.dictionaries(st.sampled_from(["maybe", "yes", "no", "curious"]), st.integers(0, 99)))
def test_shares_add_up_to_one_or_are_not_known(counts: dict[str, int]) -> None:
    shares = [cases.share(counts, name) for name in ("maybe", "yes", "no", "curious")]

    if sum(counts.values()):
        assert sum(each or 0 for each in shares) == pytest.approx(1)
    else:
        assert shares == [None] * 4


@given(st.lists(NAMES, max_size=8))
def test_a_case_counts_once_for_each_of_its_topics(topics: list[list[str]]) -> None:
    rows = cases.by_topic([case(each) for each in topics])

    assert {row["id"]: row["n"] for row in rows} == Counter(name for each in topics for name in {*each})
    assert [row["n"] for row in rows] == sorted((row["n"] for row in rows), key=lambda n: -int(str(n)))


def test_only_those_who_wrote_as_agents_count_as_agents() -> None:
    both = ("cleo", ["customer", "support_agent"])
    found = [case([], ("ann", ["customer"]), ("bob", ["support_agent"])), case([], both)]

    assert [(row["id"], row["n"]) for row in cases.by_agent(found)] == [("bob", 1), ("cleo", 1)]
    assert [(row["customers"], row["agents"]) for row in cases.rows(found)] == [
        ("ann", "bob"),
        ("cleo", "cleo"),
    ]


def test_a_row_counts_questions_without_an_answer() -> None:
    (row,) = cases.rows([case(["delay"])])

    assert (row["questions"], row["to do"], row["outcome"]) == (1, 1, "open")


@pytest.mark.parametrize(
    ("conversations", "usd", "seconds", "said"),
    [
        (0, 0.0, 0.0, "Every analysed conversation that this is about has a summary."),
        (1, 0.0, 0.0, "1 conversation has no summary. To write them costs nothing."),
        (
            2_000,
            3.456,
            400.0,
            "2,000 conversations have no summary. To write them costs about $3.46, and takes about 7 minutes.",
        ),
        (
            3,
            0.00456,
            1.0,
            "3 conversations have no summary. To write them costs about $0.0046, and takes about 1 second.",
        ),
    ],
)
def test_the_price_comes_first(conversations: int, usd: float, seconds: float, said: str) -> None:
    found = SummariesEstimate(
        conversations=conversations, usd=usd, usd_per_summary=0.001, seconds=seconds, based_on="guess"
    )

    assert cases.price(found) == said


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "Running: 5 of 20 written, for $0.50."),
        ({"total": None, "usd": 0}, "Running: 5 written, for $0.00."),
        ({"status": "capped", "done": 7}, "Stopped at its limit of money: 7 of 20 written, for $0.50."),
        ({"done": 30}, "Running: 30 of 20 written, for $0.50."),
    ],
)
def test_how_far_a_job_is(given: dict[str, Any], said: str) -> None:
    assert cases.standing(job(**given)) == said


@given(st.integers(0, 50), st.none() | st.integers(0, 40))
def test_a_bar_is_never_longer_than_whole(done: int, total: int | None) -> None:
    assert 0 <= running.share(job(done=done, total=total)) <= 1
    assert running.share(job(done=10, total=40)) == 0.25
