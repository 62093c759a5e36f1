"""Chats that go in one post: as many as the service takes messages, so that a small chat costs no post of its own."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, TypeVar

from client import Encoded, Fault
from client.answers import ChatsStored
from client.importers.chats import Chat

Item = TypeVar("Item")
MAX_MESSAGES, MAX_POST = 500, 900_000
"""Messages and bytes of a post to chats: the service takes so many, and a megabyte."""
CONFLICT = "conflict"
"""What the service says of a message whose id it knows with other content."""


def array(items: Iterable[bytes]) -> Encoded:
    """A JSON array of what has ids of its own: the importers give every conversation and every message one."""
    return Encoded(b"[" + b",".join(items) + b"]", identified=True)


def posts(messages: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """The messages of a chat in runs that the service takes at once."""
    some: list[bytes] = []
    size = 0
    for message in messages:
        weight = len(message) + len(",")
        if some and (len(some) == MAX_MESSAGES or size + weight > MAX_POST):
            yield some
            some, size = [], 0
        some.append(message)
        size += weight
    yield some


class Gathering(Generic[Item]):
    """Gathers items for one post. `add` gives those gathered before, where another one has no room beside them."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._limits = (most, most_bytes)
        self._some: list[Item] = []
        self._count = self._bytes = 0

    def add(self, item: Item, parts: Sequence[bytes]) -> Sequence[Item]:
        """Take an item in, and what of it goes into the post's array; what was there before and has to go first."""
        count, size = len(parts), sum(map(len, parts)) + len(parts)
        most, most_bytes = self._limits
        is_full = self._count + count > most or self._bytes + size > most_bytes
        before = self.taken() if is_full else ()
        self._some.append(item)
        self._count += count
        self._bytes += size
        return before

    def taken(self) -> Sequence[Item]:
        """All that is there, which is none any more."""
        some, self._some = self._some, []
        self._count = self._bytes = 0
        return some


def parted(chats: Sequence[Chat], faults: Sequence[Fault]) -> tuple[Sequence[Chat], Sequence[Chat]]:
    """Those of a post's chats that its refusal names, and the others; where it names none, all are among the first."""
    indexes = {fault.index for fault in faults}
    named = [not indexes.isdisjoint(run) for run in _runs(chats)]
    if not any(named):
        return chats, ()
    pairs = [*zip(chats, named, strict=True)]
    return [chat for chat, is_named in pairs if is_named], [chat for chat, is_named in pairs if not is_named]


def known_with_other_content(faults: Sequence[Fault]) -> frozenset[int]:
    """Which messages of a post are stored under their ids with other content."""
    return frozenset(fault.index for fault in faults if fault.error == CONFLICT)


def count_grown(chats: Sequence[Chat], answer: ChatsStored) -> int:
    """How many of a post's chats had a message that was not stored before."""
    return sum(not all(answer.messages[at].duplicate for at in run) for run in _runs(chats))


def _runs(chats: Sequence[Chat]) -> Iterator[range]:
    """Where the messages of each chat are among those of all."""
    first = 0
    for chat in chats:
        yield range(first, first + len(chat.messages))
        first += len(chat.messages)
