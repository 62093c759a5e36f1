"""A pause of the outbound calls."""

from collections.abc import Callable


class Pause:
    """A time in which no call starts, because the provider asked for it. Times in seconds of its clock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.until = clock()
        self.reason = ""
        """Why, for whoever asks."""

    def extend(self, seconds: float) -> None:
        """Pause for so many seconds from now. A longer pause that is already set stays."""
        self.until = max(self.until, self._clock() + seconds)

    def left(self) -> float:
        """Seconds until it ends; 0 if there is none."""
        return max(0.0, self.until - self._clock())
