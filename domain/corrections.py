"""Corrections: what a person says of a conversation counts in place of what the analyzer says."""

from collections.abc import Mapping
from typing import NamedTuple

from domain.analysis import Analysis

MIDDLE: Mapping[int, int] = {1: 6_000, 0: 0, -1: -6_000}
"""The score that stands for a corrected sentiment: the middle of its band, in units of 1/10,000."""


class Correction(NamedTuple):
    """What a person says of a conversation; None where they say nothing."""

    sentiment: int | None = None
    """1 positive, 0 neutral, -1 negative."""
    clusters: tuple[str, ...] | None = None
    """One to five topic slugs, the best match first."""
    outcome: str | None = None
    """Of the summary: `yes`, `no`, `maybe` or `curious`."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is said."""
        return all(each is None for each in self)


def corrected(analysis: Analysis, correction: Correction) -> Analysis:
    """The analysis as it counts: corrected where the person said something.

    The score stays where the sentiment is confirmed. The confidence always stays: it says how sure the analyzer was.
    """
    sentiment, clusters, _ = correction
    if clusters is not None:
        analysis = analysis._replace(clusters=clusters)
    if sentiment is None or sentiment == analysis.sentiment:
        return analysis
    return analysis._replace(score=MIDDLE[sentiment], is_unsure=False)
