"""Surprise: against scipy's distributions, and calibrated on data without a change."""

from collections.abc import Iterable, Sequence
from math import exp, inf, isfinite
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from benchmarks.support.no_change import STANDS_FOR_5, bursting, dealt, share_reached
from domain.polygamma import digamma, inverse_trigamma, trigamma
from domain.surprise import (
    NO_MORE,
    History,
    Variation,
    common_variation,
    degrees_of,
    deviation,
    dispersion_of,
    log_probability,
    surprise,
    variation,
)
from tests.support.distributions import stats


@given(st.floats(-30, 30), st.floats(1, 5_000))
def test_the_probability_is_that_of_students_t(deviations: float, degrees: float) -> None:
    found = log_probability(deviations, degrees)

    assert found == pytest.approx(
        stats().t.logsf(abs(deviations), degrees) + 0.6931471805599453, rel=1e-8, abs=1e-8
    )


@given(st.floats(-37, 37))
def test_without_an_estimate_it_is_that_of_the_normal_distribution(deviations: float) -> None:
    expected = stats().norm.logsf(abs(deviations)) + 0.6931471805599453

    assert log_probability(deviations, inf) == pytest.approx(expected, rel=1e-5, abs=1e-9)


@given(st.floats(-1e6, 1e6), st.one_of(st.floats(1, 1e12), st.just(inf)))
def test_surprise_is_finite_and_has_the_sign_of_the_deviation(deviations: float, degrees: float) -> None:
    found = surprise(deviations, degrees)

    assert isfinite(found)
    assert found * deviations >= 0


def test_the_bigger_the_deviation_the_bigger_the_surprise() -> None:
    found = [surprise(number / 10, 27) for number in range(-200, 201)]

    assert found == sorted(found)
    assert surprise(stats().t.isf(0.025, 27), 27) == pytest.approx(1.30103)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 200), st.integers(0, 200))
def test_deviations_are_those_of_a_draw_without_replacement(a: int, b: int, rest: int, others: int) -> None:
    conversations, total = a + rest, a + rest + b + others
    found = deviation(a, b, conversations, b + others, dispersion=4.0)
    if not 0 < a + b < total or not 0 < conversations < total:
        assert found is None
        return
    # scipy's own mean and variance warn of 0 / 0 where there are fewer than four conversations.
    draw = stats().hypergeom(total, a + b, conversations)
    values = range(min(a + b, conversations) + 1)
    mean = sum(value * draw.pmf(value) for value in values)
    variance = sum((value - mean) ** 2 * draw.pmf(value) for value in values)
    bursts = stats().betabinom(a + b, (a + b) / 3 / 2, (a + b) / 3 / 2)
    by_bursts = bursts.var() / stats().binom(a + b, 0.5).var()
    assert found == pytest.approx((a - mean) / (variance * by_bursts) ** 0.5, rel=1e-6, abs=1e-6)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 60)), min_size=2, max_size=40))
def test_dispersion_is_the_variance_over_that_of_draws(days: list[tuple[int, int]]) -> None:
    days = [(min(having, all_), all_) for having, all_ in days]
    having, all_ = (sum(column) for column in zip(*days, strict=True))
    found = dispersion_of(History(len(days), all_, having, sum(a * a / n for a, n in days)))
    if not 0 < having < all_:
        assert found is None
        return
    share = having / all_
    pearson = sum((a - n * share) ** 2 / (n * share * (1 - share)) for a, n in days) / (len(days) - 1)
    assert found == pytest.approx(pearson, abs=1e-9)


@given(st.floats(0.01, 1e4))
def test_derivatives_of_log_gamma_are_scipys(x: float) -> None:
    assert digamma(x) == pytest.approx(special.digamma(x), rel=1e-9, abs=1e-9)
    assert trigamma(x) == pytest.approx(special.polygamma(1, x), rel=1e-9)
    assert inverse_trigamma(trigamma(x)) == pytest.approx(x, rel=1e-6)


def with_dispersions(dispersions: Iterable[float], days: int = 28) -> list[History]:
    """Histories of topics with two conversations of a hundred on a day, that vary so."""
    share, having = 0.02, 2 * days
    return [
        History(days, 100 * days, having, having * share + each * share * (1 - share) * (days - 1))
        for each in dispersions
    ]


def test_topics_that_vary_alike_have_one_variation_and_others_keep_their_own() -> None:
    dice = Random(3)  # noqa: S311  nothing is kept secret with it
    (one,) = with_dispersions([6.0])
    freedom = degrees_of(one)
    assert freedom == 27 / 1.25
    scattered = [2 * dice.gammavariate(freedom / 2, 2 / freedom) for _ in range(200)]
    alike = common_variation(with_dispersions(scattered))
    assert alike.dispersion == pytest.approx(2, rel=0.05)
    assert alike.degrees > 100
    drawn = variation(one, alike)
    assert 2 < drawn.dispersion < 3

    apart = common_variation(
        with_dispersions(each * (1, 8)[place % 2] for place, each in enumerate(scattered))
    )
    assert apart.degrees < 10
    assert variation(one, apart).dispersion == pytest.approx(6, rel=0.1)
    assert freedom < variation(one, apart).degrees < freedom + 10


def test_without_a_past_topics_are_taken_for_draws() -> None:
    nothing = History(0, 0, 0, 0.0)
    (steady, bursting_) = with_dispersions([0.5, 5.0])

    assert common_variation([]) == common_variation([nothing]) == NO_MORE
    assert variation(nothing, NO_MORE) == variation(steady, common_variation([steady])) == NO_MORE
    assert variation(bursting_, common_variation([bursting_])) == pytest.approx((5, 43))
    # A topic that is new varies as the others do.
    assert variation(nothing, Variation(3.0, 9.5)) == Variation(3.0, 9)


SHARES = [0.3 / rank for rank in range(1, 20)] + [0.006] * 18


@pytest.mark.parametrize("a_day", [60, 150])
def test_of_threads_dealt_at_random_3_to_7_percent_reach_what_stands_for_5(a_day: int) -> None:
    dice = Random(11)  # noqa: S311  nothing is kept secret with it
    reached = share_reached(dealt(dice, SHARES, a_day, days=42) for _ in range(30))

    assert 0.03 <= reached <= 0.07
    assert exp(-STANDS_FOR_5 * 2.302585) == pytest.approx(0.05, abs=0.0002)


@pytest.mark.parametrize("factors", [(2.0,), (4.0,), (1.0, 1.3, 2.0, 3.5, 8.0)])
def test_neither_do_topics_that_come_in_bursts_surprise_more(factors: Sequence[float]) -> None:
    dice = Random(12)  # noqa: S311  nothing is kept secret with it
    reached = share_reached(bursting(dice, SHARES, factors, a_day=100, days=42) for _ in range(30))

    assert 0.03 <= reached <= 0.07
