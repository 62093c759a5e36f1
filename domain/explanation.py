"""Explanation: the change of a mean between two windows, split into a part for each topic.

An insight with k topics counts a kth in each, so the topics' shares of a window add up to 1 and their means, weighted
by share, to the window's mean. The change is then the sum over the topics of

- mix: the topic is a bigger or smaller part of the window, times how far its mean is from that of all, and
- mood: its mean is another, times its share,

each taken at the middle of the two windows, so that the parts of the way back are those of the way there with the
other sign (Kitagawa 1955).
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple


class Weighed(NamedTuple):
    """Of a topic or of everything in a window: the sums of weights and of weighted scores, in any units."""

    weight: int
    weighted: int


class Contribution(NamedTuple):
    """What a topic has contributed to the change."""

    mix: float
    mood: float

    @property
    def size(self) -> float:
        """How much it moved the mean, whichever way."""
        return abs(self.mix + self.mood)


def part_of(now: Weighed, before: Weighed, all_now: Weighed, all_before: Weighed) -> Contribution:
    """The part of a topic. Neither window may be empty."""
    share, other_share = now.weight / all_now.weight, before.weight / all_before.weight
    # Where a topic is absent from a window its mean there is that of the other, so that it is all mix.
    own = now if now.weight else before
    other = before if before.weight else now
    mean, other_mean = own.weighted / (own.weight or 1), other.weighted / (other.weight or 1)
    middle = all_now.weighted / all_now.weight + all_before.weighted / all_before.weight
    mix = (share - other_share) * (mean + other_mean - middle) / 2
    return Contribution(mix, (share + other_share) / 2 * (mean - other_mean))


def mean_of(weighed: Weighed, unit: int) -> int:
    """The mean in whole units, half a unit rounded to even."""
    return round(Fraction(weighed.weighted * unit, weighed.weight))


def rounded_to_sum(values: Sequence[float], total: int) -> list[int]:
    """Whole numbers near the values that add up to `total`, which is near the sum of the values.

    Each is rounded down, and what is missing goes to those that lost most; all are within 1 of their values if the
    total is within 1 of their sum.
    """
    found = [int(value // 1) for value in values]
    by_loss = sorted(range(len(values)), key=lambda place: values[place] - found[place], reverse=True)
    missing = total - sum(found)
    for step in range(abs(missing)):
        place = by_loss[step % len(by_loss)] if missing > 0 else by_loss[-1 - step % len(by_loss)]
        found[place] += 1 if missing > 0 else -1
    return found
