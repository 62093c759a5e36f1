"""What must hold of a lane of batches that was killed: nothing lost, nothing asked twice, no dollar unbooked."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

MANY_KILLS = 100
"""From so many on everything that can go wrong has to have come about."""


class Submission(NamedTuple):
    """A text as it was sent to the provider once. Times are of one monotonic clock."""

    text: str
    at: float
    batch: str | None = None
    """None if it went live."""
    request: str = ""
    answered_at: float | None = None
    """When a valid answer to it could be read; None if it had none."""
    read_at: float | None = None
    """When that answer was sent first."""
    stopped_at: float | None = None
    """When its batch was cancelled, by whomever."""


class Kept(NamedTuple):
    """A conversation as it lies in the database at the end."""

    id: str
    status: str
    insights: int
    """Of its latest revision."""


class Life(NamedTuple):
    """A process from its start to its end, in ticks."""

    limit: int
    """Of a day, as its settings say."""
    peak: int
    """The largest sum of spent and reserved that was ever committed on a day while it lived."""
    has_refused: bool
    """Whether there was too little money for something."""


@dataclass(frozen=True)
class Money:
    """In ticks, over all days."""

    billed: int
    spent: int
    reserved: int
    lives: Sequence[Life]


@dataclass(frozen=True)
class Findings:
    """What clients, provider and database saw."""

    accepted: Collection[str]
    """Ids that were answered 202."""
    deleted: Collection[str]
    kept: Sequence[Kept]
    sent: Sequence[Submission]
    money: Money
    kills: Sequence[float]
    """When they were, by the clock of the submissions."""
    answered: int
    """Conversations that the service says were answered."""
    names: Mapping[str, int] = field(default_factory=dict)
    """How many batches with requests there are at the provider by each name."""
    unfinished: int = 0
    """Batches that the service still looks after, and conversations that it holds."""
    odd: Sequence[str] = ()
    grown: int = 0
    """Messages that were added to conversations: each may have made an answer worthless."""
    mishaps: Mapping[str, int] = field(default_factory=dict)
    """How often the provider misbehaved in which way."""

    @cached_property
    def complaints(self) -> list[str]:
        """What does not hold, a line each."""
        named = {
            "lost": self.lost,
            "deleted, but there": sorted({row.id for row in self.kept} & set(self.deleted)),
            "asked twice": [
                f"{_told(before, again)}, {self._since_kill(before)}"
                for before, again in self.repeats
                if not self.excused(before, again)
            ],
            "in two batches": self.in_two,
        }
        return [
            *self.odd,
            *self._miscounted(),
            *self._untried(),
            *(f"{name}: {each}" for name, of in named.items() for each in of),
        ]

    @cached_property
    def lost(self) -> list[str]:
        """Ids that were accepted and are not there, or are there without an insight."""
        there = {row.id for row in self.kept}
        missing = set(self.accepted) - there - set(self.deleted)
        return sorted(missing | {row.id for row in self.kept if not _is_done(row)})

    @cached_property
    def in_two(self) -> list[str]:
        """Requests that are in two batches, and names that two batches with requests have."""
        batches: defaultdict[str, set[str]] = defaultdict(set)
        for each in self.sent:
            if each.batch is not None:
                batches[each.request].add(each.batch)
        doubled = [number for number, of in batches.items() if len(of) > 1]
        return sorted([*doubled, *(name for name, count in self.names.items() if count > 1)])

    @cached_property
    def repeats(self) -> list[tuple[Submission, Submission]]:
        """Each time that a text was sent again although its answer could be had: the one before, and the one again."""
        of: defaultdict[str, list[Submission]] = defaultdict(list)
        for each in sorted(self.sent, key=lambda sent: sent.at):
            of[each.text].append(each)
        return [
            (before, again)
            for several in of.values()
            for place, again in enumerate(several)
            for before in several[:place]
            if _could_be_had(before, again.at)
        ]

    def excused(self, before: Submission, again: Submission) -> bool:
        """Whether a kill lies between them."""
        return any(before.at <= kill <= again.at for kill in self.kills)

    def _since_kill(self, sent: Submission) -> str:
        kills = [sent.at - kill for kill in self.kills if kill <= sent.at]
        return f"last kill {min(kills):.2f} before" if kills else "no kill before"

    @property
    def again(self) -> Counter[str]:
        """Which way texts went that were sent again although their answer could be had."""
        return Counter(f"{_way(before)} then {_way(again)}" for before, again in self.repeats)

    @property
    def of_batches_again(self) -> list[str]:
        """Texts whose answer could be had from a batch, and that were sent again after a kill: it should be none."""
        return [_told(before, again) for before, again in self.repeats if before.batch is not None]

    @cached_property
    def late(self) -> int:
        """Answers that came from a batch after it was cancelled."""
        return sum(
            each.answered_at is not None
            and each.stopped_at is not None
            and each.answered_at >= each.stopped_at
            for each in self.sent
        )

    def _miscounted(self) -> Iterator[str]:
        money = self.money
        if money.billed > money.spent + money.reserved:
            yield f"{money.billed} ticks were billed, {money.spent} are spent and {money.reserved} reserved"
        if not self.kills and (money.billed != money.spent or money.reserved):
            yield f"nothing was killed: {money.billed} billed, {money.spent} spent, {money.reserved} reserved"
        yield from self._overspent()
        insights = sum(row.insights for row in self.kept)
        if self.answered > insights + len(self.deleted) + self.grown:
            yield f"{self.answered} conversations were answered, {insights} have an insight"
        if several := [row.id for row in self.kept if row.insights > 1]:
            yield f"several insights of one: {several}"
        if self.unfinished:
            yield f"{self.unfinished} batches or conversations are held at the end"

    def _overspent(self) -> Iterator[str]:
        for number, life in enumerate(self.money.lives, 1):
            if life.peak > life.limit:
                yield f"life {number}: {life.peak} ticks were spent or reserved on a day, of {life.limit}"

    def _untried(self) -> Iterator[str]:
        if len(self.kills) < MANY_KILLS:
            return
        yield from (
            f"the provider never did this: {kind}" for kind, times in self.mishaps.items() if not times
        )
        if not any(life.has_refused for life in self.money.lives):
            yield "the budget never bound"

    @property
    def ways(self) -> Counter[str]:
        """How many texts were sent by each way."""
        return Counter(map(_way, self.sent))


def _told(before: Submission, again: Submission) -> str:
    """Both times that a text was sent, in seconds after the first."""
    answered, read, stopped = (
        None if at is None else round(at - before.at, 2)
        for at in (before.answered_at, before.read_at, before.stopped_at)
    )
    times = f"answered {answered}, read {read}, cancelled {stopped}, {_way(again)} again {again.at - before.at:.2f}"
    return f"{before.text} ({_way(before)}: {times})"


def _way(each: Submission) -> str:
    return "live" if each.batch is None else "batch"


def _is_done(row: Kept) -> bool:
    return row.status == "skipped" or (row.status == "completed" and row.insights > 0)


def _could_be_had(before: Submission, at: float) -> bool:
    """Whether the answer was read by then, or waited in a batch that nobody had cancelled."""
    if before.read_at is not None and before.read_at < at:
        return before.answered_at is not None
    return before.answered_at is not None and before.answered_at < at and before.stopped_at is None
