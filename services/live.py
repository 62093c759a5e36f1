"""Live chats: the listeners of each chat, and the news that each has not received yet.

Nothing is queued for a listener. Its news follows from its own position and the present state of the chat, so a
slow listener takes no memory, delays nobody, and catches up by itself.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from services.recent_messages import MOST_BYTES_OF_ALL, Allowance, LiveMessage, RecentMessages
from services.room import Read, Room
from store.conversations.progress import ChatState


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


class Hub:
    """All chats that have listeners; `on_growth` is called with each of them that has new messages.

    `on_change` is called with each chat that this process has changed, also without listeners here: others may have
    some. Of the messages of all chats together at most `most_bytes` are in memory.
    """

    def __init__(
        self,
        read: Read,
        *,
        on_growth: Callable[[str], None] = lambda _: None,
        on_change: Callable[[str], None] = lambda _: None,
        most_bytes: int = MOST_BYTES_OF_ALL,
    ) -> None:
        self._read = read
        self._on_growth = on_growth
        self._on_change = on_change
        self._allowance = Allowance(most_bytes)
        self._rooms: dict[str, Room] = {}
        self._watched: dict[str, tuple[Room, int | None]] = {}

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

    def _open(self, chat: str, after: int) -> Room:
        recent = RecentMessages(self._allowance)
        room = self._rooms[chat] = Room(chat, self._read, self._on_growth, self._close, recent, after)
        return room

    def messages_added(self, chat: str, added: Sequence[LiveMessage] = ()) -> None:
        """Messages were stored in the chat: `added`, in order, if the caller has them at hand."""
        self._on_change(chat)
        if room := self._rooms.get(chat):
            room.recent.keep(added)
            room.mark_stored(added[-1].position if added else 0)
            self._on_growth(chat)

    def watched(self) -> Collection[str]:
        """The chats that have listeners; `compare` takes what is stored of them a moment later."""
        # With what is known now: what is found will be older than what a listener reads meanwhile.
        self._watched = {chat: (room, room.number) for chat, room in self._rooms.items()}
        return self._watched

    def compare(self, stored: Mapping[str, ChatState | None]) -> list[str]:
        """Tell listeners what other processes stored or deleted, given `watched` chats, None for those that are gone.

        Gives the chats that have a summary which listeners have not heard of.
        """
        summarised = []
        for chat, state in stored.items():
            room, number = self._watched[chat]
            if number is not None and (state is None or state.number != number):
                self._close(chat, room)
            elif state is not None and room.has_new_summary(state):
                summarised.append(chat)
        return summarised

    def draft_changed(self, chat: str, text: str) -> None:
        """The summary of the chat is being written; `text` is all of it so far."""
        room = self._rooms.get(chat)
        if room and room.draft != text:
            room.drafts += not text.startswith(room.draft)
            room.draft = text
            room.change()

    def summary_written(self, chat: str, summary: Mapping[str, Any], version: str = "") -> None:
        """The chat has a summary of a version, which is told once; "" has none to compare it by."""
        room = self._rooms.get(chat)
        if room and not (version and version == room.version):
            room.summary, room.draft, room.version = summary, "", version
            room.drafts += 1
            room.change()

    def erased(self, chat: str) -> None:
        """Some of the chat's messages were erased: nothing of them stays in memory."""
        self._on_change(chat)
        if room := self._rooms.get(chat):
            room.forget()

    def deleted(self, chat: str) -> None:
        """The chat was deleted: its listeners learn of it, and later ones get a new room."""
        self._on_change(chat)
        if room := self._rooms.get(chat):
            self._close(chat, room)

    def _close(self, chat: str, room: Room) -> None:
        self._forget(chat, room)
        room.deleted = True
        room.change()

    def _forget(self, chat: str, room: Room) -> None:
        # A deleted chat may have a new room by now.
        if self._rooms.get(chat) is room:
            del self._rooms[chat]
        room.recent.clear()


class Listener:
    """One client of a chat: the position and the summary up to which it has received the news."""

    def __init__(self, room: Room, after: int) -> None:
        self.position = after
        self._room = room
        self._caught_up_with = -1
        self._draft = (room.drafts, 0)
        self._summary = room.summary

    def has_summary(self, version: str) -> None:
        """The client has been sent the summary of this version; "" if there is none, or a new one is being written."""
        if self._room.version is None:
            self._room.version = version

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
