"""The rule of the outbound cap by itself: what it makes of departures, whoever made them."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.support.arrivals import busiest_second, share_of
from llm.pacer import SHORTEST_GAP
from rate_limiter import Pace

RATES = st.one_of(st.integers(1, 200).map(float), st.floats(0.2, 60, allow_nan=False))


def left_one_after_another(rate: float, calls: int, most_late: float, seed: int) -> list[float]:
    """When calls leave that take turns at a row, each late by up to so many seconds, and stamped after that."""
    pace, late = Pace.of(rate, SHORTEST_GAP), Random(seed)  # noqa: S311  how late things are is no secret
    now, stamps, left = 1_000.0, list[float](), list[float]()
    for _ in range(calls):
        now += pace.wait(stamps, now)
        now += late.uniform(0, most_late)
        left.append(now)
        now += late.uniform(0, most_late)
        stamps = [*pace.recent(stamps, now), now]
    return left


@given(rate=RATES, most_late=st.sampled_from([0.0, 0.005, 0.03, 0.6]), seed=st.integers(0, 99))
def test_no_second_holds_more_calls_than_the_cap_however_late_each_leaves(
    rate: float, most_late: float, seed: int
) -> None:
    left = left_one_after_another(rate, 3 * max(1, int(rate)) + 5, most_late, seed)

    assert busiest_second(left, 1.0 if rate >= 1 else 1 / rate) <= max(1, int(rate))


@pytest.mark.parametrize("rate", [5, 10, 50])
def test_calls_that_leave_a_little_late_use_0_95_of_the_cap(rate: int) -> None:
    left = left_one_after_another(rate, 20 * rate, 0.01, seed=1)

    assert share_of(left, rate) >= 0.95


def test_calls_do_not_leave_in_a_bunch_after_a_late_one() -> None:
    left = left_one_after_another(10, 100, 0.3, seed=1)

    assert min(later - earlier for earlier, later in zip(left, left[2:], strict=False)) >= 0.155


@given(
    rate=RATES,
    departures=st.lists(st.floats(0, 2_000), max_size=30).map(sorted),
    now=st.floats(900, 1_100),
)
def test_a_clock_that_was_set_back_costs_no_more_than_a_period(
    rate: float, departures: list[float], now: float
) -> None:
    pace = Pace.of(rate)

    assert 0 <= pace.wait(departures, now) <= pace.period + 1e-9
    assert all(now - pace.period <= each <= now for each in pace.recent(departures, now))


def test_a_process_with_a_smaller_cap_leaves_the_departures_that_count_for_a_greater_one() -> None:
    ten, two = Pace.of(10), Pace.of(2)
    stamps = [100.0 + number / 20 for number in range(10)]

    kept = two.recent(stamps, 100.5)

    assert ten.wait(kept, 100.5) == ten.wait(stamps, 100.5) > 0.5


def test_the_busiest_second_is_found_wherever_it_begins() -> None:
    assert busiest_second([]) == 0
    assert busiest_second([5.0, 0.0, 0.9, 1.0, 1.8, 1.9]) == 3
    assert busiest_second([0.0, 0.4, 0.6], seconds=0.5) == 2
