"""Surprise: how unlikely the change of a topic between two windows is, given how much the topic varies anyway.

A count that is expected to go with the number of conversations is taken for a draw: of the n conversations of both
windows that have the topic, each lies in the first with the probability p, that window's part of all conversations.
Topics come in bursts, though, so the variance of such a draw is too small by a factor, the topic's dispersion, which
is taken from the days before. A rate by the hour, or a count taken for a known rate, calls 8 to 40 % of the topics
surprising that have not changed.

Student's t is computed here, because scipy would take 45 MB of the memory of a process that needs 118.
"""

from collections.abc import Iterable
from math import copysign, erfc, exp, inf, lgamma, log, log1p, pi, sqrt
from statistics import median
from typing import NamedTuple

ENOUGH_DAYS = 8
"""Days before the window from which on a topic's own dispersion is used."""
LOG_10 = log(10)
NORMAL, FAR = 10_000, 30
"""Degrees from which on t is as good as normal, and deviations from which on erfc gets too small."""
SMALLEST = 1e-300


class History(NamedTuple):
    """The days before a window on which there were conversations, of one topic."""

    days: int
    conversations: int
    """All of those days, with the topic or without."""
    having: int
    """Those with the topic."""
    squares: float
    """The sum over the days of the topic's count, squared, over the day's conversations."""


class Variation(NamedTuple):
    """How much counts vary: the factor of a draw's variance, and the degrees of freedom it is known with."""

    dispersion: float
    degrees: float


NO_MORE = Variation(1.0, inf)
"""Of draws that vary by chance alone."""


def dispersion_of(history: History) -> float | None:
    """A topic's variance from day to day over that of a draw, at least 1; None where it cannot be told."""
    days, conversations, having, squares = history
    if days < 2 or not 0 < having < conversations:
        return None
    share = having / conversations
    return max(1.0, (squares - having * share) / (share * (1 - share)) / (days - 1))


def usual_variation(histories: Iterable[History]) -> Variation:
    """The variation of the topic in the middle, for topics whose own days are too few to tell."""
    known = [(each.days - 1, found) for each in histories if (found := dispersion_of(each)) is not None]
    if not known:
        return NO_MORE
    # Over few days the middle one of many estimates is below their mean: with one degree, by half.
    degrees = max(days for days, _ in known)
    middle = median(found for _, found in known) / (1 - 2 / (9 * degrees)) ** 3
    return Variation(max(1.0, middle), sum(days for days, _ in known))


def variation(history: History, usual: Variation) -> Variation:
    """A topic's own variation, or the usual one where its days are too few.

    A topic that varies no more than draws do, within half a standard error, is taken for a draw, whose variance is
    known and not estimated. With the wider t for them too, 1.8 to 3.2 % of topics without a change reached what stands
    for 5 %; this way 3.3 to 4.3 %, and of topics that come in bursts 4.7 to 6.0 %.
    """
    if history.days < ENOUGH_DAYS:
        return usual
    degrees = history.days - 1
    found = dispersion_of(history) or 1.0
    return NO_MORE if found <= 1 + sqrt(2 / degrees) / 2 else Variation(found, degrees)


def deviation(count: int, other: int, conversations: int, others: int, dispersion: float) -> float | None:
    """By how many standard deviations a count is above what both windows together let expect.

    Of a draw without replacement: with it, the changes of common topics would seem smaller than they are.

    `conversations` and `others` are all conversations of the windows. None where one of them is empty, or all
    conversations have the topic: then there is nothing to compare.
    """
    both, total = count + other, conversations + others
    if not 0 < both < total or not conversations or not others:
        return None
    part = conversations / total
    variance = both * part * (1 - part) * (total - both) / (total - 1)
    return (count - both * part) / sqrt(variance * dispersion)


def surprise(deviations: float, degrees: float) -> float:
    """-log10 of how likely so big a deviation is, of either sign, with the sign of this one.

    1.3 stands for 5 %, 2 for 1 %. The probability is that of Student's t.
    """
    return copysign(-log_probability(deviations, degrees) / LOG_10, deviations)


def log_probability(deviations: float, degrees: float) -> float:
    """The natural logarithm of the probability that Student's t is at least so far from 0."""
    if degrees > NORMAL:
        return _log_normal(abs(deviations))
    square = deviations * deviations
    inside, outside = square / (degrees + square), degrees / (degrees + square)
    if outside < (degrees + 2) / (degrees + 5):
        return _log_beta_below(degrees / 2, 0.5, outside, inside)
    return log1p(-exp(_log_beta_below(0.5, degrees / 2, inside, outside))) if inside else 0.0


def _log_normal(deviations: float) -> float:
    """The same of the normal distribution."""
    if deviations < FAR:
        return log(erfc(deviations / sqrt(2)))
    return log(2 / sqrt(2 * pi) / deviations) - deviations * deviations / 2 + log1p(-1 / deviations**2)


def _log_beta_below(a: float, b: float, x: float, rest: float) -> float:
    """The logarithm of the regularised incomplete beta function I_x(a, b), for x below (a + 1) / (a + b + 2).

    `rest` is 1 - x. By its continued fraction (DLMF 8.17.22).
    """
    front = a * log(x) + b * log(rest) - log(a) + lgamma(a + b) - lgamma(a) - lgamma(b)
    return front - log(_fraction(a, b, x))


def _fraction(a: float, b: float, x: float) -> float:
    """1 + d1 / (1 + d2 / (1 + ...)), evaluated from the front by Lentz's method."""
    found = above = 1.0
    below, number, change = 0.0, 0, 0.0
    while abs(change - 1) > 1e-12 and number < 10_000:
        number += 1
        below = 1 / _not_zero(1 + (step := _step(a, b, x, number)) * below)
        above = _not_zero(1 + step / above)
        change = above * below
        found *= change
    return found


def _step(a: float, b: float, x: float, number: int) -> float:
    m, is_odd = divmod(number, 2)
    if is_odd:
        return -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
    return m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))


def _not_zero(number: float) -> float:
    return number if abs(number) > SMALLEST else SMALLEST
