"""Live chats: the listeners of each chat, and the news that each has not received yet.

Nothing is queued for a listener. Its news follows from its own position and the present state of the chat, so a
slow listener takes no memory, delays nobody, and catches up by itself.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from services.recent_messages import MOST_BYTES_OF_ALL, Allowance, LiveMessage, RecentMessages
from store.conversations.progress import ChatState


@dataclass(frozen=True, slots=True)
class LiveChat:
    """What is stored of a chat: its next messages after a position, and which chat it is."""

    number: int | None
    """The chat's intake number, which no later chat has; None if there is no chat with this id."""
    count: int
    """The position of its last message."""
    messages: Sequence[LiveMessage] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """A summary while it is being written. `text` extends the previous text, or replaces it if `starts`."""

    text: str
    starts: bool


@dataclass(frozen=True, slots=True)
class News:
    """Everything that a listener had not received yet."""

    messages: Sequence[LiveMessage] = ()
    draft: Draft | None = None
    summary: Mapping[str, Any] | None = None
    deleted: bool = False

    def __bool__(self) -> bool:
        """Whether there is any news."""
        return bool(self.messages or self.draft or self.summary or self.deleted)


Read = Callable[[str, int], Awaitable[LiveChat]]
"""Reads a chat with its next messages after a position, in order."""


class Hub:
    """All chats that have listeners; `on_growth` is called with each of them that has new messages.

    Of the messages of all chats together at most `most_bytes` are in memory.
    """

    def __init__(
        self,
        read: Read,
        *,
        on_growth: Callable[[str], None] = lambda _: None,
        most_bytes: int = MOST_BYTES_OF_ALL,
    ) -> None:
        self._read = read
        self._on_growth = on_growth
        self._allowance = Allowance(most_bytes)
        self._rooms: dict[str, _Room] = {}
        self._watched: dict[str, tuple[_Room, int | None]] = {}

    @property
    def recent_bytes(self) -> int:
        """The bytes that the messages of all chats take in memory."""
        return self._allowance.size

    def has_listeners(self, chat: str) -> bool:
        """Whether the chat has listeners."""
        return chat in self._rooms

    @contextmanager
    def listening(self, chat: str, after: int) -> Iterator["Listener"]:
        """Listen to a chat, starting after position `after`."""
        room = self._rooms.get(chat) or self._open(chat, after)
        room.listeners += 1
        try:
            yield Listener(room, after)
        finally:
            room.listeners -= 1
            if not room.listeners:
                self._forget(chat, room)

    def _open(self, chat: str, after: int) -> "_Room":
        recent = RecentMessages(self._allowance)
        room = self._rooms[chat] = _Room(chat, self._read, self._on_growth, self._close, recent, after)
        return room

    def messages_added(self, chat: str, added: Sequence[LiveMessage] = ()) -> None:
        """Messages were stored in the chat: `added`, in order, if the caller has them at hand."""
        if room := self._rooms.get(chat):
            room.recent.keep(added)
            room.mark_stored(added[-1].position if added else 0)
            self._on_growth(chat)

    def watched(self) -> Collection[str]:
        """The chats that have listeners; `compare` takes what is stored of them a moment later."""
        # With what is known now: what is found will be older than what a listener reads meanwhile.
        self._watched = {chat: (room, room.number) for chat, room in self._rooms.items()}
        return self._watched

    def compare(self, stored: Mapping[str, ChatState]) -> None:
        """Tell listeners what other processes stored or deleted, given all `watched` chats that exist."""
        for chat, (room, number) in self._watched.items():
            state = stored.get(chat)
            if number is not None and (state is None or state.number != number):
                self._close(chat, room)
            elif state is not None:
                room.number = room.number or state.number
                room.note_erased(state.erased)
                if state.last_position > room.announced:
                    room.mark_stored(state.last_position)

    def draft_changed(self, chat: str, text: str) -> None:
        """The summary of the chat is being written; `text` is all of it so far."""
        room = self._rooms.get(chat)
        if room and room.draft != text:
            room.drafts += not text.startswith(room.draft)
            room.draft = text
            room.change()

    def summary_written(self, chat: str, summary: Mapping[str, Any]) -> None:
        """The chat has a new summary."""
        if room := self._rooms.get(chat):
            room.summary, room.draft = summary, ""
            room.drafts += 1
            room.change()

    def erased(self, chat: str) -> None:
        """Some of the chat's messages were erased: nothing of them stays in memory."""
        if room := self._rooms.get(chat):
            room.forget()

    def deleted(self, chat: str) -> None:
        """The chat was deleted: its listeners learn of it, and later ones get a new room."""
        if room := self._rooms.get(chat):
            self._close(chat, room)

    def _close(self, chat: str, room: "_Room") -> None:
        self._forget(chat, room)
        room.deleted = True
        room.change()

    def _forget(self, chat: str, room: "_Room") -> None:
        # A deleted chat may have a new room by now.
        if self._rooms.get(chat) is room:
            del self._rooms[chat]
        room.recent.clear()


class _Room:
    """The state that all listeners of one chat share."""

    def __init__(
        self,
        chat: str,
        read: Read,
        on_growth: Callable[[str], None],
        close: Callable[[str, "_Room"], None],
        recent: RecentMessages,
        after: int,
    ) -> None:
        self.listeners = 0
        self.number: int | None = None
        """Of the conversation, once it was found stored."""
        self.announced = after
        """The last position of which all listeners were told, or which the first of them knew."""
        self.stored = 0
        """How often messages may have been stored since the room was opened."""
        self.draft = ""
        self.drafts = 0
        self.summary: Mapping[str, Any] | None = None
        self.deleted = False
        self.erased = 0
        """How many messages the chat had lost when that was last compared."""
        self.forgotten = 0
        """How often what is kept was forgotten."""
        self.changed = asyncio.Event()
        self.recent = recent
        self._chat = chat
        self._read = read
        self._on_growth = on_growth
        self._close = close
        self._reading = asyncio.Lock()
        self._nothing_new: tuple[int, int] | None = None
        """The value of `stored` and the position at which the last read found nothing."""

    def mark_stored(self, position: int) -> None:
        """Note that there are new messages, up to this position as far as it is known."""
        self.announced = max(self.announced, position)
        self.stored += 1
        self.change()

    def note_erased(self, erased: int) -> None:
        """Note how many messages the chat has lost, perhaps by another process."""
        if erased > self.erased:
            self.erased = erased
            self.forget()

    def forget(self) -> None:
        """Forget what is kept of messages, and what was made of them."""
        self.recent.clear()
        self.forgotten += 1
        self.summary, self.draft = None, ""
        self.drafts += 1
        self.change()

    def change(self) -> None:
        """Wake all that wait for a change."""
        self.changed.set()
        self.changed = asyncio.Event()

    async def after(self, position: int) -> Sequence[LiveMessage]:
        """The next messages after the position. Of all listeners that need the newest, one reads for all."""
        if (recent := self.recent.after(position)) is not None:
            return recent
        if self.recent.is_behind(position):
            return await self._stored_after(position)
        async with self._reading:
            now = self.stored, position
            if (recent := self.recent.after(position)) is None and self._nothing_new != now:
                forgotten = self.forgotten
                recent = await self._stored_after(position)
                # Not if some of them were erased meanwhile, or the chat was deleted: nobody would let go of them.
                if not self.deleted and forgotten == self.forgotten:
                    self.recent.keep(recent)
                if recent and self._nothing_new is not None:  # a listener had caught up before
                    self._on_growth(self._chat)
                self._nothing_new = None if recent else now
            return recent or ()

    async def _stored_after(self, position: int) -> Sequence[LiveMessage]:
        stored = await self._read(self._chat, position)
        # Deleted, by another process perhaps, even if a new chat has begun under the id.
        if stored.count < position or self.number not in (None, stored.number):
            self._close(self._chat, self)
            return ()
        self.number = stored.number
        return stored.messages


class Listener:
    """One client of a chat: the position and the summary up to which it has received the news."""

    def __init__(self, room: _Room, after: int) -> None:
        self.position = after
        self._room = room
        self._caught_up_with = -1
        self._draft = (room.drafts, 0)
        self._summary = room.summary

    async def news(self) -> News:
        """Wait for news; what this returns counts as received."""
        while True:
            changed = self._room.changed
            news = News(await self._messages(), self._new_draft(), self._new_summary(), self._room.deleted)
            if news:
                return news
            await changed.wait()

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
        number, length = self._draft
        starts = number != self._room.drafts
        text = self._room.draft if starts else self._room.draft[length:]
        # What was heard of a draft that was given up is taken back, unless a summary comes in its place.
        is_withdrawn = starts and length > 0 and self._summary is self._room.summary
        if not text and not is_withdrawn:
            return None
        self._draft = (self._room.drafts, len(self._room.draft))
        return Draft(text, starts or length == 0)

    def _new_summary(self) -> Mapping[str, Any] | None:
        if self._summary is self._room.summary:
            return None
        self._summary = self._room.summary
        self._draft = (self._room.drafts, len(self._room.draft))
        return self._summary
