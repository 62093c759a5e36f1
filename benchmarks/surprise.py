"""How often real topics surprise although nothing has changed: `python -m benchmarks.surprise`.

The threads of a public set (not shipped), with the topics that the offline analyzer finds in what customers wrote. They
are dealt at random to 42 days, many times; and in the order of their times to the same days, as weeks next to each
other. Then 3 to 7 % of the topics should reach the surprise that stands for 5 %.

The weeks next to each other are 42, of which six share nothing, so their figure scatters: the last line says between
which values it lies for nine in ten orders of chance, in which nothing changes for certain.
"""

import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
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
    """What customers wrote in each thread, in order of the time of their first tweet in it.

    The set's ids are in another order: tweets of one hour are far apart, and weeks by ids more alike than by chance.
    """
    with path.open(newline="") as file:
        rows = {row["tweet_id"]: row for row in csv.DictReader(file)}
    said: dict[str, list[str]] = {}
    inbound = [tweet for tweet, row in rows.items() if row["inbound"] == "True"]
    for tweet in sorted(inbound, key=lambda each: (_time(rows[each]), int(each))):
        first = tweet
        while (before := (rows[first]["in_response_to_tweet_id"] or "").removesuffix(".0")) in rows:
            first = before
        said.setdefault(first, []).append(rows[tweet]["text"])
    return [" ".join(texts) for texts in said.values()]


def _time(row: Mapping[str, str]) -> datetime:
    return datetime.strptime(row["created_at"], "%a %b %d %H:%M:%S %z %Y")


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


def scatter(found: Sequence[frozenset[str]], slugs: Sequence[str]) -> tuple[float, float]:
    """Between which shares nine in ten orders of chance lie, each looked at like the real one."""
    dice = Random(6)  # noqa: S311  nothing is kept secret with it
    orders = (dice.sample(found, len(found)) for _ in range(TIMES))
    shares = sorted(share_reached(in_order(order, slugs)) for order in orders)
    return shares[TIMES // 20], shares[-TIMES // 20]


def main() -> int:
    """Print the shares; 0 where both are as promised, or the set is not there."""
    if not SET.exists():
        sys.stderr.write(f"{SET.name} is not there\n")
        return 0
    found = [frozenset(analyse_text(text, BUILT_IN).clusters) for text in threads(SET)]
    slugs = sorted({slug for each in found for slug in each})
    shares = [share_reached(made(found, slugs)) for made in (at_random, in_order)]
    low, high = scatter(found, slugs)
    sys.stdout.write(
        f"{len(found)} threads, {len(slugs)} topics: at random {shares[0]:.3f}, in order {shares[1]:.3f}\n"
        f"nine in ten orders of chance: {low:.3f} to {high:.3f}\n"
    )
    return 0 if all(0.03 <= share <= 0.07 for share in shares) else 1


if __name__ == "__main__":
    raise SystemExit(main())
