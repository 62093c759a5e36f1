"""Measured quality: intervals hold the truth, also with few checks and with people who correct what looks wrong."""

from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.special import betainc, betaincinv

from domain.incomplete_beta import beta_quantile, incomplete_beta
from domain.quality import (
    BINS,
    Checked,
    accuracy_of,
    bin_of,
    chances,
    places_to_draw,
    reliability,
    threshold,
)

shapes = st.floats(0.05, 3_000)


@given(a=shapes, b=shapes, x=st.floats(0, 1))
def test_the_incomplete_beta_function_is_that_of_scipy(a: float, b: float, x: float) -> None:
    assert incomplete_beta(a, b, x) == pytest.approx(betainc(a, b, x), abs=1e-8)


@given(a=st.floats(0.5, 500), b=st.floats(0.5, 500), share=st.sampled_from([0.025, 0.5, 0.975]))
def test_quantiles_are_those_of_scipy(a: float, b: float, share: float) -> None:
    assert beta_quantile(share, a, b) == pytest.approx(betaincinv(a, b, share), abs=1e-8)


# --- a simulation -----------------------------------------------------------------------------------------------

Insight = tuple[int, bool]
"""A confidence, and whether the analyzer is right."""


def population(dice: Random, size: int) -> list[Insight]:
    """Mostly sure of themselves, and a little too much so."""
    found = []
    for _ in range(size):
        confidence = min(100, max(0, round(100 * dice.betavariate(6, 1.6))))
        found.append((confidence, dice.random() < 0.25 + 0.68 * confidence / 100))
    return found


def drawn(insights: list[Insight], wanted: int, dice: Random) -> Iterator[Checked]:
    bins: list[list[Insight]] = [[] for _ in BINS]
    for each in insights:
        bins[bin_of(each[0])].append(each)
    sizes = [*map(len, bins)]
    found = chances(sizes, wanted)
    for inside, chance, places in zip(bins, found, places_to_draw(sizes, found, dice), strict=True):
        for confidence, agrees in (inside[place] for place in places):
            yield Checked(confidence, agrees, 1 / chance)


def right(insights: list[Insight]) -> float:
    return sum(agrees for _, agrees in insights) / len(insights)


@pytest.mark.parametrize(("checks", "runs"), [(60, 300), (300, 150)])
def test_the_truth_lies_within_the_interval_in_most_of_many_runs(checks: int, runs: int) -> None:
    dice = Random(19)  # noqa: S311  nothing is kept secret with it
    insights = population(dice, 4_000)
    truths = [right([each for each in insights if bin_of(each[0]) == place]) for place in range(len(BINS))]
    held, held_in_bins, in_bins = 0, 0, 0
    for _ in range(runs):
        checked = [*drawn(insights, checks, dice)]
        found = accuracy_of(checked)
        held += found.low <= right(insights) <= found.high
        for truth, each in zip(truths, reliability(checked), strict=True):
            in_bins += 1
            held_in_bins += each.accuracy.low <= truth <= each.accuracy.high

    assert held / runs >= 0.93
    assert held_in_bins / in_bins >= 0.93


def test_people_who_correct_what_looks_wrong_do_not_move_the_figures() -> None:
    """They correct half of what is wrong, and confirm a hundredth of what is right: 0.2 of that would be right."""
    dice = Random(7)  # noqa: S311  nothing is kept secret with it
    insights = population(dice, 4_000)
    corrected = {
        place for place, (_, agrees) in enumerate(insights) if dice.random() < (0.01 if agrees else 0.5)
    }
    biased = right([insights[place] for place in corrected])
    estimates = [accuracy_of(drawn(insights, 60, dice)) for _ in range(200)]

    mean = sum(each.share or 0 for each in estimates) / len(estimates)
    assert abs(biased - right(insights)) > 0.5
    assert abs(mean - right(insights)) < 0.02


# --- the parts --------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=6), st.integers(1, 200))
@example(sizes=[172], wanted=172)
def test_about_as_many_are_drawn_as_are_wanted(sizes: list[int], wanted: int) -> None:
    found = chances(sizes, wanted)

    assert all(0 <= chance <= 1 for chance in found)
    expected = sum(size * chance for size, chance in zip(sizes, found, strict=True))
    assert expected == pytest.approx(min(wanted, sum(sizes)), rel=1e-6)
    bins = places_to_draw(sizes, found, Random(wanted))  # noqa: S311
    assert sum(map(len, bins)) == pytest.approx(expected, abs=1e-6)
    for size, chance, places in zip(sizes, found, bins, strict=True):
        assert len(places) == len(set(places)) <= size
        assert abs(len(places) - size * chance) < 1 + 1e-6


def test_each_insight_is_drawn_with_its_chance() -> None:
    sizes, dice = [100, 4, 0, 9], Random(3)  # noqa: S311
    found, runs = chances(sizes, 2), 4_000
    times = Counter(
        place
        for _ in range(runs)
        for place, drawn in enumerate(places_to_draw(sizes, found, dice))
        for _ in drawn
    )

    for place, (size, chance) in enumerate(zip(sizes, found, strict=True)):
        assert times[place] / runs == pytest.approx(size * chance, abs=0.04)


def test_nothing_checked_tells_nothing() -> None:
    assert accuracy_of([]) == (0, None, 0.0, 1.0)
    assert threshold([], 0.95) is None
    assert [each.accuracy.n for each in reliability([])] == [0] * len(BINS)


def test_equal_chances_give_the_interval_of_clopper_and_pearson() -> None:
    found = accuracy_of([Checked(90, number > 0, 7.0) for number in range(10)])

    assert found.share == pytest.approx(0.9)
    assert [found.low, found.high] == pytest.approx([0.5550, 0.9975], abs=1e-4)


def test_the_threshold_is_the_lowest_confidence_that_is_right_often_enough() -> None:
    sure = [Checked(95, True, 1.0)] * 15
    fair = [Checked(80, number % 4 > 0, 2.0) for number in range(20)]
    found = threshold([*sure, *fair], 0.95)

    assert found is not None
    assert (found.confidence, found.accuracy.n) == (95, 15)
    assert found.part == pytest.approx(15 / 55)
    assert threshold(sure[:5], 0.95) is None
    assert threshold(fair, 0.7) is not None
