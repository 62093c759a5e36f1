"""Which groups grew, counted in people: one sender with many texts is no growth."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

from llm.discovery.vectors import Flags, Labels, Numbers

SIGNIFICANT = 0.05
OVERLAP = 0.5
"""Of the smaller of two groups: from here on they are the same finding at two resolutions."""

Chances = NDArray[np.float64]


class Growth(NamedTuple):
    """People of each group in the window (`now`) and in the equally long one before it, and the chance of that."""

    now: Numbers
    before: Numbers
    p: Chances


def growth_of(labels: Labels, people: Numbers, recent: Flags) -> Growth:
    """Of each group; `people` are numbers of senders. One-sided: `p` is small for groups that grew."""
    groups = int(labels.max(initial=-1)) + 1
    now, before = (people_of(labels[part], people[part], groups) for part in (recent, ~recent))
    senders = [len(np.unique(people[part])) for part in (recent, ~recent)]
    share = senders[0] / max(1, sum(senders))
    return Growth(now, before, chance(now, before, share))


def people_of(labels: Labels, people: Numbers, groups: int) -> Numbers:
    """How many different people each group has."""
    pairs = np.unique(np.stack([labels.astype(np.int64), people]), axis=1)
    return np.bincount(pairs[0], minlength=groups).astype(np.int64)


def chance(now: Numbers, before: Numbers, share: float) -> Chances:
    """P(at least `now` of `now + before`) where each is recent with probability `share`: the binomial's upper tail."""
    tail = betainc(np.maximum(now, 1), before + 1, share)
    return np.where(now == 0, 1.0, tail)


def carved(partitions: list[Labels], people: Numbers, recent: Flags, min_people: int) -> tuple[Labels, Flags]:
    """The first partition, and carved into it the groups of all that grew; with a flag for each group that did.

    A complaint that resembles an old topic lies in that topic's group at a low resolution, and alone at a higher one.
    Of groups that overlap, the one that is least likely by chance counts.
    """
    final = partitions[0].astype(np.int64)
    last = int(final.max(initial=-1))
    accepted: list[Flags] = []
    for _, level, group in sorted(_grown(partitions, people, recent, min_people)):
        members = partitions[level] == group
        if all(_overlap(members, other) < OVERLAP for other in accepted):
            last += 1
            final[members & ~_any(accepted, members)] = last
            accepted.append(members)
    kept, labels = np.unique(final, return_inverse=True)
    return labels.astype(np.int32), kept > last - len(accepted)


def _grown(
    partitions: list[Labels], people: Numbers, recent: Flags, min_people: int
) -> list[tuple[float, int, int]]:
    """(chance, partition, group) of each group that grew by more than luck, corrected for the number of groups."""
    found = []
    for level, labels in enumerate(partitions):
        growth = growth_of(labels, people, recent)
        grew = (growth.p * len(growth.p) < SIGNIFICANT) & (growth.now >= min_people)
        found += [(float(growth.p[group]), level, int(group)) for group in np.flatnonzero(grew)]
    return found


def _overlap(one: Flags, other: Flags) -> float:
    return int(np.sum(one & other)) / max(1, min(int(np.sum(one)), int(np.sum(other))))


def _any(groups: list[Flags], like: Flags) -> Flags:
    taken = np.zeros_like(like)
    for members in groups:
        taken |= members
    return taken
