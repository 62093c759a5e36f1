"""Two topics side by side: a sentence that is true, and points that lie in the window."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.answers import ComparedTopics
from dashboard import pair

START, END = datetime(2026, 11, 12, tzinfo=UTC), datetime(2026, 11, 19, tzinfo=UTC)


def topic(slug: str, count: int, mean: float | None) -> dict[str, Any]:
    figures = {"count": count, "share": count / 1_000, "negative_share": 0.5, "mean_sentiment": mean}
    more = {"slug": slug, "label": slug.title(), "previous": figures, "change": 0, "surprise": None}
    return figures | more | {"first_seen": START, "last_seen": END, "sparkline": [count, *[0] * 23]}


def compared(*topics: dict[str, Any]) -> ComparedTopics:
    window = {
        "start_time": START,
        "end_time": END,
        "total_insights": 1_000,
        "negative_share": 0.5,
        "mean_sentiment": -0.1,
    }
    listed = {"total": len(topics), "page": 1, "limit": 1_000, "pages": 1}
    return ComparedTopics.model_validate(
        {"topics": topics, **listed, "window": window, "previous": window, "history_days": 0}
    )


def both(one: dict[str, Any], two: dict[str, Any]) -> pair.Pair:
    found = pair.pair(compared(one, two), one["slug"], two["slug"])
    assert found
    return found


def test_the_commoner_one_comes_first_and_the_one_with_the_lower_mean_is_named() -> None:
    found = both(topic("delay", 30, -0.4), topic("refund", 250, 0.1))

    assert pair.sentence(found) == (
        "“Refund” is in 250 of 1,000 (25 %) conversations, “Delay” in 30 of 1,000 (3.0 %)."
        " The mean sentiment is lower where it is about “Delay”: +0.10 and -0.40."
    )


@pytest.mark.parametrize(
    ("count", "mean", "said"),
    [
        (19, -0.4, "too few to say"),
        (30, None, "“Delay” in 30 of 1,000 (3.0 %)."),
        (30, 0.102, "Their mean sentiments are about the same: +0.10 and +0.10."),
    ],
)
def test_what_can_not_be_told_apart_is_not(count: int, mean: float | None, said: str) -> None:
    sentence = pair.sentence(both(topic("delay", count, mean), topic("refund", 250, 0.1)))

    assert said in sentence
    assert "lower" not in sentence


@given(st.floats(-1, 1), st.floats(-1, 1), st.integers(20, 500), st.integers(20, 500))
def test_the_sentence_is_the_same_in_either_order(one: float, two: float, some: int, others: int) -> None:
    first, second = topic("delay", some, one), topic("refund", others + 501, two)

    assert pair.sentence(both(first, second)) == pair.sentence(both(second, first))


def test_points_begin_with_the_window_and_end_before_it_does() -> None:
    points = pair.points(both(topic("delay", 30, 0), topic("refund", 5, 0)))

    assert len(points) == 48
    assert points[0] == {"when": START.isoformat(), "n": 30, "topic": "Delay"}
    assert points[24]["topic"] == "Refund"
    assert max(str(each["when"]) for each in points) < END.isoformat()


def test_a_topic_that_is_not_there_makes_no_pair() -> None:
    found = compared(topic("delay", 30, 0))

    assert pair.pair(found, "delay", "never_was") is None
    assert pair.pair(found, "delay", None) is None
