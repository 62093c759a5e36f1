"""A mapping that forgets what has not been used for longest, so that its memory is bounded."""

from collections import OrderedDict
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Bounded(Generic[Key, Value]):
    """At most `most` values by key."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: OrderedDict[Key, Value] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def get(self, key: Key) -> Value | None:
        """The value, which counts as used now; None if it is not (any more) there."""
        if key not in self._held:
            return None
        self._held.move_to_end(key)
        return self._held[key]

    def __contains__(self, key: Key) -> bool:
        """Whether a value is there; this does not count as use."""
        return key in self._held

    def __setitem__(self, key: Key, value: Value) -> None:
        self._held[key] = value
        self._held.move_to_end(key)
        if len(self._held) > self._most:
            self._held.popitem(last=False)

    def pop(self, key: Key) -> None:
        """Forget a value, if it is there."""
        self._held.pop(key, None)

    def clear(self) -> None:
        """Forget all."""
        self._held.clear()
