"""The room of a live chat: what all its listeners share."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.recent_messages import LiveMessage, RecentMessages
from store.conversations.progress import ChatState


@dataclass(frozen=True, slots=True)
class LiveChat:
    """What is stored of a chat: its next messages after a position, and which chat it is."""

    number: int | None
    """The chat's intake number, which no later chat has; None if there is no chat with this id."""
    count: int
    """The position of its last message."""
    messages: Sequence[LiveMessage] = ()


Read = Callable[[str, int], Awaitable[LiveChat]]
"""Reads a chat with its next messages after a position, in order."""


class Room:
    """The state that all listeners of one chat share."""

    def __init__(
        self,
        chat: str,
        read: Read,
        on_growth: Callable[[str], None],
        close: Callable[[str, "Room"], None],
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
        self.version: str | None = None
        """Of the last summary that all listeners have heard of; None until the first has seen which there is."""
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

    def has_new_summary(self, state: ChatState) -> bool:
        """Take over what is stored of the chat; gives whether it has a summary that nobody here has heard of."""
        self.number = self.number or state.number
        self.note_erased(state.erased)
        if state.last_position > self.announced:
            self.mark_stored(state.last_position)
        return self.version is not None and state.summary not in ("", self.version)

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
