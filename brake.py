"""Why analysis stands still although calls could leave: an operator paused it, or the day's budget is spent."""

from times import Clock, iso


class Brake:
    """Holds analysis; intake goes on."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._spent_until = 0
        self.paused = False
        """Whether an operator paused analysis."""

    @property
    def held(self) -> str | None:
        """Why not even a call leaves whose cost is reserved already, or None."""
        return "paused by an operator" if self.paused else None

    @property
    def reason(self) -> str | None:
        """Why analysis is held, None where it is not."""
        if self.held is not None:
            return self.held
        if self._clock() < self._spent_until:
            return f"the daily budget is spent; analysis goes on at {iso(self._spent_until)}"
        return None

    def spent(self, until: int) -> None:
        """The budget takes no further call before `until`, UTC microseconds."""
        self._spent_until = until

    def settled(self) -> None:
        """A reservation was settled: there may be room for another call."""
        self._spent_until = 0
