"""How long work takes that costs money, where each UTC day pays for a part of it only."""

import math
from fractions import Fraction
from typing import NamedTuple

DAY_SECONDS = 86_400


class DailyMoney(NamedTuple):
    """What may be spent, in any unit: today from now on, and on each day after."""

    left_today: float
    a_day: float
    until_midnight: float
    """Seconds until the next UTC day."""


def seconds_until_done(work: float, cost: float, money: DailyMoney | None) -> float | None:
    """Seconds until work is done that takes `work` seconds and costs `cost`, both spread evenly over it.

    `money` is None where there is no limit. None if no day ever pays for any of it.
    """
    if money is None or cost <= 0:
        return work
    today = _share(work, cost, money.left_today, money.until_midnight)
    if today == 1:
        return work
    each_day = _share(work, cost, money.a_day, DAY_SECONDS)
    if not each_day:
        return None
    left = 1 - today
    whole_days = math.ceil(left / each_day) - 1
    last = (left - whole_days * each_day) * Fraction(work)
    return float(Fraction(money.until_midnight) + whole_days * DAY_SECONDS + last)


def _share(work: float, cost: float, money: float, seconds: float) -> Fraction:
    """The part of the work that so much money pays for, and that fits into so many seconds."""
    paid = Fraction(money) / Fraction(cost)
    fits = Fraction(seconds) / Fraction(work) if work else Fraction(1)
    return min(Fraction(1), paid, fits)
