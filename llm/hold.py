"""Why analysis stands still although calls could leave: it was paused, nothing can be stored, no money is left."""

from collections.abc import Iterator
from contextlib import contextmanager

from core.clock import Clock, iso


class Hold:
    """Holds analysis; intake goes on."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._spent_until = 0
        self._unstored = 0
        self.settlements = 0
        """Reservations settled so far."""
        self.paused = False
        """Whether an operator paused analysis."""
        self.refusal: str | None = None
        """Why the database takes no writes, None where it does."""

    @property
    def blocks_reserved(self) -> str | None:
        """Why not even a call leaves whose cost is reserved already, or None."""
        return "paused by an operator" if self.paused else self.refusal

    @property
    def reason(self) -> str | None:
        """Why analysis is held, None where it is not."""
        if self._unstored and not self.paused:
            return "results wait to be stored"
        if self.blocks_reserved is not None:
            return self.blocks_reserved
        if self._clock() < self._spent_until:
            return f"the daily budget is spent; analysis goes on at {iso(self._spent_until)}"
        return None

    @contextmanager
    def until_stored(self) -> Iterator[None]:
        """Hold analysis inside the block: until what is paid for is stored, its texts must not be claimed again."""
        self._unstored += 1
        try:
            yield
        finally:
            self._unstored -= 1

    def budget_spent(self, until: int, settlements: int) -> None:
        """The budget takes no further call before `until`, UTC microseconds.

        `settlements` is how many there were before the budget was asked. One that came since may have made room:
        it would go unheard, and analysis would stand still for the rest of the day.
        """
        if settlements == self.settlements:
            self._spent_until = until

    def reservation_settled(self) -> None:
        """A reservation was settled: there may be room for another call."""
        self.settlements += 1
        self._spent_until = 0
