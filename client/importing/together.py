"""Chats that go in one post: as many as the service takes messages, so that a small chat costs no post of its own."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, TypeVar

from client import AsyncClient, Conflict, Encoded, Invalid
from client.importers.chats import Chat

Item = TypeVar("Item")
MAX_MESSAGES, MAX_POST = 500, 900_000
"""Messages and bytes of a post to chats: the service takes so many, and a megabyte."""


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


class NewChats:
    """Sends chats that the service does not know in one post, so that all of them count as accepted."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._under_way: set[str] = set()

    async def post(self, chats: Sequence[Chat]) -> tuple[Sequence[Chat], Sequence[Chat]]:
        """Those that are stored now, and those that have to be sent one by one. Raises ClientError.

        These are chats that are known, because only an answer about one chat says whether it has grown, and all of
        them where one message is refused: the service stores all of a post or nothing.
        """
        named = {id_of(chat): chat for chat in reversed(chats)} if len(chats) > 1 else {}
        for id_ in self._under_way & named.keys():
            del named[id_]
        self._under_way |= named.keys()
        try:
            new = await self._new(named)
            is_stored = len(new) > 1 and await self._is_stored(new)
        finally:
            self._under_way -= named.keys()
        together = {id(chat) for chat in new} if is_stored else set()
        return [each for each in chats if id(each) in together], [
            each for each in chats if id(each) not in together
        ]

    async def _new(self, named: dict[str, Chat]) -> Sequence[Chat]:
        if not named:
            return ()
        try:
            unknown = {*(await self._client.statuses([*named])).unknown}
        except Invalid:
            return ()  # an id that is none: which chat it is, and why, is said of it alone
        return [chat for id_, chat in named.items() if id_ in unknown]

    async def _is_stored(self, chats: Sequence[Chat]) -> bool:
        try:
            await self._client.post_messages(array(each for chat in chats for each in chat.messages))
        except (Conflict, Invalid):
            return False
        return True


def id_of(chat: Chat) -> str:
    """What its messages call it."""
    return str(json.loads(chat.messages[0])["conversation_id"])
