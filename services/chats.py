"""Messages become parts of chats: ids and order are made here, and one commit carries many posts."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from core.clock import SECOND, Clock
from core.errors import ChatFull, Conflicts
from database import Database
from schemas import ChatMessage
from services.group_commit import GroupCommit
from services.intake import conversation_id
from store.conversations import chats as store
from store.conversations.chats import ChatTooLong, MessageConflict, PlacedMessage, PostedMessage, PostOutcome
from store.conversations.growth import ConcurrentCreation
from store.conversations.intake import NewMessage

FEW = 20
"""Messages of a post that shares a commit with others; more have one of their own."""
MAX_GROUP = 128
MAX_WAITING = 8_192
KNOWN = "message_id: is known in this chat with other content"


class Added(NamedTuple):
    """A message that is new in a chat, as a row of `messages` has it."""

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

    `quiet` is for how many seconds a chat has to be quiet to be analysed; where that is none, `due` is called
    after each commit. `ensure_writable` raises where nothing can be taken in just now; `spoke` is told each chat
    that has grown, and by what.
    """

    database: Database
    clock: Clock
    quiet: float
    due: Callable[[], None]
    ensure_writable: Callable[[], None] = lambda: None
    spoke: Callable[[str, Sequence[Added]], None] = lambda _, __: None
    group: GroupCommit[Sequence[PostedMessage], PostOutcome] = field(init=False)

    def __post_init__(self) -> None:
        self.group = GroupCommit(self._commit, group=MAX_GROUP, waiting=MAX_WAITING)

    async def post(self, sent: Sequence[ChatMessage]) -> list[tuple[str, PlacedMessage]]:
        """Store all messages of a post or none; of each, as sent, its chat and its place.

        Raises Conflicts, ChatFull, Overloaded.
        """
        said = self._said(sent)
        order = in_order(sent, [each.chat for each in said])
        ordered = [said[index] for index in order]
        answer = await self.group.submit(ordered) if len(said) <= FEW else (await self._commit([ordered]))[0]
        if isinstance(answer, MessageConflict):
            raise Conflicts({order[place]: ordered[place].chat for place in answer.at}, KNOWN)
        if isinstance(answer, ChatTooLong):
            raise ChatFull(order[answer.at], store.MAX_MESSAGES)
        placed = dict(zip(order, answer, strict=True))
        return [(each.chat, placed[index]) for index, each in enumerate(said)]

    def _said(self, sent: Sequence[ChatMessage]) -> list[PostedMessage]:
        begun = conversation_id(self.clock())
        return [
            PostedMessage(
                each.conversation_id or begun,
                NewMessage(
                    each.message_content, each.user_id, each.user_type, each.timestamp, each.message_id
                ),
            )
            for each in sent
        ]

    async def _commit(self, posts: Sequence[Sequence[PostedMessage]]) -> Sequence[PostOutcome]:
        self.ensure_writable()
        now, quiet = self.clock(), round(self.quiet * SECOND)
        write = partial(store.add_messages, posts=posts, now=now, quiet=quiet)
        try:
            answers = await self.database.write(write, urgent=True)
        except ConcurrentCreation:
            return await self._commit(posts)
        if not quiet:
            self.due()
        for chat, added in grown(posts, answers, now).items():
            self.spoke(chat, added)
        return answers


def grown(
    posts: Sequence[Sequence[PostedMessage]], answers: Sequence[PostOutcome], now: int
) -> Mapping[str, Sequence[Added]]:
    """What was added to each chat, in order."""
    found: defaultdict[str, list[Added]] = defaultdict(list)
    for post, answer in zip(posts, answers, strict=True):
        placed = () if isinstance(answer, MessageConflict | ChatTooLong) else answer
        for said, place in zip(post, placed, strict=bool(placed)):
            if place.created:
                found[said.chat].append(_added(said.message, place, now))
    return found


def _added(message: NewMessage, place: PlacedMessage, now: int) -> Added:
    return Added(
        place.position, place.message_id, message.author, message.role, message.text, message.timestamp, now
    )


def in_order(sent: Sequence[ChatMessage], chats: Sequence[str]) -> list[int]:
    """The indexes of messages, chat by chat, in the order in which they are to be stored.

    Messages of one chat that all say when they were said are sorted by that.
    """
    by_chat: dict[str, list[int]] = {}
    for index, chat in enumerate(chats):
        by_chat.setdefault(chat, []).append(index)
    return [index for indexes in by_chat.values() for index in _by_time(sent, indexes)]


def _by_time(sent: Sequence[ChatMessage], indexes: Sequence[int]) -> Sequence[int]:
    times = {index: sent[index].timestamp for index in indexes}
    known = {index: time for index, time in times.items() if time is not None}
    return sorted(indexes, key=known.__getitem__) if len(known) == len(indexes) else indexes
