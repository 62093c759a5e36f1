"""What must hold after kills: nothing lost, nothing twice, nothing asked again but what a kill cut off."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import NamedTuple

from tests.faults.recovery import Recovery


class Accepted(NamedTuple):
    """One conversation that was answered 202."""

    id: str
    external_id: str | None


class Stored(NamedTuple):
    """A conversation as it lies in the database at the end."""

    id: str
    external_id: str | None
    status: str
    insights: int


class Asked(NamedTuple):
    """A call as Grok saw it."""

    life: int
    """Which start of the service it came from, from 0; every life but the last ended with a kill."""
    texts: Sequence[str]
    """None for a canary."""
    answered: Collection[str]
    """The texts to which a valid answer was written."""
    settled: bool
    """Whether the service's books tell how it ended. A call that was in flight at a kill stays open in them."""
    billed: int = 0
    """Ticks."""
    disturbed: bool = False
    """Whether its process was killed or frozen before it could store the answer, while others worked on."""


@dataclass(frozen=True)
class Books:
    """What the service says of its calls and of what it analysed. Money in ticks."""

    calls: int
    open: int
    """Calls of which it does not know how they ended."""
    spent: int
    """Including what is reserved."""
    analysed: int
    """Conversations that were answered, by Grok or from the cache, each time that one was."""
    rolled_up: bool
    """Whether the roll-ups are those of a recount."""


@dataclass(frozen=True)
class Evidence:
    """What clients, Grok and the database saw of a service that was killed again and again."""

    accepted: Sequence[Accepted]
    deleted: Collection[str]
    """Ids whose DELETE was answered."""
    stored: Sequence[Stored]
    asked: Sequence[Asked]
    """In the order in which they came."""
    books: Books
    last_life: int
    most_in_flight: int
    """Calls that the service may have under way at once, canaries apart."""
    unanswered: int = 0
    """Requests of clients that broke off."""
    disturbed: Mapping[str, int] = field(default_factory=dict)
    """What was done to processes beside others, and how often."""
    recoveries: Mapping[str, Recovery] = field(default_factory=dict)
    """How the rate went after what was done to processes while nothing else happened."""
    odd: Sequence[str] = ()
    """What should not have happened at all: an answer of another kind, an error in the log."""

    @cached_property
    def complaints(self) -> list[str]:
        """What does not hold, a line each."""
        named = {
            "lost": self.lost,
            "deleted, but there": self.undeleted,
            "doubled": self.doubled,
            "repeated without a reason": self.repeated,
        }
        items = [f"{name}: {item}" for name, found in named.items() for item in found]
        return [*self.odd, *self._miscounted(), *items]

    @cached_property
    def lost(self) -> list[str]:
        """Ids that were answered 202 and are not there, or are there and never ended well."""
        there = {row.id for row in self.stored}
        missing = {each.id for each in self.accepted} - there - set(self.deleted)
        return sorted(missing | {row.id for row in self.stored if not _ended(row)})

    @cached_property
    def undeleted(self) -> list[str]:
        """Ids that are there although it was answered that they are not."""
        return sorted({row.id for row in self.stored} & set(self.deleted))

    @cached_property
    def doubled(self) -> list[str]:
        """External ids with several conversations, and conversations with several insights."""
        of: defaultdict[str, set[str]] = defaultdict(set)
        told = ((each.external_id, each.id) for each in self.accepted)
        kept = ((each.external_id, each.id) for each in self.stored)
        for external, id_ in chain(told, kept):
            if external is not None:
                of[external].add(id_)
        twins = {external for external, ids in of.items() if len(ids) > 1}
        return sorted(twins | {row.id for row in self.stored if row.insights > 1})

    @cached_property
    def repeated(self) -> list[str]:
        """Texts that Grok was asked about again although it had answered, and no kill can be the reason."""
        return [text for before, call, text in self._repeats() if not self._excused(before, call)]

    @cached_property
    def asked_again(self) -> int:
        """Calls that were in flight at a kill, had been answered, and had to be made again."""
        return len({id(before) for before, call, _ in self._repeats() if self._excused(before, call)})

    @cached_property
    def in_flight(self) -> Counter[int]:
        """By life, the calls that were in flight when it was killed."""
        return Counter(call.life for call in self.asked if call.texts and self._cut_off(call))

    def _excused(self, before: Asked, call: Asked) -> bool:
        return before.disturbed or (self._cut_off(before) and before.life < call.life)

    def _cut_off(self, call: Asked) -> bool:
        return not call.settled and (call.disturbed or call.life < self.last_life)

    def _repeats(self) -> Iterator[tuple[Asked, Asked, str]]:
        """Each time that a text came again after its answer was written: the two calls, and the text."""
        last: dict[str, Asked] = {}
        for call in self.asked:
            for text in call.texts:
                before = last.get(text)
                if before is not None and text in before.answered:
                    yield before, call, text
                last[text] = call

    def _miscounted(self) -> Iterator[str]:
        books = self.books
        most = max(self.in_flight.values(), default=0)
        if most > self.most_in_flight:
            yield f"{most} calls in flight at one kill, where {self.most_in_flight} may be"
        if (open_calls := sum(not call.settled for call in self.asked)) > books.open:
            yield f"{open_calls} calls came without an end, {books.open} are open in the books"
        if given_up := sum(not (call.settled or self._cut_off(call)) for call in self.asked):
            yield f"{given_up} calls came without an end, and no kill cut them off"
        if len(self.asked) > books.calls:
            yield f"{len(self.asked)} calls came, {books.calls} are booked"
        if (billed := sum(call.billed for call in self.asked)) > books.spent:
            yield f"{billed} ticks were billed, {books.spent} are spent or reserved"
        # One that was deleted may have been answered before.
        answers = sum(row.insights for row in self.stored) + len(self.deleted)
        if books.analysed > answers:
            yield f"{books.analysed} conversations were answered, there can be {answers}"
        if not books.rolled_up:
            yield "the roll-ups are not those of a recount"


def _ended(row: Stored) -> bool:
    return row.status == "skipped" or (row.status == "completed" and row.insights > 0)
