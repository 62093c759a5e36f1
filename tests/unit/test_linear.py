"""Weighted counts: the table of weights, and what sums of them say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.analysis import sentiment_of
from llm.offline.counts import COUNTS, count_in
from llm.offline.linear import START, SUREST, WEIGHTS, judge, weighed, weights_of, written
from llm.offline.sentiment import sentiment
from llm.offline.text import clean, ngrams

SUMS = st.lists(st.floats(-50, 50), min_size=3, max_size=3)


def counted(text: str) -> dict[str, float]:
    cleaned = clean(text)
    phrases = ngrams(cleaned)
    return dict(zip(COUNTS, count_in(text, cleaned, phrases, sentiment(cleaned, phrases)), strict=True))


def test_each_count_has_its_weights_and_each_weight_its_count() -> None:
    assert [*weights_of(WEIGHTS)] == [START, *COUNTS]


def test_no_weight_says_the_opposite_of_its_name() -> None:
    weights = weights_of(WEIGHTS)

    assert all(weights[name][2] > 0 > weights[name][0] for name in ("praise", "praising", "courtesy"))
    assert all(weights[name][0] > 0 > weights[name][2] for name in ("complaint", "complaining", "complaints"))


@given(SUMS)
def test_the_greatest_sum_is_the_band_and_the_score_is_in_it(sums: list[float]) -> None:
    against, neither, for_ = sums
    score, confidence = weighed(sums)

    assert -10_000 <= score <= 10_000
    assert 1 / 3 - 1e-9 <= confidence <= SUREST
    second, first = sorted(sums)[1:]
    if first - second > 1e-9:
        assert sentiment_of(score) == [against, neither, for_].index(first) - 1


@given(SUMS)
def test_praise_and_complaint_mirror_each_other(sums: list[float]) -> None:
    against, neither, for_ = sums

    if abs(against - for_) > 1e-9:
        assert weighed(sums).score == -weighed([for_, neither, against]).score


def test_a_score_moves_to_the_edge_of_its_band_as_the_next_band_comes_near() -> None:
    scores = [weighed([-5, 0, sum_]).score for sum_ in (3, 1, 0.01, -0.01, -1, -3)]

    assert scores == sorted(scores, reverse=True)
    assert scores[2] - scores[3] < 200


@pytest.mark.parametrize(
    ("text", "name", "count"),
    [
        ("Never, not today, nobody", "negations", 3),
        ("So really very late", "emphasis", 3),
        ("Is it? Is it?", "question", 1),
        ("Is it? Is it?", "questions", 2),
        ("It is here!", "exclamation", 1),
        ("See you on Monday", "days", 1),
        ("It is on https://shop.example", "link", 1),
        ("Why is it red", "why", 1),
        ("Two hours and two weeks ago", "time", 3),
        ("A door", "nothing", 1),
        ("Thanks, the driver was rude", "courtesy", 0),
    ],
)
def test_what_is_counted(text: str, name: str, count: float) -> None:
    assert counted(text)[name] == count


def test_what_speaks_for_a_band_comes_with_the_most_telling_first() -> None:
    names = dict.fromkeys(COUNTS, 0.0) | {"negations": 2.0, "why": 1.0, "link": 1.0}
    counts = [names[name] for name in COUNTS]

    assert written(counts, -10_000) == ["negations", "why"]
    assert written(counts, 0) == ["link"]
    assert judge(counts).confidence < SUREST
