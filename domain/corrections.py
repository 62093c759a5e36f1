"""Corrections: what a person says of a conversation counts in place of what the analyzer says."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from domain.analysis import Analysis
from domain.fields.fieldsets import NO_FIELDS, FieldSet
from domain.fields.kinds import FieldValue

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
    fields: Mapping[str, FieldValue] | None = None
    """Answers to the operator's fields, by their names, at least one."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is said."""
        return all(each is None for each in self)


class FieldChanges(NamedTuple):
    """What is to be changed of what a person says of fields; what is not named stays."""

    said: Mapping[str, FieldValue]
    withdrawn: Sequence[str]
    """The names of those of which they say nothing any more."""

    def applied(self, before: Mapping[str, FieldValue] | None) -> Mapping[str, FieldValue] | None:
        """What is said afterwards; None if that is nothing."""
        after = {**(before or {}), **self.said}
        return {name: value for name, value in after.items() if name not in self.withdrawn} or None


def corrected(analysis: Analysis, correction: Correction, asked: FieldSet = NO_FIELDS) -> Analysis:
    """The analysis as it counts: corrected where the person said something. `asked` are the fields that it answers.

    The score stays where the sentiment is confirmed. The confidence always stays: it says how sure the analyzer was.
    """
    sentiment, clusters, _, fields = correction
    if clusters is not None:
        analysis = analysis._replace(clusters=clusters)
    if fields is not None and analysis.fields is not None and asked:
        analysis = analysis._replace(fields=asked.corrected(analysis.fields, fields))
    if sentiment is None or sentiment == analysis.sentiment:
        return analysis
    return analysis._replace(score=MIDDLE[sentiment], is_unsure=False)
