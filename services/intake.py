"""A post becomes rows: ids, times and hashes are made here, and one commit carries many posts."""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import Connection

from core.clock import Clock
from core.errors import Conflicts
from database import Database
from schemas import Conversation, Turn, compact
from services.group_commit import GroupCommit
from store.conversations.intake import (
    Conflict,
    IntakeOutcome,
    NewConversation,
    NewMessage,
    accept,
)

MAX_GROUP = 512
MAX_WAITING = 8_192
"""Posts that wait for their commit: about 2 KB each, so 16 MB."""


def conversation_id(now: int) -> str:
    """`conv_`, the millisecond in hexadecimal, 80 random bits: ids of later intake sort later."""
    return f"conv_{now // 1000:012x}{secrets.token_hex(10)}"


def prepare(sent: Conversation, now: int, idempotency_key: str | None = None) -> NewConversation:
    """The rows of a conversation that was taken in at `now` (UTC microseconds)."""
    turns = sent.messages or ()
    has_id = sent.external_id or sent.conversation_id or idempotency_key
    first = turns[0].timestamp if turns else None
    return NewConversation(
        id=sent.conversation_id or conversation_id(now),
        messages=[_message(turn) for turn in turns] or [NewMessage(sent.text or "", sent.author, "customer")],
        is_chat=sent.messages is not None,
        timestamp=next(moment for moment in (sent.timestamp, first, now) if moment is not None),
        received_at=now,
        author=sent.author if sent.text is not None else _first_customer(turns),
        external_id=sent.external_id,
        idempotency_key=idempotency_key,
        content_hash=content_hash(sent) if has_id else None,
        raw_data=None if sent.raw_data is None else compact(sent.raw_data),
        metadata=None if sent.metadata is None else compact(sent.metadata),
    )


def content_hash(sent: Conversation) -> bytes:
    """SHA-256 of the fields as sent: accepted names resolved, defaults left out."""
    fields = sent.model_dump(exclude_none=True, exclude={"messages"})
    if sent.messages is not None:
        fields["messages"] = [
            {**turn.model_dump(exclude_none=True, exclude={"inbound", "role"}), "role": turn.sender}
            for turn in sent.messages
        ]
    return hashlib.sha256(compact(fields).encode()).digest()


def _message(turn: Turn) -> NewMessage:
    return NewMessage(turn.text, turn.author, turn.sender, turn.timestamp, turn.message_id)


def _first_customer(turns: Sequence[Turn]) -> str | None:
    customers = (turn.author for turn in turns if turn.sender != "support_agent")
    return next((author for author in customers if author is not None), None)


@dataclass
class Intake:
    """Stores conversations durably. What it returns is committed; `stored` is called after each commit.

    `ensure_writable` raises where nothing can be taken in just now.
    """

    database: Database
    clock: Clock
    stored: Callable[[], None]
    ensure_writable: Callable[[], None] = lambda: None
    group: GroupCommit[NewConversation, IntakeOutcome] = field(init=False)

    def __post_init__(self) -> None:
        self.group = GroupCommit(self._commit, group=MAX_GROUP, waiting=MAX_WAITING)

    async def accept(self, sent: Conversation, idempotency_key: str | None) -> IntakeOutcome:
        """Store one conversation together with whatever else is waiting. Raises Overloaded."""
        return await self.group.submit(prepare(sent, self.clock(), idempotency_key))

    async def accept_all(
        self, sent: Sequence[Conversation], idempotency_key: str | None, *, skip_conflicts: bool
    ) -> list[IntakeOutcome]:
        """Store all or none in one transaction. Raises Conflicts unless they are to be skipped."""
        self.ensure_writable()
        now = self.clock()
        # No header holds a line break, so no other key is the same as an item's.
        keys = [f"{idempotency_key}\n{index}" if idempotency_key else None for index in range(len(sent))]
        rows = [prepare(each, now, key) for each, key in zip(sent, keys, strict=True)]
        answers = await self.database.write(partial(_all_or_none, rows, skip_conflicts), urgent=True)
        self.stored()
        return answers

    async def _commit(self, group: Sequence[NewConversation]) -> Sequence[IntakeOutcome]:
        self.ensure_writable()
        answers = await self.database.write(lambda connection: accept(connection, group), urgent=True)
        self.stored()
        return answers


def _all_or_none(
    rows: Sequence[NewConversation], skip_conflicts: bool, connection: Connection
) -> list[IntakeOutcome]:
    answers = accept(connection, rows)
    clashes = {index: answer.id for index, answer in enumerate(answers) if isinstance(answer, Conflict)}
    if clashes and not skip_conflicts:
        raise Conflicts(clashes)
    return answers
