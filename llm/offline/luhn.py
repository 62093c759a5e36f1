"""Luhn's measure of how much a sentence says: how densely the text's frequent words stand in it."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

REACH = 4
"""Furthest step, in words, between neighbours in a cluster: at most three other words stand between them."""


def luhn_score(significant: Iterable[bool]) -> float:
    """The score of a sentence; `significant` says for each of its words, in order, whether it is significant.

    Significant words that are at most `REACH` apart form a cluster, which spans from the first to the last of
    them. The score of a cluster is the square of its number of significant words, divided by its span in words;
    one word alone scores 0. The score of a sentence is that of its best cluster, 0 if it has none.

    Source: H. P. Luhn, "The Automatic Creation of Literature Abstracts", IBM Journal of Research and Development
    2 (2), April 1958. Luhn lets four or five other words stand between two significant ones; here it is three.
    """
    positions = [position for position, each in enumerate(significant) if each]
    breaks = (at for at, (one, other) in enumerate(pairwise(positions), 1) if other - one > REACH)
    clusters = (positions[start:end] for start, end in pairwise((0, *breaks, len(positions))))
    return max((_cluster_score(cluster) for cluster in clusters if len(cluster) > 1), default=0.0)


def _cluster_score(positions: Sequence[int]) -> float:
    return len(positions) ** 2 / (positions[-1] - positions[0] + 1)
