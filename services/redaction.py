"""The choke point of intake: every post passes `Redaction` before anything is made of it.

A row can be made only of a `Received`, and only this module makes those.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from core.settings import Settings
from domain.redaction.detections import NOTHING, Counts, total
from schemas import ChatMessage, Conversation, DialogueMessage
from services.content import content_hash
from store.conversations.chats import message_hash

if TYPE_CHECKING:  # imported where it is needed: `phonenumbers` takes 6 MB and 0.1 s
    from domain.redaction.redactor import Redactor

AT_ONCE = 4_000
"""Characters that are looked through on the spot: 0.6 ms on average. More goes to a thread, so that nobody waits.

A text of nothing but phone numbers takes 20 to 30 us a character.
"""
MAX_AUTHOR = 255
"""What the column takes: a placeholder may be longer than what it replaces."""

Content = TypeVar("Content", Conversation, ChatMessage)
Counted = Callable[[Counts], None]


@dataclass(frozen=True, slots=True)
class Received(Generic[Content]):
    """A post in the form in which it is stored."""

    content: Content
    redactions: Counts = field(default_factory=lambda: NOTHING)
    """What was found in it, also where it is stored as it was sent."""
    sent_hash: bytes | None = None
    """The hash of the post as it was sent, if it is stored in another form."""


class Redaction:
    """What REDACTION asks for. Without a redactor it changes nothing."""

    def __init__(
        self, redactor: "Redactor | None" = None, *, stored: bool = False, counted: Counted = lambda _: None
    ) -> None:
        """`stored` redacts posts before they are stored; `counted` hears what was found in each."""
        self._redactor = redactor
        self._stored = stored
        self._counted = counted

    def shown(self, text: str) -> str:
        """What an analyzer is shown of a text.

        Redacted in any case but `off`: what is stored may be from before it was redacted.
        """
        return text if self._redactor is None else self._redactor.redact(text).text

    async def conversations(self, sent: Sequence[Conversation]) -> list[Received[Conversation]]:
        """Conversations as they are stored."""
        redact = _redacted_conversation if self._stored else _counted_conversation
        return await self._received(sent, redact, sum(map(_size, sent)))

    async def messages(self, sent: Sequence[ChatMessage]) -> list[Received[ChatMessage]]:
        """Messages of chats as they are stored."""
        redact = _redacted_message if self._stored else _counted_message
        return await self._received(sent, redact, sum(len(message.message_content) for message in sent))

    async def _received(
        self,
        sent: Sequence[Content],
        redact: "Callable[[Redactor, Content], Received[Content]]",
        characters: int,
    ) -> list[Received[Content]]:
        if (redactor := self._redactor) is None:
            return [Received(each) for each in sent]

        def all_of_it() -> list[Received[Content]]:
            return [redact(redactor, each) for each in sent]

        received = all_of_it() if characters <= AT_ONCE else await asyncio.to_thread(all_of_it)
        for each in received:
            self._counted(each.redactions)
        return received


def open_redaction(settings: Settings, counted: Counted) -> Redaction:
    """What the settings ask for. Raises ValueError, which names the setting, for a bad region or pattern."""
    if settings.redaction == "off":
        return Redaction()
    from domain.redaction.patterns import load_patterns
    from domain.redaction.phones import unknown_regions
    from domain.redaction.redactor import Redactor

    if unknown := unknown_regions(settings.redaction_regions):
        raise ValueError(f"REDACTION_REGIONS: {unknown[0]} is not a two-letter code of a country")
    redactor = Redactor(settings.redaction_regions, load_patterns(settings.redaction_patterns))
    return Redaction(redactor, stored=settings.redaction == "stored", counted=counted)


# --- stored as it was sent ----------------------------------------------------------------------------------


def _counted_conversation(redactor: "Redactor", sent: Conversation) -> Received[Conversation]:
    return Received(sent, _counts(redactor, sent.texts()))


def _counted_message(redactor: "Redactor", sent: ChatMessage) -> Received[ChatMessage]:
    return Received(sent, _counts(redactor, [sent.message_content]))


def _counts(redactor: "Redactor", texts: Iterable[str]) -> Counts:
    return total(redactor.redact(text).counts for text in texts)


# --- stored without personal data ---------------------------------------------------------------------------


class _Pass:
    """One post on its way through the redactor: what is found in its fields adds up."""

    def __init__(self, redactor: "Redactor") -> None:
        self._redactor = redactor
        self._found: list[Counts] = []

    @property
    def counts(self) -> Counts:
        return total(self._found)

    def text(self, text: str) -> str:
        redacted = self._redactor.redact(text)
        self._found.append(redacted.counts)
        return redacted.text

    def name(self, name: str) -> str:
        redacted = self._redactor.redact_name(name)
        self._found.append(redacted.counts)
        return redacted.text[:MAX_AUTHOR]

    def document(self, document: dict[str, Any]) -> object:
        redacted = self._redactor.redact_document(document)
        self._found.append(redacted.counts)
        return redacted.document

    def turn(self, sent: DialogueMessage) -> DialogueMessage:
        author = None if sent.author is None else self.name(sent.author)
        return sent.model_copy(update={"text": self.text(sent.text), "author": author})


def _redacted_conversation(redactor: "Redactor", sent: Conversation) -> Received[Conversation]:
    on = _Pass(redactor)
    ways: dict[str, Callable[[Any], object]] = {
        "text": on.text,
        "messages": lambda turns: [on.turn(turn) for turn in turns],
        "author": on.name,
        "raw_data": on.document,
        "metadata": on.document,
    }
    given = {name: value for name in ways if (value := getattr(sent, name)) is not None}
    content = sent.model_copy(update={name: ways[name](value) for name, value in given.items()})
    return Received(content, on.counts, content_hash(sent) if on.counts else None)


def _redacted_message(redactor: "Redactor", sent: ChatMessage) -> Received[ChatMessage]:
    on = _Pass(redactor)
    shown = {"message_content": on.text(sent.message_content), "user_id": on.name(sent.user_id)}
    before = message_hash(sent.message_content, sent.user_id, sent.user_type, sent.timestamp)
    return Received(sent.model_copy(update=shown), on.counts, before if on.counts else None)


def _size(sent: Conversation) -> int:
    """How many characters there are to be looked through, about."""
    return sum(map(len, sent.texts())) + len(str(sent.raw_data)) + len(str(sent.metadata))
