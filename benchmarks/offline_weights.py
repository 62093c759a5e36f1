"""Fits the weights of `llm/offline/linear.py` on public sets (not shipped): `python -m benchmarks.offline_weights`.

Prints the table, as it stands in `linear.py`, and what it is worth on rows that it was not fitted on: the rows are
dealt out to ten parts, and each part is judged by weights that were fitted on the other nine. Then the same in two
parts, the rows with even numbers and those with odd ones.

It is logistic regression with three bands. All bands of a set weigh the same, and so do the sets, so that neither the
complaints of the one nor its size decides. Counts are scaled to a spread of 1 before they are fitted, and the penalty
(L2) keeps weights small; any from 0.01 to 0.3 gives recalls within 0.003 of these.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, StratifiedKFold

from benchmarks.offline_quality import AIRLINE, DATA, TWEETEVAL, Labelled, airline, show_sentiment, tweeteval
from domain.analysis import CONFIDENCE_UNIT, Analysis
from llm.offline.counts import COUNTS, count_in
from llm.offline.linear import START, weighed, weights_of
from llm.offline.sentiment import sentiment
from llm.offline.text import clean, ngrams

PENALTY = 0.03
"""scikit-learn's C: the smaller, the smaller the weights."""
PARTS, SEED = 10, 1
DIGITS = 3
LEAST_SPREAD = 1e-9
"""Of a count that is the same in all rows, which then has no weight."""


@dataclass(frozen=True, slots=True)
class Sets:
    """All sets, one below the other."""

    rows: Sequence[Labelled]
    counted: Any
    """A row of counts for each."""
    bands: Any
    origins: Any
    """The number of the set that each is of."""


def sets_of(folder: Path) -> Sets:
    """Read the sets and count. Raises FileNotFoundError where one is not there."""
    groups = [airline(folder), tweeteval(folder)]
    rows = [row for group in groups for row in group]
    origins = [number for number, group in enumerate(groups) for _ in group]
    counted = np.array([count(row.text) for row in rows], float)
    return Sets(rows, counted, np.array([row.band for row in rows]), np.array(origins))


def count(text: str) -> tuple[float, ...]:
    """Count in a text as the analyzer does."""
    cleaned = clean(text)
    phrases = ngrams(cleaned)
    return count_in(text, cleaned, phrases, sentiment(cleaned, phrases))


def fitted(sets: Sets, part: Any) -> str:
    """The table of weights that a part of the rows gives."""
    counted, bands, origins = sets.counted[part], sets.bands[part], sets.origins[part]
    mean, spread = counted.mean(0), np.maximum(counted.std(0), LEAST_SPREAD)
    model = LogisticRegression(C=PENALTY, max_iter=1_000)
    model.fit((counted - mean) / spread, bands, sample_weight=_shares(bands, origins))
    weights = model.coef_ / spread
    start = model.intercept_ - weights @ mean
    return "\n".join(_table(start - start.mean(), weights.T))


def _shares(bands: Any, origins: Any) -> Any:
    """The weight of each row: each band of each set has the same in all."""
    groups = bands + 3 * origins
    _, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return len(groups) / len(sizes) / sizes[place]


def _table(start: Any, weights: Iterable[Any]) -> Iterator[str]:
    for name, row in zip((START, *COUNTS), (start, *weights), strict=True):
        yield f"{name:<12}" + "".join(f"{weight:>8.{DIGITS}f}" for weight in row)


def judged_by(table: str, counted: Any) -> list[Analysis]:
    """What weights say of rows of counts, as the analyzer would."""
    weights = weights_of(table)
    sums = counted @ np.array([weights[name] for name in COUNTS]) + np.array(weights[START])
    verdicts = map(weighed, sums.tolist())
    return [Analysis(each.score, round(each.confidence * CONFIDENCE_UNIT), (), "", "") for each in verdicts]


def cross_judged(sets: Sets, parts: Any) -> list[Analysis]:
    """Each row as judged by the weights that all other parts give."""
    found: dict[int, Analysis] = {}
    for rest, part in parts.split(sets.counted, sets.bands + 3 * sets.origins):
        found |= zip(part.tolist(), judged_by(fitted(sets, rest), sets.counted[part]), strict=True)
    return [found[number] for number in range(len(sets.rows))]


def report(sets: Sets, console: Console) -> None:
    """Print the table and what it is worth."""
    console.print(fitted(sets, np.arange(len(sets.rows))), markup=False)
    halves = PredefinedSplit(
        [number % 2 for origin in (0, 1) for number in range(sum(sets.origins == origin))]
    )
    tenths = StratifiedKFold(PARTS, shuffle=True, random_state=SEED)
    for title, parts in (("ten parts", tenths), ("even and odd rows", halves)):
        found = cross_judged(sets, parts)
        for origin, name in enumerate((AIRLINE, TWEETEVAL[0])):
            here = np.flatnonzero(sets.origins == origin).tolist()
            rows = [sets.rows[number] for number in here]
            show_sentiment(f"{title}: {name}", rows, [found[number] for number in here], console)


def main() -> None:
    """Fit, measure and print."""
    parser = argparse.ArgumentParser(description="Weights of the offline analyzer")
    parser.add_argument(
        "--data", type=Path, default=DATA, help="folder of the public sets (default: %(default)s)"
    )
    report(sets_of(parser.parse_args().data), Console(highlight=False))


if __name__ == "__main__":
    main()
