"""How often real topics surprise although nothing has changed: `python -m benchmarks.surprise`.

The threads of a public set (not shipped), with the topics that the offline analyzer finds in what customers wrote. They
are dealt at random to 42 days, many times; and in their real order to the same days, as weeks next to each other. Then
3 to 7 % of the topics should reach the surprise that stands for 5 %.
"""

import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from benchmarks.support.no_change import HISTORY, WINDOW, Dealt, share_reached
from domain.topics import BUILT_IN
from llm.offline.child import analyse_text

ROOT = Path(__file__).resolve().parents[1]
SET = ROOT.parent / "shared" / "data" / "twcs_5000.csv"
DAYS = HISTORY + 2 * WINDOW
TIMES = 60


def threads(path: Path) -> list[str]:
    """What customers wrote in each thread, in order of its first tweet."""
    with path.open(newline="") as file:
        rows = {row["tweet_id"]: row for row in csv.DictReader(file)}
    said: dict[str, list[str]] = {}
    for tweet, row in sorted(rows.items(), key=lambda each: int(each[0])):
        first = tweet
        while (before := (rows[first]["in_response_to_tweet_id"] or "").removesuffix(".0")) in rows:
            first = before
        if row["inbound"] == "True":
            said.setdefault(first, []).append(row["text"])
    return [" ".join(texts) for texts in said.values()]


def dealt_to_days(threads_: Sequence[frozenset[str]], slugs: Sequence[str]) -> list[Dealt]:
    """As many to each day, in this order."""
    days = [threads_[day * len(threads_) // DAYS : (day + 1) * len(threads_) // DAYS] for day in range(DAYS)]
    return [Dealt(len(day), [sum(slug in each for each in day) for slug in slugs]) for day in days]


def at_random(found: Sequence[frozenset[str]], slugs: Sequence[str]) -> Iterator[list[Dealt]]:
    """The same threads in an order of chance, again and again."""
    dice = Random(5)  # noqa: S311  nothing is kept secret with it
    for _ in range(TIMES):
        yield dealt_to_days(dice.sample(found, len(found)), slugs)


def in_order(found: Sequence[frozenset[str]], slugs: Sequence[str]) -> Iterator[list[Dealt]]:
    """The real order, begun at each of the days."""
    days = dealt_to_days(found, slugs)
    for first in range(DAYS):
        yield [*days[first:], *days[:first]]


def main() -> int:
    """Print both shares; 0 where the first is as promised, or the set is not there."""
    if not SET.exists():
        sys.stderr.write(f"{SET.name} is not there\n")
        return 0
    found = [frozenset(analyse_text(text, BUILT_IN).clusters) for text in threads(SET)]
    slugs = sorted({slug for each in found for slug in each})
    shares = [share_reached(made(found, slugs)) for made in (at_random, in_order)]
    sys.stdout.write(
        f"{len(found)} threads, {len(slugs)} topics: at random {shares[0]:.3f}, in order {shares[1]:.3f}\n"
    )
    return 0 if 0.03 <= shares[0] <= 0.07 else 1


if __name__ == "__main__":
    raise SystemExit(main())
