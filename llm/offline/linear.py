"""Judges a text by what is counted in it: three sums of weighted counts, one a band, the greatest wins.

`WEIGHTS` was fitted by `python -m benchmarks.offline_weights` on public sets, with each band and each set of the same
weight; `docs/QUALITY.md` says on what, and how good it is on what it was not fitted on.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from math import exp
from operator import mul, sub
from typing import NamedTuple

from domain.analysis import NEUTRAL_BAND, SCORE_UNIT, sentiment_of
from llm.offline.counts import COUNTS, OF_WRITING

SUREST = 0.95
"""The most confidence: people who label texts do not agree more often than that."""
MOST_TOLD = 3
START = "start"
"""The row of what each band has before anything is counted."""
WEIGHTS = """
start         -0.331   0.962  -0.631
praise        -0.539  -1.042   1.581
complaint      0.889  -0.396  -0.493
praising      -0.325  -0.205   0.530
complaining    0.533  -0.404  -0.129
complaints     0.161  -0.016  -0.145
courtesy      -0.627  -0.150   0.778
nothing       -0.130  -0.086   0.217
exclamation   -0.334  -0.336   0.670
question      -0.338   0.662  -0.323
questions      0.377  -0.015  -0.362
negations      0.447  -0.152  -0.295
emphasis       0.004  -0.208   0.204
time           0.101  -0.185   0.084
days          -0.328   0.076   0.252
you            0.154  -0.138  -0.015
why            0.526  -0.555   0.029
link          -0.378   0.688  -0.309
"""
"""For each count what one of it adds to negative, neutral and positive."""


class LinearVerdict(NamedTuple):
    """What the counts of a text say."""

    score: int
    """In units of 1/10,000."""
    confidence: float
    """The probability of its band, where all bands are as frequent."""


def judge(counted: Sequence[float]) -> LinearVerdict:
    """The verdict on counts in the order of COUNTS."""
    (against, its), (for_, theirs) = _beside_neutral()
    return weighed((sum(map(mul, its, counted), against), 0.0, sum(map(mul, theirs, counted), for_)))


@cache
def _beside_neutral() -> Sequence[tuple[float, Sequence[float]]]:
    """The weights of negative and of positive without those of neutral: only differences count, and two are quicker."""
    negative, neutral, positive = _by_band()
    return [_difference(band, neutral) for band in (negative, positive)]


def _difference(
    one: tuple[float, Sequence[float]], other: tuple[float, Sequence[float]]
) -> tuple[float, Sequence[float]]:
    return one[0] - other[0], [*map(sub, one[1], other[1])]


def weighed(sums: Sequence[float]) -> LinearVerdict:
    """The verdict on the three sums.

    The score is in the band of the greatest, at its edge where another one is as great, and the further from it the
    surer; within the neutral band it leans to the greater of the other two.
    """
    most = max(sums)
    against, neither, for_ = (exp(each - most) for each in sums)
    confidence = min(1 / (against + neither + for_), SUREST)
    edge = NEUTRAL_BAND
    if neither == 1:
        return LinearVerdict(round(edge * (for_ - against)), confidence)
    second = max(neither, min(against, for_))
    beyond = edge + 1 + round((SCORE_UNIT - edge - 1) * (1 - second))
    return LinearVerdict(beyond if for_ > against else -beyond, confidence)


def written(counted: Sequence[float], score: int) -> Sequence[str]:
    """Of how a text is written what speaks most for the band of its score, the most telling first."""
    band = sentiment_of(score) + 1
    names = COUNTS[-len(OF_WRITING.split()) :]
    told = zip(names, counted[-len(names) :], _by_band()[band][1][-len(names) :], strict=True)
    telling = sorted((-count * weight, name) for name, count, weight in told if count * weight > 0)
    return [name.replace("_", " ") for _, name in telling[:MOST_TOLD]]


@cache
def _by_band() -> Sequence[tuple[float, Sequence[float]]]:
    """Of each band, negative first, what it has before anything is counted, and its weights in the order of COUNTS."""
    table = weights_of(WEIGHTS)
    return [(table[START][band], [table[name][band] for name in COUNTS]) for band in range(3)]


def weights_of(table: str) -> Mapping[str, Sequence[float]]:
    """The three weights of each row of a table like WEIGHTS."""
    rows = (line.split() for line in table.strip().splitlines())
    return {name: [*map(float, weights)] for name, *weights in rows}
