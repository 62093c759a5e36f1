"""Messages of chats as files hold them: who speaks, what the chat is called, and which format it was."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from client.importers.base import BROKEN, Rejected
from client.importers.files import Source, Unreadable

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")
NO_PART_OF_AN_ID = re.compile(r"[^A-Za-z0-9_.:-]+")
LONGEST_READABLE, HASH = 64, 16


@dataclass(frozen=True, slots=True)
class Said:
    """One message. `chat` and `id` tell it apart in every run; `said_at` is ISO 8601 in UTC."""

    line: int
    chat: str
    id: str
    user: str | None
    role: str
    text: str
    said_at: str | None


@dataclass(frozen=True, slots=True)
class Spoiled:
    """A message that cannot be read: its chat is rejected whole."""

    line: int
    chat: str
    reason: str


Entry = Said | Spoiled | Rejected


def chat_id(name: str) -> str:
    """The name as the HTTP API takes an id. One that has to be changed gets a hash, so that no two become one."""
    if ID.fullmatch(name):
        return name
    readable = NO_PART_OF_AN_ID.sub("-", name).strip("-.:_")[:LONGEST_READABLE]
    return f"{readable or 'chat'}-{sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:HASH]}"


class Messages(ABC):
    """The messages of an open file in one of the formats of chats, to be iterated once.

    `names_agents` says that only `--agent` tells who is who. Iterating raises Unreadable.
    """

    title = "chats"
    names_agents = True
    may_be_one_sided = False
    """Whether a file may well hold what customers said and no answer."""
    small_ids = False
    """Whether ids of chats that are small numbers are those of one installation, and another has them as well."""

    ids_last = False
    """Whether a message has an id of its own, and not its place in the file."""

    blank = 0
    """Of rows without a value, which no chat has."""

    def __init__(self, name: str, source: Source) -> None:
        self.name = name
        self.size = source.size
        self.warnings: list[tuple[int, str]] = []
        """Lines, and what looks odd there."""
        self._source = source

    @property
    def position(self) -> int:
        """Bytes read so far."""
        return self._source.tell()

    def __iter__(self) -> Iterator[Entry]:
        try:
            yield from self._entries()
        except BROKEN as error:
            raise Unreadable(f"{self.name}: {error}") from error

    def root_of(self, chat: str) -> str:
        """The chat that this one turned out to be part of: itself, unless the format says otherwise."""
        return chat

    @abstractmethod
    def _entries(self) -> Iterator[Entry]:
        """What the file holds, in its order."""
