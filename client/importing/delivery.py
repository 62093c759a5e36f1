"""Conversations on their way: in batches, a few at a time, every one of them accounted for."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from client.answers import Blamed, Said, Stored, Taken, Unwanted
from client.importers.chats import Chat, Record
from client.importers.conversations import Conversation
from client.importers.rows import Rejected
from client.sending import Refused, Service

IN_FLIGHT = 4  # one is read, one on the wire, one committed; more only waits in the service's queue
MAX_BYTES = 8_000_000  # half of what the service takes
MAX_KEPT = 1_000
MAX_MESSAGES, MAX_POST = 500, 900_000
"""Messages and bytes of a post to a chat: the service takes so many, and a megabyte."""

Batch = Sequence[Conversation]


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
    conflicts: Listing = field(default_factory=Listing)
    rejected: Listing = field(default_factory=Listing)
    left_out: Counter[str] = field(default_factory=Counter)
    """Fields for which the service has no place, and in how many objects and messages they were."""
    ids: dict[str, None] | None = None
    """The conversations that are in the service now, in the order sent; None where nobody will ask for them."""


class Delivery:
    """Sends what it is given; `tally` is true at any moment. `on_progress` is called after each answer."""

    def __init__(self, service: Service, tally: Tally, on_progress: Callable[[], None]) -> None:
        self._service = service
        self._tally = tally
        self._on_progress = on_progress

    async def send(self, records: Iterator[Record], batch_size: int) -> None:
        """Sends all of it, several batches at once. Raises ServiceError."""
        batches = self._batches(records, batch_size)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(IN_FLIGHT):
                    group.create_task(self._send_all(batches))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None

    async def _send_all(self, batches: Iterator[Batch | Chat]) -> None:
        for batch in batches:
            await (self._say(batch) if isinstance(batch, Chat) else self._send(batch))
            self._on_progress()

    def _batches(self, records: Iterator[Record], batch_size: int) -> Iterator[Batch | Chat]:
        batch: list[Conversation] = []
        size = 0
        for record in records:
            if isinstance(record, Rejected):
                self._tally.rejected.add(record.line, record.reason)
                continue
            if isinstance(record, Chat):
                yield record
                continue
            weight = len(record.body) + len(",")
            if batch and (len(batch) == batch_size or size + weight > MAX_BYTES):
                yield batch
                batch, size = [], 0
            batch.append(record)
            size += weight
        if batch:
            yield batch

    async def _send(self, batch: Batch) -> None:
        answer = await self._service.ingest(b"[" + b",".join(item.body for item in batch) + b"]")
        match answer:
            case Stored():
                self._count(batch, answer)
            case Blamed():
                if kept := self._without_blamed(batch, answer):
                    await self._send(kept)
            case Unwanted() if len(batch) == 1:
                self._tally.rejected.add(batch[0].line, answer.reason)
            case Unwanted():
                await self._send(batch[: len(batch) // 2])
                await self._send(batch[len(batch) // 2 :])

    async def _say(self, chat: Chat) -> None:
        """One post after the other: a chat's messages stand in the order in which they come."""
        stored, ids = 0, dict[str, None]()
        for post in posts(chat.messages):
            match answer := await self._service.say(b"[" + b",".join(post) + b"]"):
                case Said():
                    stored += answer.stored
                    ids |= dict.fromkeys(answer.conversation_ids)
                case Taken():
                    self._tally.sent += 1
                    self._tally.conflicts.add(chat.line, answer.reason)
                    return
                case Unwanted():
                    self._tally.rejected.add(chat.line, answer.reason)
                    return
        self._tally.sent += 1
        self._tally.accepted += stored > 0
        self._tally.duplicates += stored == 0
        if self._tally.ids is not None:
            self._tally.ids.update(ids)

    def _count(self, batch: Batch, stored: Stored) -> None:
        conflicts = stored.conflicts or ()
        self._tally.sent += len(batch)
        self._tally.accepted += stored.ingested
        self._tally.duplicates += stored.duplicates
        for clash in conflicts:
            self._tally.conflicts.add(batch[clash.index].line, f"known as {clash.conversation_id}")
        if self._tally.ids is not None:
            self._tally.ids.update((name, None) for name in stored.conversation_ids if name is not None)

    def _without_blamed(self, batch: Batch, blamed: Blamed) -> Batch:
        reasons = {fault.index: fault.error for fault in blamed.details}
        kept = [item for index, item in enumerate(batch) if index not in reasons]
        if len(kept) == len(batch):
            raise Refused(f"the service refuses items that were not sent: {blamed.details}")
        for index in reasons.keys() & range(len(batch)):
            self._tally.rejected.add(batch[index].line, reasons[index])
        return kept


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
