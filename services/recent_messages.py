"""The newest messages of chats, kept in memory for their listeners: bounded for each chat and for all together."""

from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from sys import getsizeof

MOST, MOST_BYTES = 256, 1_000_000
"""Of one chat. Messages alone are no bound: 256 of 20,000 emoji took 60 MB while each was kept as escapes."""
MOST_BYTES_OF_ALL = 8_000_000
"""Of all chats together: without this bound a thousand busy chats may keep a gigabyte."""
SLICE_BYTES = 64_000
"""What a listener takes at a time, and holds while its client does not read."""
BESIDES = 96
"""Bytes that a message takes besides its frame: two objects and a place in a queue."""


@dataclass(frozen=True, slots=True)
class LiveMessage:
    """A message as listeners receive it: the frame is encoded once for all of them."""

    position: int
    frame: bytes
    """In UTF-8: with one emoji among them, a text takes four bytes for each letter."""

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return getsizeof(self.frame) + BESIDES


class Allowance:
    """The bytes that all chats share. The chat that was used longest ago gives up its messages first, oldest first.

    Its listeners have most likely caught up, so that they miss nothing; others read the database.
    """

    def __init__(self, most: int = MOST_BYTES_OF_ALL) -> None:
        self.size = 0
        """Bytes in memory."""
        self._most = most
        self._by_use: OrderedDict[RecentMessages, None] = OrderedDict()

    def change(self, recent: "RecentMessages", by: int) -> None:
        """A chat keeps so many bytes more, or fewer."""
        self.size += by
        if recent.size == 0:
            self._by_use.pop(recent, None)

    def use(self, recent: "RecentMessages") -> None:
        """A chat's messages were kept or taken: it is the last to give any up."""
        if recent.size:
            self._by_use[recent] = None
            self._by_use.move_to_end(recent)

    def enforce(self) -> None:
        """Drop messages until the rest fits."""
        while self.size > self._most:
            next(iter(self._by_use)).drop_oldest()


class RecentMessages:
    """Successive messages, the newest of their chat; bounded in number and in bytes."""

    def __init__(self, allowance: Allowance) -> None:
        self._kept: deque[LiveMessage] = deque()
        self._allowance = allowance
        self.size = 0
        """Bytes in memory."""

    def keep(self, messages: Sequence[LiveMessage]) -> None:
        """Keep these, in order, and none before a gap: messages may be missing there, or were erased."""
        run = _last_run(messages)
        if len(run) < len(messages) or (
            run and self._kept and run[0].position != self._kept[-1].position + 1
        ):
            self.clear()
        self._kept.extend(run)
        self._change(sum(message.size for message in run))
        while self.size > MOST_BYTES or len(self._kept) > MOST:
            self.drop_oldest()
        self._allowance.use(self)
        self._allowance.enforce()

    def after(self, position: int) -> Sequence[LiveMessage] | None:
        """The next messages after a position, at least one and no more than a slice; None if they are not kept."""
        if not self._kept or not self._kept[0].position - 1 <= position < self._kept[-1].position:
            return None
        self._allowance.use(self)
        return first_slice(islice(self._kept, position + 1 - self._kept[0].position, None))

    def is_behind(self, position: int) -> bool:
        """Whether the next message after this position is older than all that are kept."""
        return bool(self._kept) and position < self._kept[0].position - 1

    def drop_oldest(self) -> None:
        """Keep the oldest message no longer."""
        self._change(-self._kept.popleft().size)

    def clear(self) -> None:
        """Keep none of them any longer."""
        self._kept.clear()
        self._change(-self.size)

    def _change(self, by: int) -> None:
        self.size += by
        self._allowance.change(self, by)


def _last_run(messages: Sequence[LiveMessage]) -> Sequence[LiveMessage]:
    """The last messages that have no gap between them."""
    gaps = (at for at in range(len(messages) - 1, 0, -1) if not _follow(*messages[at - 1 : at + 1]))
    return messages[next(gaps, 0) :]


def _follow(before: LiveMessage, after: LiveMessage) -> bool:
    return after.position == before.position + 1


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
