"""Debouncing: an action on a key is due once the key has been quiet for a while."""

from collections.abc import Callable


class Debounce:
    """Keys with recent activity. `clock` gives seconds."""

    def __init__(self, quiet: float, longest: float, clock: Callable[[], float]) -> None:
        """A key is due after `quiet` seconds without activity, at the latest `longest` seconds after its first."""
        self._quiet = quiet
        self._longest = longest
        self._clock = clock
        self._active: dict[str, tuple[float, float]] = {}

    def touch(self, key: str) -> None:
        """Record activity of a key."""
        now = self._clock()
        first, _ = self._active.get(key, (now, now))
        self._active[key] = first, now

    def due(self) -> list[str]:
        """The keys that are due. They are forgotten until their next activity."""
        now = self._clock()
        found = [
            key
            for key, (first, last) in self._active.items()
            if now >= min(last + self._quiet, first + self._longest)
        ]
        for key in found:
            del self._active[key]
        return found
