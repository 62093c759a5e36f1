"""Messages are added to chats: many posts in one transaction, each as a whole and with its own answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select, tuple_

from models import conversations, messages
from store.conversations import growth
from store.conversations.growth import Growing
from store.conversations.intake import NewMessage

MAX_MESSAGES = 50_000
# They have up to 80 KB, which an append need not read.
WITHOUT_EXTRAS = tuple(column for column in conversations.c if column.name not in ("raw_data", "metadata"))


@dataclass(frozen=True, slots=True)
class PostedMessage:
    """One message and the chat that it is for."""

    chat: str
    message: NewMessage


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a message is, by now or already."""

    position: int
    message_id: str
    created: bool


@dataclass(frozen=True, slots=True)
class MessageConflict:
    """Nothing of the post was stored, because of messages that are known with other content."""

    at: Sequence[int]
    """Their places in the post."""


@dataclass(frozen=True, slots=True)
class Full:
    """Nothing of the post was stored, because a chat would be too long."""

    at: int
    """The place in the post of the first message that is too many."""


PostOutcome = Sequence[Placed] | MessageConflict | Full


def made_id(position: int) -> str:
    """What a message is called whose sender gave it no id. No sender's id may look like it."""
    return f"#{position}"


def post(
    connection: Connection, posts: Sequence[Sequence[PostedMessage]], *, now: int, quiet: int
) -> list[PostOutcome]:
    """Add what is new of each post, in the order given, and say where every message is.

    `quiet` is for how long (microseconds) a chat has to be quiet to be due. Raises Raced.
    """
    chats = _open(connection, [each for some in posts for each in some])
    answers = [_place(some, chats) for some in posts]
    growth.write(connection, [chat for chat in chats.values() if chat.new], now=now, quiet=quiet)
    return answers


def _open(connection: Connection, said: Sequence[PostedMessage]) -> dict[str, Growing]:
    c = conversations.c
    ids = list(dict.fromkeys(each.chat for each in said))
    # By number, as everybody locks conversations.
    found = select(*WITHOUT_EXTRAS).where(c.id.in_(ids)).order_by(c.number).with_for_update()
    rows = {row.id: row for row in connection.execute(found)}
    chats = {id_: Growing(id_, rows.get(id_)) for id_ in ids}
    numbered = {row.number: chats[id_] for id_, row in rows.items()}
    asked = [
        (rows[each.chat].number, each.message.message_id)
        for each in said
        if each.chat in rows and each.message.message_id is not None
    ]
    for number, position, message in _known(connection, asked):
        numbered[number].known[message.message_id or ""] = position, message
    return chats


def _known(connection: Connection, ids: Sequence[tuple[int, str]]) -> list[tuple[int, int, NewMessage]]:
    """The messages with these ids: number of the chat, position, content."""
    if not ids:
        return []
    m = messages.c
    named = tuple_(m.conversation, m.message_id).in_(ids)
    rows = connection.execute(select(messages).where(named, m.message_id.is_not(None)))
    return [
        (
            row.conversation,
            row.position,
            NewMessage(row.text, row.author, row.role, row.timestamp, row.message_id),
        )
        for row in rows
    ]


# --- what becomes of it -------------------------------------------------------------------------------------


def _place(said: Sequence[PostedMessage], chats: Mapping[str, Growing]) -> PostOutcome:
    """Where a post's messages will be; a post that cannot be stored as a whole changes no chat."""
    drafts: dict[str, Growing] = {}
    placed: list[Placed] = []
    clashes: list[int] = []
    for index, each in enumerate(said):
        draft = drafts.setdefault(each.chat, chats[each.chat].draft())
        known = draft.known.get(each.message.message_id or "")
        if known is not None:
            position, before = known
            clashes += [] if _same(before, each.message) else [index]
            placed.append(Placed(position, each.message.message_id or "", created=False))
        elif draft.count == MAX_MESSAGES:
            return Full(index)
        else:
            position = draft.append(each.message)
            placed.append(Placed(position, each.message.message_id or made_id(position), created=True))
    if clashes:
        return MessageConflict(clashes)
    for id_, draft in drafts.items():
        chats[id_].take(draft)
    return placed


def _same(known: NewMessage, sent: NewMessage) -> bool:
    """Whether they have the same content. A role that nobody gave is taken for a customer's."""
    return (known.text, known.author, known.role or "customer", known.timestamp) == (
        sent.text,
        sent.author,
        sent.role or "customer",
        sent.timestamp,
    )
