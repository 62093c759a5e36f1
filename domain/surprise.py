"""Surprise: how unlikely the change of a topic between two windows is, given how much the topic varies anyway.

A count that is expected to go with the number of conversations is taken for a draw: of the n conversations of both
windows that have the topic, each lies in the first with the probability p, that window's part of all conversations.
Topics come in bursts, though, so the variance of such a draw is too small by a factor, the topic's dispersion, which
is taken from the days before. A rate by the hour, or a count taken for a known rate, calls 8 to 40 % of the topics
surprising that have not changed.

Student's t is computed here, because scipy would take 45 MB of the memory of a process that needs 118.
"""

from collections.abc import Iterable
from heapq import nlargest
from math import copysign, erfc, exp, floor, inf, lgamma, log, log1p, pi, sqrt
from statistics import fmean, variance
from typing import NamedTuple

from domain.polygamma import digamma, inverse_trigamma, trigamma

FEW = 3
"""Topics of which the scatter of dispersions cannot be told."""
MOST = 256
"""Topics that tell what all have in common; more would not tell it better, and take time."""
LOG_10 = log(10)
NORMAL, FAR = 10_000, 30
"""Degrees from which on t is as good as normal, and deviations from which on erfc gets too small."""
SMALLEST = 1e-300
LEAST = 0.01
"""The smallest dispersion that is looked at: counts that go with the conversations to the last one have 0."""


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
    """A topic's variance from day to day over that of a draw; None where it cannot be told."""
    days, conversations, having, squares = history
    if days < 2 or not 0 < having < conversations:
        return None
    share = having / conversations
    return max(0.0, squares - having * share) / (share * (1 - share)) / (days - 1)


def degrees_of(history: History) -> float:
    """With how many degrees of freedom the dispersion is known: the fewer, the rarer the topic.

    The variance of a sum of squared deviations of counts with the mean m is 1 + 1/2m times that of chi-square.
    """
    return (history.days - 1) / (1 + history.days / (2 * history.having))


def common_variation(histories: Iterable[History]) -> Variation:
    """What the variations of the topics have in common, and by its degrees how alike they are.

    Their dispersions are taken for draws of one distribution, as Smyth does it for variances of genes (Statistical
    Applications in Genetics and Molecular Biology 3, 2004): its mean and its width follow from the mean and the
    variance of their logarithms. Topics that come up less than once a day say too little about both.
    """
    frequent = nlargest(
        MOST, (each for each in histories if each.having >= each.days), key=lambda each: each.having
    )
    known = [(found, degrees_of(each)) for each in frequent if (found := dispersion_of(each)) is not None]
    if not known:
        return NO_MORE
    if len(known) < FEW:
        degrees = sum(each for _, each in known)
        return Variation(sum(found * each for found, each in known) / degrees, degrees)
    logs = [log(max(found, LEAST)) - digamma(each / 2) + log(each / 2) for found, each in known]
    scatter = variance(logs) - fmean(trigamma(each / 2) for _, each in known)
    half = inverse_trigamma(scatter)
    return Variation(exp(fmean(logs) + (0.0 if half == inf else digamma(half) - log(half))), 2 * half)


def variation(history: History, common: Variation) -> Variation:
    """A topic's own variation, drawn towards what topics have in common, by the degrees that both are known with.

    A topic that varies no more than draws do is taken for a draw. Degrees are whole numbers, so that few topics differ.
    """
    found = dispersion_of(history)
    own, degrees = (0.0, 0.0) if found is None else (found, degrees_of(history))
    if common.degrees == inf:
        drawn = common
    else:
        together = common.degrees + degrees
        weighted = common.degrees * common.dispersion + degrees * own
        drawn = Variation(weighted / together, max(1, floor(together)))
    return drawn if drawn.dispersion > 1 else NO_MORE


def deviation(count: int, other: int, conversations: int, others: int, dispersion: float) -> float | None:
    """By how many standard deviations a count is above what both windows together let expect.

    Of a draw without replacement: with it, the changes of common topics would seem smaller than they are.

    A topic that comes in bursts varies by its dispersion more than draws do, but a few conversations cannot: of one, it
    is in either window. If counts are negative binomial with the dispersion D, how n of both windows are split is
    beta-binomial, whose variance is that of a draw by n D / (n + D - 1). Without it 2.4 % of topics with a dispersion
    of 4 reached what stands for 5 %; this way 3.7 %.

    `conversations` and `others` are all conversations of the windows. None where one of them is empty, or all
    conversations have the topic: then there is nothing to compare.
    """
    both, total = count + other, conversations + others
    if not 0 < both < total or not conversations or not others:
        return None
    part = conversations / total
    variance = both * part * (1 - part) * (total - both) / (total - 1)
    by_bursts = both * dispersion / (both + dispersion - 1)
    return (count - both * part) / sqrt(variance * by_bursts)


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
