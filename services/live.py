"""Who listens to which chat, and what each has not heard yet.

Nothing is queued for a listener. What it has not heard follows from how far it is and from what the chat is by
now, so a slow one takes no room, holds up nobody, and catches up by itself.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from core.waiters import wait_at_most

RECENT = 256
"""Messages of a chat that are kept for those who are nearly there; who is further behind reads the database."""
LOOK_EVERY = {"sqlite": 60.0, "postgresql": 1.0}
"""Seconds after which a chat is looked at although nobody told of it. PostgreSQL has other processes beside this."""


@dataclass(frozen=True, slots=True)
class LiveMessage:
    """A message as listeners get it: put into words once for all of them."""

    position: int
    frame: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A summary while it is written: `text` goes behind what came before, or begins anew where it `starts`."""

    text: str
    starts: bool


@dataclass(frozen=True, slots=True)
class News:
    """What a listener had not heard."""

    messages: Sequence[LiveMessage] = ()
    draft: Draft | None = None
    summary: Mapping[str, Any] | None = None
    deleted: bool = False

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.messages or self.draft or self.summary or self.deleted)


Read = Callable[[str, int], Awaitable[Sequence[LiveMessage]]]
"""The next messages of a chat after a position, in order; none where there are none yet."""


class Hub:
    """Every chat that somebody listens to.

    `poll` is how often, in seconds, a chat is looked at for what other processes stored. `grew` is told of every
    chat that somebody listens to and that has new messages.
    """

    def __init__(self, read: Read, *, poll: float, grew: Callable[[str], None] = lambda _: None) -> None:
        self._read = read
        self._poll = poll
        self._grew = grew
        self._rooms: dict[str, _Room] = {}

    def is_heard(self, chat: str) -> bool:
        """Whether anybody listens to it."""
        return chat in self._rooms

    @contextmanager
    def listening(self, chat: str, after: int) -> Iterator["Listener"]:
        """Listen to a chat, from the message behind position `after` on."""
        room = self._rooms.setdefault(chat, _Room(chat, self._read, self._grew))
        room.listeners += 1
        try:
            yield Listener(room, after, self._poll)
        finally:
            room.listeners -= 1
            # Of a chat that was deleted another room may be open by now.
            if not room.listeners and self._rooms.get(chat) is room:
                del self._rooms[chat]

    def spoke(self, chat: str, said: Sequence[LiveMessage] = ()) -> None:
        """Messages of it were stored; `said` are they, in order, where they are at hand."""
        if room := self._rooms.get(chat):
            room.keep(said)
            room.look()
            self._grew(chat)

    def drafted(self, chat: str, text: str) -> None:
        """Its summary is being written; `text` is all there is of it so far."""
        room = self._rooms.get(chat)
        if room and room.draft != text:
            room.drafts += not text.startswith(room.draft)
            room.draft = text
            room.change()

    def summarised(self, chat: str, summary: Mapping[str, Any]) -> None:
        """It has a new summary."""
        if room := self._rooms.get(chat):
            room.summary, room.draft = summary, ""
            room.drafts += 1
            room.change()

    def deleted(self, chat: str) -> None:
        """It is gone: listeners are told, and whoever comes later is in a new room."""
        if room := self._rooms.pop(chat, None):
            room.deleted = True
            room.change()


class _Room:
    """What listeners of one chat have in common."""

    def __init__(self, chat: str, read: Read, grew: Callable[[str], None]) -> None:
        self.listeners = 0
        self.stored = 0
        """How often messages were stored since the room was opened."""
        self.draft = ""
        self.drafts = 0
        self.summary: Mapping[str, Any] | None = None
        self.deleted = False
        self.changed = asyncio.Event()
        self._chat = chat
        self._read = read
        self._grew = grew
        self._recent: deque[LiveMessage] = deque(maxlen=RECENT)
        self._reading = asyncio.Lock()
        self._nothing: tuple[int, int] | None = None

    def look(self) -> None:
        """There may be new messages."""
        self.stored += 1
        self.change()

    def change(self) -> None:
        """Wake all that wait for a change, once."""
        self.changed.set()
        self.changed = asyncio.Event()

    async def after(self, position: int) -> Sequence[LiveMessage]:
        """The next messages behind the position; of all who wait for the newest ones, one reads them."""
        if (recent := self._recent_after(position)) is not None:
            return recent
        if self._recent and position < self._recent[0].position - 1:
            return await self._read(self._chat, position)
        async with self._reading:
            now = self.stored, position
            if (recent := self._recent_after(position)) is None and self._nothing != now:
                recent = await self._read(self._chat, position)
                self.keep(recent)
                if recent and self._nothing is not None:  # somebody had heard all there was
                    self._grew(self._chat)
                self._nothing = None if recent else now
            return recent or ()

    def _recent_after(self, position: int) -> Sequence[LiveMessage] | None:
        if not self._recent or not self._recent[0].position - 1 <= position < self._recent[-1].position:
            return None
        return [said for said in self._recent if said.position > position]

    def keep(self, read: Sequence[LiveMessage]) -> None:
        """Have these at hand for who is nearly there; where there is a gap before them, these alone."""
        if read and self._recent and read[0].position != self._recent[-1].position + 1:
            self._recent.clear()
        self._recent.extend(read)


class Listener:
    """One client's place in a chat: up to which position it has heard, and of which summary."""

    def __init__(self, room: _Room, after: int, poll: float) -> None:
        self.position = after
        self._room = room
        self._poll = poll
        self._caught_up_with = -1
        self._draft = (room.drafts, 0)
        self._summary = room.summary

    async def news(self) -> News:
        """Wait until there is something it has not heard; after that it counts as heard."""
        while True:
            changed = self._room.changed
            news = News(await self._messages(), self._new_draft(), self._new_summary(), self._room.deleted)
            if news:
                return news
            await wait_at_most(changed, self._poll)
            if not changed.is_set():
                self._room.look()

    async def _messages(self) -> Sequence[LiveMessage]:
        stored = self._room.stored
        if self._caught_up_with == stored or self._room.deleted:
            return ()
        found = await self._room.after(self.position)
        if found:
            self.position = found[-1].position
        else:
            self._caught_up_with = stored
        return found

    def _new_draft(self) -> Draft | None:
        number, on_draft = self._draft
        starts = number != self._room.drafts
        text = self._room.draft if starts else self._room.draft[on_draft:]
        if not text:
            return None
        self._draft = (self._room.drafts, len(self._room.draft))
        return Draft(text, starts or on_draft == 0)

    def _new_summary(self) -> Mapping[str, Any] | None:
        if self._summary is self._room.summary:
            return None
        self._summary = self._room.summary
        return self._summary
