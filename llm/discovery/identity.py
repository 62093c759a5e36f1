"""Which group of a run is which of the run before, and what became of those that are gone."""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from llm.discovery.vectors import Labels, Matrix, Numbers, unit_length

SAME_MEMBERS = 0.5
"""F1 of two groups' members, among the conversations that both runs saw."""
SAME_DIRECTION = 0.8
"""Cosine of two centroids, the mean of all texts taken off: agrees with members in 96 % of groups, and works where two
runs have no conversation in common."""
WORTH_TELLING = 0.2
"""The share of a group's conversations from which another is named in its lineage."""

Shares = NDArray[np.float64]


class Former(NamedTuple):
    """A group of an earlier run: its id, its language, its conversations' numbers in order, its centroid."""

    id: str
    language: str
    members: Numbers
    centroid: Matrix


class Matching(NamedTuple):
    """For each group the place of the former one that it is, or -1; `parts[f, g]` is the share of f's members in g,
    `origins[f, g]` the share of g's that were in f."""

    former: Labels
    parts: Shares
    origins: Shares


def matching_of(
    former: Sequence[Former], numbers: Numbers, labels: Labels, middles: Matrix, mean: Matrix
) -> Matching:
    """Match groups with former ones: by members, and what is left by direction.

    `numbers` are the conversations' numbers and `labels` their groups; `middles` are the groups' centroids.
    """
    common = _common(former, numbers, labels, len(middles))
    seen, held = common.sum(axis=1, keepdims=True), common.sum(axis=0, keepdims=True)
    f1 = 2 * common / np.maximum(1, seen + held)
    found = np.full(len(middles), -1, dtype=np.int32)
    _assign(found, f1, SAME_MEMBERS)
    if former and len(middles):
        old = unit_length(np.stack([each.centroid for each in former]) - mean)
        cosines = (old @ unit_length(middles - mean).T).astype(np.float64)
        cosines[seen[:, 0] > 0, :] = 0  # what members say goes before
        _assign(found, cosines, SAME_DIRECTION)
    return Matching(found, common / np.maximum(1, seen), common / np.maximum(1, held))


def _common(former: Sequence[Former], numbers: Numbers, labels: Labels, groups: int) -> Shares:
    """How many conversations each former group (row) has in common with each group (column)."""
    counts = np.zeros((len(former), groups))
    order = np.argsort(numbers)
    ordered, theirs = numbers[order], labels[order]
    for row, each in enumerate(former):
        places = np.minimum(np.searchsorted(ordered, each.members), max(0, len(ordered) - 1))
        here = ordered[places] == each.members if len(ordered) else np.zeros(0, dtype=np.bool_)
        counts[row] = np.bincount(theirs[places[here]], minlength=groups)
    return counts


def _assign(found: Labels, likeness: Shares, least: float) -> None:
    """Pair up the rows and columns that have no partner yet, best in sum, and keep the pairs that are alike enough."""
    rows = np.setdiff1d(np.arange(len(likeness)), found)
    columns = np.flatnonzero(found < 0)
    free = likeness[np.ix_(rows, columns)]
    for row, column in zip(*linear_sum_assignment(free, maximize=True), strict=True):
        if free[row, column] >= least:
            found[columns[column]] = rows[row]


Name = TypeVar("Name")


def told(shares: NDArray[np.float64], names: Sequence[Name]) -> list[tuple[Name, float]]:
    """The names with a share that is worth telling, largest first."""
    order = np.argsort(-shares, kind="stable")
    return [
        (names[place], round(float(shares[place]), 3)) for place in order if shares[place] >= WORTH_TELLING
    ]
