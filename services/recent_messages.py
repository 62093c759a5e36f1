"""The newest messages of a chat, kept in memory for its listeners."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from sys import getsizeof

MOST, MOST_BYTES = 256, 1_000_000
"""Of one chat. Messages alone are no bound: 256 of 20,000 emoji took 60 MB while each was kept as escapes."""
SLICE_BYTES = 64_000
"""What a listener takes at a time, and holds while its client does not read."""


@dataclass(frozen=True, slots=True)
class LiveMessage:
    """A message as listeners receive it: the frame is encoded once for all of them."""

    position: int
    frame: str

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return getsizeof(self.frame)


class RecentMessages:
    """Successive messages, the newest of their chat; bounded in number and in bytes."""

    def __init__(self) -> None:
        self._kept: deque[LiveMessage] = deque()
        self.size = 0
        """Bytes in memory."""

    def keep(self, messages: Sequence[LiveMessage]) -> None:
        """Keep these, in order, and none before a gap: messages may be missing there, or were erased."""
        for message in messages:
            if self._kept and message.position != self._kept[-1].position + 1:
                self._kept.clear()
                self.size = 0
            self._kept.append(message)
            self.size += message.size
        while self.size > MOST_BYTES or len(self._kept) > MOST:
            self.size -= self._kept.popleft().size

    def after(self, position: int) -> Sequence[LiveMessage] | None:
        """The next messages after a position, at least one and no more than a slice; None if they are not kept."""
        if not self._kept or not self._kept[0].position - 1 <= position < self._kept[-1].position:
            return None
        return first_slice(islice(self._kept, position + 1 - self._kept[0].position, None))

    def is_behind(self, position: int) -> bool:
        """Whether the next message after this position is older than all that are kept."""
        return bool(self._kept) and position < self._kept[0].position - 1


def first_slice(messages: Iterable[LiveMessage]) -> Sequence[LiveMessage]:
    """The first messages that fit into a slice; the first one in any case."""
    chosen: list[LiveMessage] = []
    size = 0
    for message in messages:
        size += message.size
        if chosen and size > SLICE_BYTES:
            break
        chosen.append(message)
    return chosen
