"""The hold: pauses analysis for an operator, a database that takes no writes, or a spent budget."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from core.changes import Changing
from core.clock import SECOND, Clock, iso
from llm.stops import Stop


class Hold:
    """Whether analysis is on hold, and why. Intake goes on."""

    def __init__(self, clock: Clock, changing: Changing = nullcontext) -> None:
        """`changing` gives the block in which a state changes: of the hold, and of whatever else stops calls."""
        self.changing = changing
        self._clock = clock
        self._spent_until = 0
        self._unstored = 0
        self.settlements = 0
        """Reservations settled so far."""
        self.paused = False
        """Whether an operator paused analysis."""
        self.switched = 0
        """How often this process was told to pause or to resume."""
        self.refusal: str | None = None
        """Why the database takes no writes; None if it does."""

    @property
    def blocks_reserved(self) -> str | None:
        """Why even a call whose cost is already reserved must not be sent, or None."""
        return "paused by an operator" if self.paused else self.refusal

    @property
    def reason(self) -> str | None:
        """Why analysis is on hold; None if it is not."""
        if self._unstored and not self.paused:
            return "results are waiting to be stored"
        if self.blocks_reserved is not None:
            return self.blocks_reserved
        return self._spent

    @property
    def _spent(self) -> str | None:
        if not self.spent_seconds:
            return None
        return f"the daily budget is spent; analysis resumes at {iso(self._spent_until)}"

    @property
    def resumes_at(self) -> int | None:
        """When a spent budget is followed by the next, UTC microseconds; None if it is not spent, or paused anyway."""
        return None if self.paused or not self.spent_seconds else self._spent_until

    @property
    def spent_seconds(self) -> float:
        """Seconds until the next budget; 0 while the present one covers calls."""
        return max(0, self._spent_until - self._clock()) / SECOND

    @property
    def stops(self) -> list[Stop]:
        """Everything that analysis is on hold for. What the database refuses is not among it."""
        found = {
            "analysis_paused": "paused by an operator" if self.paused else None,
            "results_waiting": "results are waiting to be stored" if self._unstored else None,
            "budget_spent": self._spent,
        }
        return [Stop(name, reason) for name, reason in found.items() if reason is not None]

    def switch(self, *, paused: bool) -> None:
        """Pause analysis, or resume it."""
        with self.changing():
            self.paused = paused
            self.switched += 1

    @contextmanager
    def until_stored(self) -> Iterator[None]:
        """Hold analysis inside the block. Until paid results are stored, their texts must not be claimed again."""
        self._add_unstored(1)
        try:
            yield
        finally:
            self._add_unstored(-1)

    def _add_unstored(self, more: int) -> None:
        with self.changing():
            self._unstored += more

    def budget_spent(self, until: int, settlements: int) -> None:
        """Hold analysis until `until` (UTC microseconds), because the budget covers no further call.

        `settlements` is the counter's value before the budget was checked. A later settlement may have freed
        budget; ignoring it would stop analysis for the rest of the day, so in that case nothing is held.
        """
        if settlements == self.settlements:
            with self.changing():
                self._spent_until = until

    def reservation_settled(self) -> None:
        """Note that a reservation was settled: the budget may cover another call."""
        self.settlements += 1
        if self._spent_until:
            with self.changing():
                self._spent_until = 0
