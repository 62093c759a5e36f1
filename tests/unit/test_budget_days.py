"""How long a queue takes on a daily budget, against a simulation that lives through every day."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis.strategies import integers, none, one_of

from domain.budget_days import DAY_SECONDS, DailyMoney, seconds_until_done


def simulated(work: int, cost: int, left: int, a_day: int, until_midnight: int) -> Fraction:
    """Live through the days: each works until it is out of money or over."""
    now, done, money, day_ends = Fraction(0), Fraction(0), Fraction(left), Fraction(until_midnight)
    per_second = Fraction(cost, work)
    while True:
        seconds = min(work - done, money / per_second, day_ends - now)
        done += seconds
        now += seconds
        if done == work:
            return now
        now, money, day_ends = day_ends, Fraction(a_day), day_ends + DAY_SECONDS


@given(
    work=integers(1, 1_000_000),
    cost=integers(1, 10_000),
    left=integers(0, 3_000),
    a_day=integers(50, 3_000),
    until_midnight=integers(1, DAY_SECONDS),
)
def test_it_is_as_long_as_living_through_the_days(
    work: int, cost: int, left: int, a_day: int, until_midnight: int
) -> None:
    expected = simulated(work, cost, left, a_day, until_midnight)

    assert seconds_until_done(work, cost, DailyMoney(left, a_day, until_midnight)) == float(expected)


@given(work=integers(0, 1_000), cost=integers(0, 1_000), left=one_of(none(), integers(1_000, 2_000)))
def test_where_money_is_no_matter_it_takes_what_the_work_takes(
    work: int, cost: int, left: int | None
) -> None:
    money = None if left is None else DailyMoney(left, 1, DAY_SECONDS)

    assert seconds_until_done(work, cost, money) == work


@pytest.mark.parametrize(
    ("work", "cost", "money", "seconds"),
    [
        # Ten dollars at three a day, one left today: one, three, three, and three on the fourth day.
        (100, 10, DailyMoney(1, 3, 3_600), 3_600 + 2 * DAY_SECONDS + 30),
        (0, 10, DailyMoney(1, 3, 3_600), 3_600 + 2 * DAY_SECONDS),
        (100, 10, DailyMoney(0, 10, 3_600), 3_600 + 100),
        (100, 10, DailyMoney(5, 0, 3_600), None),
        (2 * DAY_SECONDS, 1, DailyMoney(5, 5, 3_600), 2 * DAY_SECONDS),
    ],
)
def test_examples(work: float, cost: float, money: DailyMoney, seconds: float | None) -> None:
    assert seconds_until_done(work, cost, money) == seconds
