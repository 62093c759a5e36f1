"""What a re-analysis would change, judged by a sample. Pure policy.

A sample is drawn without replacement, by a mark that each conversation has from its number. What it says of scores is
their mean shift over all chosen conversations, with an interval that has the true one in at least 19 of 20 cases.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

from domain.analysis import SCORE_UNIT, SENTIMENT_NAMES, UNSURE

MARKS = 2**31 - 1
"""A prime. Products of two numbers below it fit into 64 bits."""
SEED = 1_234_567_891
CONFIDENCE = 0.95
MOST_TOPICS = 50
"""That are told."""
UNSEEN = 2.0
"""The most that a score, from -1 to 1, can shift. Of two shifts that were not seen, one is so far up and one down."""


def sample_mark(number: int) -> int:
    """The mark of a conversation; a sample has those with the lowest. The cube leaves no pattern of neighbours."""
    return int(pow(number + SEED, 3, MARKS))


class Rating(NamedTuple):
    """What an insight says."""

    sentiment: int
    """1, 0, -1 or UNSURE."""
    score: int
    """In units of 1/10,000."""
    topics: Sequence[str]


class Change(NamedTuple):
    """A conversation of the sample."""

    before: Rating | None
    """None if it had no insight."""
    after: Rating


class TopicSwap(NamedTuple):
    """A topic in the sample: how many conversations had it, have it, got it and lost it."""

    topic: str
    before: int
    after: int
    came: int
    went: int


class Shift(NamedTuple):
    """The mean shift of scores, from -2 to 2, with its interval; `n` conversations had a score both times."""

    n: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class SampleComparison:
    """What the sample says."""

    compared: int
    table: Mapping[tuple[str, str], int]
    """Conversations by their sentiment before and after; `none` had no insight before."""
    topics: Sequence[TopicSwap]
    """Those that changed most come first."""
    shift: Shift | None
    """None if no conversation had a score both times."""


def compare(changes: Sequence[Change], population: int) -> SampleComparison:
    """Compare the conversations of a sample that was drawn from so many."""
    table = Counter((_name(each.before), _name(each.after)) for each in changes)
    topics = sorted(_topics(changes), key=lambda each: (-each.came - each.went, each.topic))
    scored = [each for each in changes if each.before is not None and _is_scored(each.before, each.after)]
    shifts = [(each.after.score - each.before.score) / SCORE_UNIT for each in scored if each.before]
    # As many of all chosen conversations have a score both times as of the sample, about.
    of_all = round(population * len(shifts) / len(changes)) if changes else 0
    return SampleComparison(
        len(changes), table, topics[:MOST_TOPICS], shift_of(shifts, of_all) if shifts else None
    )


def _name(judged: Rating | None) -> str:
    return "none" if judged is None else SENTIMENT_NAMES[judged.sentiment]


def _is_scored(*judged: Rating) -> bool:
    return all(each.sentiment != UNSURE for each in judged)


def _topics(changes: Iterable[Change]) -> Iterable[TopicSwap]:
    before: Counter[str] = Counter()
    after: Counter[str] = Counter()
    came: Counter[str] = Counter()
    for change in changes:
        had = {*change.before.topics} if change.before else set()
        has = {*change.after.topics}
        before.update(had)
        after.update(has)
        came.update(has - had)
    for topic in before | after:
        went = before[topic] + came[topic] - after[topic]
        yield TopicSwap(topic, before[topic], after[topic], came[topic], went)


def shift_of(shifts: Sequence[float], population: int) -> Shift:
    """The mean of shifts that were drawn from so many, and its interval by Student's distribution.

    Most conversations do not shift at all, and few shift far, so a sample may lack those that do. Its spread is that of
    the sample with the two of UNSEEN: where nothing shifted in 200, that leaves room for as many as one in a hundred.
    """
    n = len(shifts)
    mean = math.fsum(shifts) / n
    squares = math.fsum((each - mean) ** 2 for each in shifts) + 2 * UNSEEN**2
    error = math.sqrt(squares / (n + 1) / (n + 2))
    # Whoever has drawn all has no doubt left.
    finite = math.sqrt(max(0.0, 1 - n / max(n, population)))
    width = _student(n + 1) * error * finite
    return Shift(n, mean, mean - width, mean + width)


def _student(degrees: int) -> float:
    """The quantile of Student's distribution, to a thousandth from five degrees of freedom on."""
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    first = (z**3 + z) / (4 * degrees)
    second = (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * degrees**3)
    return z + first + second + third
