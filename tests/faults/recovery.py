"""How fast a service analysed before something happened to it, and how soon it was as fast again."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

WINDOW = 3.0
"""Seconds over which a rate is measured."""
STEP = 0.25
BACK = 0.8
"""Of the rate before: no two seconds of a load are alike."""


class Some(NamedTuple):
    """Texts that were posted or analysed at once, and when, in seconds of any clock."""

    at: float
    texts: int


class Recovery(NamedTuple):
    """What became of the rate. Rates are in texts a second."""

    before: float
    back: float
    """Seconds after which it was back; infinity if it was not in the time that was looked at."""
    later: float
    """The rate from one lease after it happened, for as long."""
    owed: float
    """What the rate would have been then as before: less, where less was posted."""

    def complaint(self, lease: float) -> str | None:
        """What does not hold, if the rate has to be back within a lease, and to stay."""
        if self.back <= lease and self.later >= BACK * self.owed:
            return None
        return f"{self} with a lease of {lease:g} s"

    def __str__(self) -> str:
        return f"{self.before:.0f} texts/s, back after {self.back:.1f} s, then {self.later:.0f} of {self.owed:.0f}"


def recovery(posted: Sequence[Some], analysed: Sequence[Some], happened: float, lease: float) -> Recovery:
    """Compare the lease before something happened with the two leases after it."""
    before = _rate(analysed, happened - lease, lease)
    posted_before = _rate(posted, happened - lease, lease)

    def owed(since: float, seconds: float) -> float:
        # On a busy machine clients are slower too, because they wait for each answer.
        return before * min(1.0, _rate(posted, since, seconds) / posted_before) if posted_before else 0.0

    offsets = (STEP * number for number in range(int((2 * lease - WINDOW) / STEP) + 1))
    windows = ((offset, happened + offset) for offset in offsets)
    good = (offset for offset, at in windows if _rate(analysed, at, WINDOW) >= BACK * owed(at, WINDOW) > 0)
    later = happened + lease
    return Recovery(before, next(good, math.inf), _rate(analysed, later, lease), owed(later, lease))


def _rate(some: Iterable[Some], since: float, seconds: float) -> float:
    return sum(each.texts for each in some if since <= each.at < since + seconds) / seconds
