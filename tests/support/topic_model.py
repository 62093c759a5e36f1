"""What is filed, and what people made of the topics, kept the plain way: roll-ups are held against it."""

from dataclasses import dataclass, field
from typing import Any

from store.insights.writing import Insight
from tests.support.insight_data import SLUGS

NAMES = (*SLUGS, "other_language")
Moves = dict[int, tuple[tuple[str, ...], tuple[str, ...]]]
"""What conversations that a split has moved were filed under, and are."""


@dataclass
class Model:
    """What is filed, and what people made of the topics, kept the plain way."""

    filed: dict[int, Insight] = field(default_factory=dict)
    under: dict[str, str] = field(default_factory=lambda: {slug: slug for slug in NAMES})
    """Under which topic each counts, by the slugs that they had at first."""
    slug: dict[str, str] = field(default_factory=lambda: {slug: slug for slug in NAMES})
    hidden: frozenset[str] = frozenset()
    names: dict[str, str] = field(default_factory=lambda: {slug: slug for slug in NAMES})
    before: list[tuple[dict[str, str], dict[str, str], frozenset[str], Moves]] = field(default_factory=list)
    open: tuple[int, list[str], str] | None = None
    """A merge that is under way: its union, and what is merged."""

    def keep(self, moves: Moves | None = None) -> None:
        self.before.append((dict(self.under), dict(self.slug), self.hidden, moves or {}))

    def take_back(self) -> None:
        under, slug, hidden, moves = self.before.pop()
        # Topics that were made since stay, each by itself and hidden.
        made = {one: one for one in self.names.values() if one not in under}
        self.under, self.slug, self.hidden = under | made, slug | made, frozenset(hidden | made.keys())
        for number, (was, is_) in moves.items():
            if number in self.filed and self.filed[number].analysis.clusters == is_:
                self.file(number, was)

    def file(self, number: int, clusters: tuple[str, ...]) -> None:
        insight = self.filed[number]
        analysis = insight.analysis._replace(clusters=clusters)
        self.filed[number] = insight._replace(analysis=analysis)

    @property
    def shown(self) -> list[str]:
        """The topics that are not merged."""
        return sorted({*self.under.values()})

    def topics_of(self, insight: Insight) -> list[str]:
        """The slugs that an insight shows."""
        own = (self.under[self.names[name]] for name in insight.analysis.clusters)
        return list(dict.fromkeys(self.slug[each] for each in own))


def is_idle(model: Model, what: str, given_: Any) -> bool:
    """Whether there is nothing to do. A recount of what did not change takes as long as any other."""
    match what:
        case "put" | "remove":
            return not given_
        case "build" | "switch":
            return model.open is None
        case "begin" | "split":
            return model.open is not None
        case "undo":
            return model.open is not None or not model.before
    return False
