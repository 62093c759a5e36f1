"""Adds messages to chats: assigns ids and order; one commit carries many posts."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from core.clock import SECOND, Clock
from core.errors import ChatFull, ConcurrentCreation, Conflicts
from database import Database
from domain.redaction.detections import Counts
from schemas import ChatMessage
from services.group_commit import GroupCommit
from services.intake import conversation_id
from services.redaction import Received, Redaction
from store.conversations import chats as store
from store.conversations.chats import ChatTooLong, MessageConflict, PlacedMessage, PostedMessage, PostOutcome
from store.conversations.intake import NewMessage

FEW = 20
"""Messages of a post that may share a commit; a larger post gets a commit of its own."""
MAX_GROUP = 128
MAX_WAITING = 8_192


class Added(NamedTuple):
    """A message that was added to a chat, with the fields of its row in `messages`."""

    position: int
    message_id: str
    author: str | None
    role: str | None
    text: str
    timestamp: int | None
    received_at: int


@dataclass
class Chats:
    """Adds messages to chats durably: what it returns is committed.

    A chat is analysed once it has been quiet for `quiet` seconds; if that is 0, `due` is called after each commit, with
    `accepted` before it for the chats that have grown.
    `ensure_writable` raises if nothing can be stored at present; `on_added` is called with each chat that has
    grown, and its new messages; `redacted` with what was found in each new message.
    """

    database: Database
    clock: Clock
    redaction: Redaction
    quiet: float
    due: Callable[[], None]
    ensure_writable: Callable[[], None] = lambda: None
    can_wait_seconds: float = 0
    """For how long one that can wait does so before it goes like all others."""
    on_added: Callable[[str, Sequence[Added]], None] = lambda _, __: None
    accepted: Callable[[Iterable[str]], None] = lambda _: None
    redacted: Callable[[Counts], None] = lambda _: None
    group: GroupCommit[Sequence[PostedMessage], PostOutcome] = field(init=False)

    def __post_init__(self) -> None:
        self.group = GroupCommit(self._commit, group=MAX_GROUP, waiting=MAX_WAITING)

    async def post(
        self, sent: Sequence[ChatMessage], *, can_wait: bool = False
    ) -> list[tuple[str, PlacedMessage]]:
        """Store all messages of a post or none; gives the chat and the place of each, in the order sent.

        `can_wait` is whether an answer within a day will do. Raises Conflicts, ChatFull, Overloaded.
        """
        posted = self._posted(await self.redaction.messages(sent), can_wait)
        order = storage_order(sent, [message.chat for message in posted])
        ordered = [posted[index] for index in order]
        outcome = (
            await self.group.submit(ordered) if len(posted) <= FEW else (await self._commit([ordered]))[0]
        )
        if isinstance(outcome, MessageConflict):
            raise _conflicts(outcome, order, ordered)
        if isinstance(outcome, ChatTooLong):
            raise ChatFull(order[outcome.at], store.MAX_MESSAGES)
        placed = dict(zip(order, outcome, strict=True))
        return [(message.chat, placed[index]) for index, message in enumerate(posted)]

    async def is_new(self, sent: Sequence[ChatMessage]) -> bool:
        """Whether any of the messages is not known yet."""
        named = {(each.conversation_id, each.message_id) for each in sent}
        keys = [(chat, id_) for chat, id_ in named if chat is not None and id_ is not None]
        if len(keys) < len(named):
            return True
        return await self.database.read(partial(store.count_known, ids=keys)) < len(keys)

    def _posted(self, received: Sequence[Received[ChatMessage]], can_wait: bool) -> list[PostedMessage]:
        new_chat = conversation_id(self.clock())
        return [
            PostedMessage(each.content.conversation_id or new_chat, _message(each), each.sent_hash, can_wait)
            for each in received
        ]

    async def _commit(self, posts: Sequence[Sequence[PostedMessage]]) -> Sequence[PostOutcome]:
        self.ensure_writable()
        now, quiet = self.clock(), round(self.quiet * SECOND)
        wait = round(self.can_wait_seconds * SECOND)
        write = partial(store.add_messages, posts=posts, now=now, quiet=quiet, wait=wait)
        try:
            outcomes = await self.database.write(write, urgent=True)
        except ConcurrentCreation:
            return await self._commit(posts)
        grown = added_messages(posts, outcomes, now)
        for posted, _ in _created(posts, outcomes):
            self.redacted(posted.message.redactions)
        if not quiet:
            self.accepted(grown)
            self.due()
        for chat, added in grown.items():
            self.on_added(chat, added)
        return outcomes


def _message(received: Received[ChatMessage]) -> NewMessage:
    sent = received.content
    return NewMessage(
        sent.message_content,
        sent.user_id,
        sent.user_type,
        sent.timestamp,
        sent.message_id,
        received.redactions,
    )


def _conflicts(found: MessageConflict, order: Sequence[int], posted: Sequence[PostedMessage]) -> Conflicts:
    at = {order[place]: posted[place] for place in found.at}
    return Conflicts(
        {index: each.chat for index, each in at.items()},
        {index: each.message.message_id or "" for index, each in at.items()},
    )


def added_messages(
    posts: Sequence[Sequence[PostedMessage]], outcomes: Sequence[PostOutcome], now: int
) -> Mapping[str, Sequence[Added]]:
    """The messages that were added to each chat, in order."""
    found: defaultdict[str, list[Added]] = defaultdict(list)
    for posted, place in _created(posts, outcomes):
        found[posted.chat].append(_added(posted.message, place, now))
    return found


def _created(
    posts: Sequence[Sequence[PostedMessage]], outcomes: Sequence[PostOutcome]
) -> Iterator[tuple[PostedMessage, PlacedMessage]]:
    for post, outcome in zip(posts, outcomes, strict=True):
        placed = () if isinstance(outcome, MessageConflict | ChatTooLong) else outcome
        pairs = zip(post, placed, strict=bool(placed))
        yield from ((posted, place) for posted, place in pairs if place.created)


def _added(message: NewMessage, place: PlacedMessage, now: int) -> Added:
    return Added(
        place.position, place.message_id, message.author, message.role, message.text, message.timestamp, now
    )


def storage_order(sent: Sequence[ChatMessage], chats: Sequence[str]) -> list[int]:
    """The indexes of messages in the order to store them, chat by chat.

    The messages of a chat are sorted by timestamp if all of them have one.
    """
    by_chat: dict[str, list[int]] = {}
    for index, chat in enumerate(chats):
        by_chat.setdefault(chat, []).append(index)
    return [index for indexes in by_chat.values() for index in _by_time(sent, indexes)]


def _by_time(sent: Sequence[ChatMessage], indexes: Sequence[int]) -> Sequence[int]:
    times = {index: sent[index].timestamp for index in indexes}
    known = {index: time for index, time in times.items() if time is not None}
    return sorted(indexes, key=known.__getitem__) if len(known) == len(indexes) else indexes
