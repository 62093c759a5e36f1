"""What the read benchmarks ask: windows at random places, and filters common and rare."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from benchmarks.seed import AUTHORS, RARE
from core.clock import iso
from domain.buckets import DAY, HOUR, MICROSECONDS
from domain.topics import BUILT_IN

WHOLE = 0
WINDOWS = {
    "an hour": MICROSECONDS[HOUR],
    "a day": MICROSECONDS[DAY],
    "30 days": 30 * MICROSECONDS[DAY],
    "everything": WHOLE,
}
TREND_DAYS = (7, 30, 365)
PROMISED_MS, PROMISED_TRENDS_MS, PROMISED_THIN_MS, PROMISED_PEOPLE_MS = 25.0, 15.0, 500.0, 60.0
PEOPLE_WINDOWS, PEOPLE_SORTS = ("a day", "30 days", "everything"), ("-negative", "negative")
COMMON = tuple(BUILT_IN)[:3]

Filters = dict[str, str]


class Window(NamedTuple):
    """`[start, end)` in UTC microseconds."""

    start: int
    end: int

    def parameters(self) -> dict[str, str]:
        """As a request has it."""
        return {"start_time": iso(self.start), "end_time": iso(self.end)}


@dataclass(frozen=True)
class Case:
    """One kind of filter, and the windows that it is asked for."""

    name: str
    filters: Callable[[Random], Filters]
    windows: tuple[str, ...] = tuple(WINDOWS)
    newest: float = 1.0
    """The share of the time, from the end back, that the windows lie in."""
    promised_ms: float = PROMISED_MS
    deep: bool = False
    """Whether everything holds a hundred pages, so that the hundredth is asked for too."""


def placed(dice: Random, first: int, last: int, length: int) -> Window:
    """A window of that length somewhere in `[first, last)`; WHOLE is all of it but for up to a day at each end."""
    if length == WHOLE:
        day = MICROSECONDS[DAY]
        return Window(first + dice.randrange(day), last - dice.randrange(day))
    start = dice.randrange(first, max(first + 1, last - length))
    return Window(start, start + length)


def _common(dice: Random) -> str:
    return dice.choice(COMMON)


def _rare(dice: Random) -> str:
    return f"rare_{dice.randrange(RARE):04}"


def _author(dice: Random) -> str:
    return f"author_{dice.randrange(AUTHORS)}"


SURE_AND_POSITIVE = {"sentiment": "positive", "min_confidence": "1.0"}
SURE_AND_NEUTRAL = {"sentiment": "neutral", "min_confidence": "1.0"}

CASES = (
    Case("no filter", lambda _: {}, deep=True),
    Case("min_confidence 0.83", lambda _: {"min_confidence": "0.83"}, deep=True),
    Case(
        "sentiment", lambda dice: {"sentiment": dice.choice(("positive", "neutral", "negative"))}, deep=True
    ),
    Case("sentiment, min_confidence 0.83", lambda _: {"sentiment": "negative", "min_confidence": "0.83"}),
    Case(
        "1 in 125 (negative, min_confidence 0.98)",
        lambda _: {"sentiment": "negative", "min_confidence": "0.98"},
    ),
    Case("common topic", lambda dice: {"cluster": _common(dice)}, deep=True),
    Case(
        "common topic, sentiment, min_confidence 0.9",
        lambda dice: {"cluster": _common(dice), "sentiment": "negative", "min_confidence": "0.9"},
    ),
    Case("rare topic", lambda dice: {"cluster": _rare(dice)}),
    Case("rare topic, min_confidence 0.9", lambda dice: {"cluster": _rare(dice), "min_confidence": "0.9"}),
    Case("author", lambda dice: {"author": _author(dice)}),
    Case("author, common topic", lambda dice: {"author": _author(dice), "cluster": _common(dice)}),
    Case("nothing matches", lambda _: SURE_AND_POSITIVE, ("an hour", "a day", "30 days"), newest=0.8),
    Case(
        "nothing matches, common topic",
        lambda dice: SURE_AND_POSITIVE | {"cluster": _common(dice)},
        ("an hour", "a day", "30 days"),
        newest=0.8,
    ),
    Case("all matches on one old day", lambda _: SURE_AND_POSITIVE, ("everything",)),
    Case("thinly spread, one match in two days", lambda _: SURE_AND_NEUTRAL, promised_ms=PROMISED_THIN_MS),
)

SORTED = (
    Case("sort=score", lambda _: {"sort": "score"}),
    Case("sort=-score, common topic", lambda dice: {"sort": "-score", "cluster": _common(dice)}),
)
"""Lists by a value."""
