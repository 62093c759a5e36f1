"""What the finders find: a kind of personal data, and where it stands in a text."""

from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

KINDS = ("custom", "email", "iban", "card", "ip", "phone")
"""Where two overlap, the first in this list names the placeholder."""
Counts = Mapping[str, int]
"""How many of each kind were found; a kind that was not found is left out."""
NOTHING: Counts = MappingProxyType({})


class Detection(NamedTuple):
    """Personal data in a text: the characters from `start` up to `end`."""

    start: int
    end: int
    kind: str


def total(counts: Iterable[Counts]) -> Counts:
    """The sum of several counts."""
    found: Counter[str] = Counter()
    for each in counts:
        found.update(each)
    return found if found else NOTHING


def merged(found: Iterable[Detection]) -> list[Detection]:
    """The detections in order; overlapping ones are joined, so that no rest of one is left beside the other."""
    joined: list[Detection] = []
    for each in sorted(found):
        if joined and each.start < joined[-1].end:
            last = joined.pop()
            kind = min(last.kind, each.kind, key=KINDS.index)
            joined.append(Detection(last.start, max(last.end, each.end), kind))
        else:
            joined.append(each)
    return joined
