"""Conversations on their way: in batches, a few at a time, every one of them accounted for."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from client import AsyncClient, ClientError, Conflict, Fault, Invalid, Refused
from client.answers import BulkAccepted, ChatsStored
from client.importers.chats import Chat, Record
from client.importers.conversations import Conversation
from client.importers.rows import Rejected
from client.importing.together import (
    CONFLICT,
    MAX_MESSAGES,
    MAX_POST,
    Gathering,
    array,
    count_grown,
    known_with_other_content,
    parted,
    posts,
)

IN_FLIGHT = 4  # one is read, one on the wire, one committed; more only waits in the service's queue
MAX_BYTES = 8_000_000  # half of what the service takes
MAX_KEPT = 1_000
RECORDS_BETWEEN_LOOKS = 1_000

Batch = Sequence[Conversation]
Freshness = Literal["now", "day"]
"""How soon what is sent has to be analysed."""


@dataclass(slots=True)
class Listing:
    """How many of something there were, and the first of them: all of them could fill the memory."""

    count: int = 0
    first: list[tuple[int, str]] = field(default_factory=list)
    """Line and what happened there."""

    def add(self, line: int, what: str) -> None:
        self.count += 1
        if len(self.first) < MAX_KEPT:
            self.first.append((line, what))


@dataclass(slots=True)
class Tally:
    """What became of it all."""

    sent: int = 0
    """Conversations that were answered: accepted, duplicates and conflicts."""
    accepted: int = 0
    duplicates: int = 0
    chats: int = 0
    """How many of those sent were chats."""
    conflicts: Listing = field(default_factory=Listing)
    rejected: Listing = field(default_factory=Listing)
    undated: int = 0
    """Conversations that do not say when they were said: the service dates them at intake."""
    warnings: Listing = field(default_factory=Listing)
    silent_agents: Sequence[str] = ()
    """Those that `--agent` named and that say nothing in the file."""
    without_offset: int = 0
    """Times that had no offset of their own."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Turns that are not sent, by kind."""
    fields_left_out: Counter[str] = field(default_factory=Counter)
    """Fields for which the service has no place, and in how many objects and messages they were."""
    ids: dict[str, None] | None = None
    """The conversations that are in the service now, in the order sent; None where nobody will ask for them."""


def rehearse(records: Iterator[Record], tally: Tally, on_progress: Callable[[], None]) -> None:
    """Counts what would be sent, and sends nothing."""
    for record in records:
        if isinstance(record, Rejected):
            tally.rejected.add(record.line, record.reason)
            continue
        tally.sent += 1
        tally.undated += not record.dated
        if not tally.sent % RECORDS_BETWEEN_LOOKS:
            on_progress()


class Delivery:
    """Sends what it is given; `tally` is true at any moment. `on_progress` is called after each answer."""

    def __init__(
        self, client: AsyncClient, tally: Tally, on_progress: Callable[[], None], freshness: Freshness = "now"
    ) -> None:
        self._client = client
        self._freshness: Freshness = freshness
        self._tally = tally
        self._on_progress = on_progress

    async def send(self, records: Iterator[Record], batch_size: int) -> None:
        """Sends all of it, several batches at once. Raises ClientError."""
        batches = self._batches(records, batch_size)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(IN_FLIGHT):
                    group.create_task(self._send_all(batches))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None

    async def _send_all(self, batches: Iterator[Callable[[], Awaitable[None]]]) -> None:
        for send in batches:
            await send()
            self._on_progress()

    def _batches(self, records: Iterator[Record], batch_size: int) -> Iterator[Callable[[], Awaitable[None]]]:
        """What sends the next batch, again and again."""
        texts, chats = Gathering[Conversation](batch_size, MAX_BYTES), Gathering[Chat](MAX_MESSAGES, MAX_POST)
        for record in records:
            if isinstance(record, Rejected):
                self._tally.rejected.add(record.line, record.reason)
                continue
            self._tally.undated += not record.dated
            if isinstance(record, Chat):
                if full := chats.add(record, record.messages):
                    yield partial(self._say, full)
            elif ready := texts.add(record, [record.body]):
                yield partial(self._send, ready)
        if last := texts.taken():
            yield partial(self._send, last)
        if rest := chats.taken():
            yield partial(self._say, rest)

    async def _send(self, batch: Batch) -> None:
        try:
            items = array(item.body for item in batch)
            stored = await self._client.post_bulk(items, on_conflict="skip", freshness=self._freshness)
        except Invalid as error:
            await self._send_what_is_valid(batch, error)
        else:
            self._count(batch, stored)

    async def _send_what_is_valid(self, batch: Batch, error: Invalid) -> None:
        """Sends the items that are not to blame; where the service names none, each half by itself."""
        if error.faults:
            if kept := self._without_faults(batch, error.faults):
                await self._send(kept)
        elif len(batch) == 1:
            self._tally.rejected.add(batch[0].line, error.complaint)
        else:
            await self._send(batch[: len(batch) // 2])
            await self._send(batch[len(batch) // 2 :])

    async def _say(self, chats: Sequence[Chat]) -> None:
        """In one post. The service takes all of it or nothing: what it refuses goes alone, and the rest again."""
        while len(chats) > 1:
            sent = array(each for chat in chats for each in chat.messages)
            try:
                answer = await self._client.post_messages(sent, freshness=self._freshness)
            except (Conflict, Invalid) as refusal:
                alone, chats = parted(chats, refusal.faults)
            else:
                self._count_chats(len(chats), answer.conversation_ids, accepted=count_grown(chats, answer))
                return
            for chat in alone:
                await self._say_one(chat)
        for chat in chats:
            await self._say_one(chat)

    async def _say_one(self, chat: Chat) -> None:
        try:
            await self._say_all(chat)
        except Conflict as error:
            self._tally.sent += 1
            self._tally.conflicts.add(chat.line, _reason(error))
        except Invalid as error:
            self._tally.rejected.add(chat.line, _reason(error))

    async def _say_all(self, chat: Chat) -> None:
        """One post after the other: a chat's messages stand in the order in which they come."""
        stored = edited = 0
        ids = dict[str, None]()
        for post in posts(chat.messages):
            left, answer = await self._unedited(chat, post)
            edited += len(post) - left
            stored += answer.stored if answer else 0
            ids |= dict.fromkeys(answer.conversation_ids if answer else ())
        self._count_chats(int(not edited), ids, accepted=int(stored > 0 and not edited))
        if edited:
            self._tally.sent += 1
            self._tally.conflicts.add(chat.line, _edited(edited, stored))

    async def _unedited(self, chat: Chat, post: Sequence[bytes]) -> tuple[int, ChatsStored | None]:
        """Posts messages of a chat, of which those stay as they are stored that were edited since; how many went in.

        An edited one would keep all that was said after it out. Where ids are places in a file, it is a conflict.
        """
        while post:
            try:
                stored = await self._client.post_messages(array(post), freshness=self._freshness)
                return len(post), stored
            except Conflict as error:
                known = known_with_other_content(error.faults)
                if not chat.ids_last or not known:
                    raise
                post = [message for at, message in enumerate(post) if at not in known]
        return 0, None

    def _count_chats(self, sent: int, ids: Iterable[str], *, accepted: int) -> None:
        self._tally.sent += sent
        self._tally.chats += sent
        self._tally.accepted += accepted
        self._tally.duplicates += sent - accepted
        if self._tally.ids is not None:
            self._tally.ids.update(dict.fromkeys(ids))

    def _count(self, batch: Batch, stored: BulkAccepted) -> None:
        self._tally.sent += len(batch)
        self._tally.accepted += stored.ingested
        self._tally.duplicates += stored.duplicates
        for clash in stored.conflicts or ():
            item = batch[clash.index]
            # An export has what the service made of a conversation, so it differs from what was sent at first.
            if item.exported == clash.conversation_id:
                self._tally.duplicates += 1
            else:
                self._tally.conflicts.add(item.line, f"known as {clash.conversation_id}")
        if self._tally.ids is not None:
            self._tally.ids.update((name, None) for name in stored.conversation_ids if name is not None)

    def _without_faults(self, batch: Batch, faults: Sequence[Fault]) -> Batch:
        reasons = {fault.index: fault.error for fault in faults}
        kept = [item for index, item in enumerate(batch) if index not in reasons]
        if len(kept) == len(batch):
            raise ClientError(f"the service refuses items that were not sent: {faults}")
        for index in reasons.keys() & range(len(batch)):
            self._tally.rejected.add(batch[index].line, reasons[index])
        return kept


def _edited(edited: int, stored: int) -> str:
    which = "1 message, which stays" if edited == 1 else f"{edited:,} messages, which stay"
    new = f"; {stored:,} new stored beside" if stored else ""
    return f"another text, author, role or time of {which} as stored{new}"


def _reason(error: Refused) -> str:
    """What is wrong with the first of several messages, or with all of them."""
    if not error.faults:
        return error.complaint
    first, *_ = error.faults
    what = "known with another text, author, role or time" if first.error == CONFLICT else first.error
    return f"message {first.index + 1}: {what}"
