"""How many conversations go into one call, and which ones. Pure policy."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

GROWTH = 5

Each = TypeVar("Each")


@dataclass
class BatchSize:
    """The size of the next batch: it grows by five with each full success and is halved by a batch fault."""

    smallest: int
    largest: int
    now: int
    _halvings: int = field(default=0, init=False)

    @classmethod
    def fixed(cls, size: int) -> "BatchSize":
        """A size that never changes."""
        return cls(size, size, size)

    @property
    def epoch(self) -> int:
        """Taken along by a call when it leaves, so that its fault halves only the size it left with."""
        return self._halvings

    def calls_for(self, number: int) -> int:
        """How many calls so many conversations take if all succeed."""
        size, calls = self.now, 0
        while number > 0 and size < self.largest:
            number, calls, size = number - size, calls + 1, min(size + GROWTH, self.largest)
        return calls + math.ceil(max(0, number) / self.largest)

    def succeeded(self) -> None:
        """A call came back with every row."""
        self.now = min(self.now + GROWTH, self.largest)

    def failed(self, epoch: int) -> None:
        """A call that left in `epoch` failed as a batch. Calls of one epoch halve the size once."""
        if epoch == self._halvings:
            self.now = max(self.now // 2, self.smallest)
            self._halvings += 1


def pack(
    waiting: Sequence[Each],
    size: int,
    *,
    weight: Callable[[Each], int],
    limit: Callable[[Each], int | None],
    token_budget: int,
) -> tuple[list[Each], list[Each]]:
    """The next batch and the rest, both in order: at most `size` items, weighing at most `token_budget` together.

    An item whose `limit` is below the batch's length waits for a smaller batch. At least one item is taken,
    however heavy it is.
    """
    batch: list[Each] = []
    rest: list[Each] = []
    most, load = size, 0
    for each in waiting:
        own = min(most, limit(each) or size)
        if not batch or (len(batch) < own and load + weight(each) <= token_budget):
            batch.append(each)
            most, load = own, load + weight(each)
        else:
            rest.append(each)
    return batch, rest
