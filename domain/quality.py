"""How good analyses are, measured on what people checked: shares with intervals, and what to draw for them to check.

Only what was drawn at random tells how good all insights are: people correct what looks wrong, so among other
corrections wrong ones are far too many. What was drawn counts by the inverse of the chance that it had (Hajek), with an
interval of Korn and Graubard: that of Clopper and Pearson for as many checks as would be worth the same if all had had
the same chance.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from math import floor, sqrt
from random import Random
from typing import NamedTuple

from domain.incomplete_beta import beta_quantile

BINS = (0, 50, 60, 70, 80, 90)
"""Where bins of confidence begin, percent; the last one ends with 100."""
ALPHA = 0.05
"""How often the truth may lie outside an interval."""
FEWEST = 10
"""Checks below which no confidence is named as high enough."""


class Checked(NamedTuple):
    """An insight that was drawn and that a person has checked."""

    confidence: int
    """Percent, of the analyzer."""
    agrees: bool
    """Whether the person says the same as the analyzer."""
    weight: float
    """For how many insights it stands: 1 through the chance with which it was drawn."""


class Accuracy(NamedTuple):
    """The share of insights that are right, estimated; with 0.95 certainty it lies between `low` and `high`."""

    n: int
    """How many were checked."""
    share: float | None
    """None if none was."""
    low: float
    high: float


class Bin(NamedTuple):
    """The insights with a confidence from `first` to before `end`, percent."""

    first: int
    end: int
    part: float | None
    """The estimated part of all insights; None if none was checked."""
    mean_confidence: float | None
    """From 0 to 1; None if none was checked."""
    accuracy: Accuracy


class Threshold(NamedTuple):
    """The lowest confidence (percent) from which on the insights are as often right as was asked for."""

    confidence: int
    part: float
    """The estimated part of all insights that have it."""
    accuracy: Accuracy


def bin_of(confidence: int) -> int:
    """The bin of a confidence."""
    return bisect_right(BINS, confidence) - 1


def accuracy_of(checked: Iterable[Checked]) -> Accuracy:
    """How many of the insights that these stand for are right."""
    found = [*checked]
    if not found:
        return Accuracy(0, None, 0.0, 1.0)
    whole = sum(each.weight for each in found)
    share = sum(each.weight for each in found if each.agrees) / whole
    worth = whole**2 / sum(each.weight**2 for each in found)
    return Accuracy(len(found), share, *_interval(share * worth, worth))


def _interval(right: float, n: float) -> tuple[float, float]:
    wrong = max(0.0, n - right)
    low = 0.0 if right <= 0 else beta_quantile(ALPHA / 2, right, wrong + 1)
    high = 1.0 if wrong <= 1e-9 else beta_quantile(1 - ALPHA / 2, right + 1, wrong)
    return low, high


def reliability(checked: Sequence[Checked]) -> list[Bin]:
    """How often insights of each bin of confidence are right."""
    whole = sum(each.weight for each in checked)
    found = []
    for first, end in zip(BINS, (*BINS[1:], 101), strict=True):
        inside = [each for each in checked if first <= each.confidence < end]
        weight = sum(each.weight for each in inside)
        mean = sum(each.weight * each.confidence for each in inside) / weight / 100 if inside else None
        part = weight / whole if whole else None
        found.append(Bin(first, end, part, mean, accuracy_of(inside)))
    return found


def threshold(checked: Sequence[Checked], target: float) -> Threshold | None:
    """From which confidence on `target` of the insights are right; None if from none, or if too few were checked."""
    whole = sum(each.weight for each in checked)
    found = None
    for confidence in sorted({each.confidence for each in checked}, reverse=True):
        above = [each for each in checked if each.confidence >= confidence]
        accuracy = accuracy_of(above)
        if accuracy.n >= FEWEST and (accuracy.share or 0) >= target:
            part = sum(each.weight for each in above) / whole
            found = Threshold(confidence, part, accuracy)
    return found


# --- what to draw -----------------------------------------------------------------------------------------------


def chances(sizes: Sequence[int], wanted: int) -> list[float]:
    """With which chance to draw each insight of bins of these sizes, to draw about so many.

    By the roots of the sizes: in proportion to them rare bins would get nothing, and with equal numbers nearly all
    that is known of all insights together would rest on the few checks of the largest bin.
    """
    left, open_ = float(wanted), [place for place, size in enumerate(sizes) if size]
    found = [0.0] * len(sizes)
    while open_:
        roots = sum(sqrt(sizes[place]) for place in open_)
        full = [place for place in open_ if left * sqrt(sizes[place]) / roots >= sizes[place]]
        for place in full or open_:
            # Rounded, 172 of 172 had a chance of 1.0000000000000002.
            found[place] = 1.0 if full else min(1.0, left / roots / sqrt(sizes[place]))
        if not full:
            return found
        left -= sum(sizes[place] for place in full)
        open_ = [place for place in open_ if place not in full]
    return found


def places_to_draw(sizes: Sequence[int], chances: Sequence[float], dice: Random) -> list[list[int]]:
    """Which insights to draw of bins of these sizes, so that each has the chance of its bin: places from 0, ascending.

    One throw rounds the numbers of all bins, so that together they are as many as expected: with a throw for each, a
    third of the samples of one would be empty.
    """
    throw, passed, found = dice.random(), 0.0, []
    for size, chance in zip(sizes, chances, strict=True):
        before, passed = floor(passed + throw), passed + size * chance
        number = min(size, floor(passed + throw) - before)
        found.append(sorted(dice.sample(range(size), number)))
    return found
