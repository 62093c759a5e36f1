"""Days of conversations without a change, and the share of topics that are called surprising all the same."""

from collections.abc import Iterable, Sequence
from math import log10
from random import Random
from typing import NamedTuple

from domain.surprise import History, common_variation, deviation, surprise, variation

HISTORY, WINDOW = 28, 7
"""Days before both windows, and of each window."""
STANDS_FOR_5 = -log10(0.05)


class Dealt(NamedTuple):
    """A day: its conversations, and how many have each topic."""

    conversations: int
    having: Sequence[int]


def dealt(dice: Random, shares: Sequence[float], a_day: int, days: int) -> list[Dealt]:
    """Days on which each conversation has each topic with the same probability."""
    return [_day(dice, shares, a_day) for _ in range(days)]


def bursting(
    dice: Random, shares: Sequence[float], factors: Sequence[float], *, a_day: int, days: int
) -> list[Dealt]:
    """The same, but shares vary from day to day, so that counts vary by one of the factors more than draws."""
    varying = [(share, dice.choice(factors)) for share in shares]
    return [_day(dice, [_varied(dice, *each, a_day) for each in varying], a_day) for _ in range(days)]


def _varied(dice: Random, share: float, factor: float, a_day: int) -> float:
    if factor == 1:
        return share
    size = (a_day - 1) / (factor - 1) - 1
    return dice.betavariate(share * size, (1 - share) * size)


def _day(dice: Random, shares: Sequence[float], a_day: int) -> Dealt:
    number = dice.randrange(a_day * 3 // 4, a_day * 5 // 4)
    return Dealt(number, [sum(dice.random() < share for _ in range(number)) for share in shares])


def share_reached(trials: Iterable[Sequence[Dealt]]) -> float:
    """Of the topics of all trials, those that reach what stands for 5 % in the last week against the one before."""
    found = [abs(each) >= STANDS_FOR_5 for days in trials for each in surprises(days)]
    return sum(found) / len(found)


def surprises(days: Sequence[Dealt]) -> list[float]:
    """Of the topics with conversations in one of the last two weeks."""
    past, before, now = days[: -2 * WINDOW], days[-2 * WINDOW : -WINDOW], days[-WINDOW:]
    histories = [_history(past[-HISTORY:], topic) for topic in range(len(days[0].having))]
    common = common_variation(histories)
    found = []
    for topic, history in enumerate(histories):
        varies = variation(history, common)
        counts = (sum(day.having[topic] for day in week) for week in (now, before))
        totals = (sum(day.conversations for day in week) for week in (now, before))
        deviations = deviation(*counts, *totals, dispersion=varies.dispersion)  # type: ignore[misc]
        if deviations is not None:
            found.append(surprise(deviations, varies.degrees))
    return found


def _history(days: Sequence[Dealt], topic: int) -> History:
    known = [day for day in days if day.conversations]
    squares = sum(day.having[topic] ** 2 / day.conversations for day in known)
    having = sum(day.having[topic] for day in known)
    return History(len(known), sum(day.conversations for day in known), having, squares)
