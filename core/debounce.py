"""What is to be done once things have been quiet, however often they stir before."""

from collections.abc import Callable


class Debounce:
    """Keys that stirred. `clock` gives seconds, `quiet` and `longest` are seconds."""

    def __init__(self, quiet: float, longest: float, clock: Callable[[], float]) -> None:
        """A key is due when it has been quiet for so long, at the latest so long after it first stirred."""
        self._quiet = quiet
        self._longest = longest
        self._clock = clock
        self._stirred: dict[str, tuple[float, float]] = {}

    def touch(self, key: str) -> None:
        """It stirs."""
        now = self._clock()
        first, _ = self._stirred.get(key, (now, now))
        self._stirred[key] = first, now

    def due(self) -> list[str]:
        """The keys whose time has come; they are forgotten until they stir again."""
        now = self._clock()
        found = [
            key
            for key, (first, last) in self._stirred.items()
            if now >= min(last + self._quiet, first + self._longest)
        ]
        for key in found:
            del self._stirred[key]
        return found
