"""Intake: turns posts into rows with ids, times and hashes; one commit carries many posts."""

import json
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import Connection

from core.clock import SECOND, Clock
from core.errors import Conflicts
from database import Database
from domain.redaction.detections import Counts
from models import DAY
from schemas import Conversation, DialogueMessage, compact
from services.content import content_hash
from services.group_commit import GroupCommit
from services.redaction import Received, Redaction
from store.conversations.intake import (
    Conflict,
    IntakeOutcome,
    NewConversation,
    NewMessage,
    accept,
    count_new,
)

MAX_GROUP = 512
MAX_WAITING = 8_192
"""Posts that may wait for their commit; at about 2 KB each, 16 MB."""


def conversation_id(now: int) -> str:
    """A new id: `conv_`, the millisecond in hexadecimal, 80 random bits. Later ids sort later."""
    return f"conv_{now // 1000:012x}{secrets.token_hex(10)}"


def prepare(
    received: Received[Conversation], now: int, idempotency_key: str | None = None, owner: str = ""
) -> NewConversation:
    """The rows of a conversation received at `now` (UTC microseconds); its sender's ids are those of `owner`."""
    sent = received.content
    messages = sent.messages or ()
    has_id = sent.external_id or sent.conversation_id or idempotency_key
    first = messages[0].timestamp if messages else None
    return NewConversation(
        id=sent.conversation_id or conversation_id(now),
        messages=[_message(message) for message in messages]
        or [NewMessage(sent.text or "", sent.author, "customer")],
        is_chat=sent.messages is not None,
        timestamp=next(time for time in (sent.timestamp, first, now) if time is not None),
        received_at=now,
        author=sent.author if sent.text is not None else _first_customer(messages),
        external_id=sent.external_id,
        idempotency_key=idempotency_key,
        content_hash=content_hash(sent) if has_id else None,
        sent_hash=received.sent_hash if has_id else None,
        raw_data=None if sent.raw_data is None else compact(sent.raw_data),
        metadata=None if sent.metadata is None else compact(sent.metadata),
        owner=owner,
        redactions=json.dumps(received.redactions) if received.redactions else None,
    )


def _message(sent: DialogueMessage) -> NewMessage:
    return NewMessage(sent.text, sent.author, sent.sender, sent.timestamp, sent.message_id)


def _first_customer(messages: Sequence[DialogueMessage]) -> str | None:
    customers = (message.author for message in messages if message.sender != "support_agent")
    return next((author for author in customers if author is not None), None)


@dataclass
class Intake:
    """Stores conversations durably: what it returns is committed.

    `stored` is called after each commit; `ensure_writable` raises if nothing can be stored at present. `accepted` is
    called with the ids of new conversations before their senders are answered, and `redacted` with what was found in
    each of them.
    """

    database: Database
    clock: Clock
    redaction: Redaction
    stored: Callable[[], None]
    ensure_writable: Callable[[], None] = lambda: None
    can_wait_seconds: float = 0
    """For how long one that can wait does so before it goes like all others."""
    accepted: Callable[[Iterable[str]], None] = lambda _: None
    redacted: Callable[[Counts], None] = lambda _: None
    group: GroupCommit[NewConversation, IntakeOutcome] = field(init=False)

    def __post_init__(self) -> None:
        self.group = GroupCommit(self._commit, group=MAX_GROUP, waiting=MAX_WAITING)

    async def accept(self, sent: Conversation, idempotency_key: str | None, owner: str = "") -> IntakeOutcome:
        """Store one conversation in a group commit. Raises Overloaded and NotWritable."""
        return await self.group.submit(await self._row(sent, idempotency_key, owner))

    async def accept_all(
        self,
        sent: Sequence[Conversation],
        idempotency_key: str | None,
        owner: str = "",
        *,
        skip_conflicts: bool,
        can_wait: bool = False,
    ) -> list[IntakeOutcome]:
        """Store all or none in one transaction. Raises Conflicts, unless `skip_conflicts`, and NotWritable.

        `can_wait` is whether an answer within a day will do.
        """
        self.ensure_writable()
        rows = await self._rows(sent, idempotency_key, owner)
        if can_wait:
            rows = [self._waiting(row) for row in rows]
        outcomes = await self.database.write(partial(_all_or_none, rows, skip_conflicts), urgent=True)
        self._stored(rows, outcomes)
        return outcomes

    def _waiting(self, row: NewConversation) -> NewConversation:
        run_at = row.received_at + round(self.can_wait_seconds * SECOND)
        return row._replace(freshness=DAY, run_at=run_at)

    async def is_new(self, sent: Conversation, idempotency_key: str | None, owner: str = "") -> bool:
        """Whether it is not known yet."""
        return await self._count_new([await self._row(sent, idempotency_key, owner)]) == 1

    async def count_new(
        self, sent: Sequence[Conversation], idempotency_key: str | None, owner: str = ""
    ) -> int:
        """How many of a bulk are not known yet."""
        return await self._count_new(await self._rows(sent, idempotency_key, owner))

    async def _count_new(self, rows: Sequence[NewConversation]) -> int:
        if all(row.content_hash is None for row in rows):
            return len(rows)
        return await self.database.read(partial(count_new, group=rows))

    async def _row(self, sent: Conversation, idempotency_key: str | None, owner: str) -> NewConversation:
        [received] = await self.redaction.conversations([sent])
        return prepare(received, self.clock(), idempotency_key, owner)

    async def _rows(
        self, sent: Sequence[Conversation], idempotency_key: str | None, owner: str
    ) -> list[NewConversation]:
        received = await self.redaction.conversations(sent)
        now = self.clock()
        # No header can contain a line break, so an item's key equals no other.
        keys = [f"{idempotency_key}\n{index}" if idempotency_key else None for index in range(len(sent))]
        return [prepare(item, now, key, owner) for item, key in zip(received, keys, strict=True)]

    async def _commit(self, group: Sequence[NewConversation]) -> Sequence[IntakeOutcome]:
        self.ensure_writable()
        outcomes = await self.database.write(lambda connection: accept(connection, group), urgent=True)
        self._stored(group, outcomes)
        return outcomes

    def _stored(self, rows: Sequence[NewConversation], outcomes: Sequence[IntakeOutcome]) -> None:
        pairs = zip(rows, outcomes, strict=True)
        created = [row for row, each in pairs if not isinstance(each, Conflict) and each.created]
        self.accepted(row.id for row in created)
        for row in created:
            if row.redactions is not None:
                self.redacted(json.loads(row.redactions))
        self.stored()


def _all_or_none(
    rows: Sequence[NewConversation], skip_conflicts: bool, connection: Connection
) -> list[IntakeOutcome]:
    outcomes = accept(connection, rows)
    conflicts = {index: outcome.id for index, outcome in enumerate(outcomes) if isinstance(outcome, Conflict)}
    if conflicts and not skip_conflicts:
        raise Conflicts(conflicts)
    return outcomes
