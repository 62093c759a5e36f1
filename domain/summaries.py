"""What a summary is, what it is made from, and how it is kept."""

from collections.abc import Awaitable, Callable, Container, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

from domain.analysis import Analyzer, Envelope, Invalid, Usage

DraftListener = Callable[[str], None]
"""Is told all of the content that there is so far, whenever there is more."""

Sentiment = Literal["positive", "neutral", "negative"]
Outcome = Literal["yes", "no", "maybe", "curious"]
ITEMS = ("action_items", "decisions", "questions")

# So that any two answers fit into one call that merges them, whatever they are written in.
MAX_SUMMARY = 1_500
MAX_ITEMS = 10
MAX_ITEM = 200
MAX_QUOTE = 160
MAX_POSITIONS = 10
MAX_KEYWORDS = 10
MAX_KEYWORD = 64


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat. `position` counts from 1; `role` is `customer` or `support_agent`."""

    position: int
    role: str
    text: str

    @property
    def document(self) -> dict[str, object]:
        """The message, as JSON has it."""
        return {"position": self.position, "role": self.role, "text": self.text}


@dataclass(frozen=True, slots=True)
class Item:
    """Something that was promised, decided or asked, and where."""

    text: str
    positions: tuple[int, ...]
    """Of the messages it comes from, rising; those that do not exist are left out."""
    quote: str
    """A few words of one of them, as the model gives them."""
    verified: bool = False
    """Whether the quote was found there."""


@dataclass(frozen=True, slots=True)
class Question(Item):
    """Something that was asked."""

    answered: bool = False


@dataclass(frozen=True, slots=True)
class Summary:
    """A validated answer."""

    summary: str
    action_items: tuple[Item, ...]
    decisions: tuple[Item, ...]
    questions: tuple[Question, ...]
    sentiment: Sentiment
    outcome: Outcome
    keywords: tuple[str, ...]

    @property
    def items(self) -> Sequence[Item]:
        """All of them, of whatever kind."""
        return (*self.action_items, *self.decisions, *self.questions)

    @property
    def cited(self) -> frozenset[int]:
        """Every position that an item refers to."""
        return frozenset(position for item in self.items for position in item.positions)


@dataclass(frozen=True, slots=True)
class Part:
    """The summary of the messages `first` to `last`, and who wrote it."""

    first: int
    last: int
    summary: Summary
    analyzer: str
    model: str
    raw: str
    """The answer as the model wrote it, JSON."""

    @property
    def document(self) -> dict[str, object]:
        """The part as it is shown to who merges it with others, as JSON has it.

        Whether quotes are real is not their business.
        """
        shown = to_json(self.summary)
        for name in ITEMS:
            shown[name] = [{key: item[key] for key in item if key != "verified"} for item in shown[name]]
        return {"first": self.first, "last": self.last, **shown}


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive messages, to be summarised. At least one."""

    messages: Sequence[Message]

    @property
    def first(self) -> int:
        """The first position."""
        return self.messages[0].position

    @property
    def last(self) -> int:
        """The last position."""
        return self.messages[-1].position

    @property
    def citable(self) -> Container[int]:
        """The positions that an answer may refer to."""
        return range(self.first, self.last + 1)

    @property
    def document(self) -> dict[str, object]:
        """What is asked, as JSON has it."""
        return {"messages": [message.document for message in self.messages]}


@dataclass(frozen=True, slots=True)
class Merge:
    """The summaries of consecutive parts, to be made into one. At least two."""

    parts: Sequence[Part]

    @property
    def first(self) -> int:
        """The first position."""
        return self.parts[0].first

    @property
    def last(self) -> int:
        """The last position."""
        return self.parts[-1].last

    @property
    def citable(self) -> Container[int]:
        """The positions that an answer may refer to: the messages themselves are not shown."""
        return frozenset[int]().union(*(part.summary.cited for part in self.parts))

    @property
    def document(self) -> dict[str, object]:
        """What is asked, as JSON has it."""
        return {"parts": [part.document for part in self.parts]}


Material = Stretch | Merge


@dataclass(frozen=True, slots=True, kw_only=True)
class Summarised(Envelope):
    """A call that came back with a summary, or with what is none."""

    summary: Summary | Invalid
    raw: str


class ChatAnalyzer(Analyzer, Protocol):
    """An analyzer that can summarise as well."""

    summary_version: str
    """What, beside chat and model, decides its summaries."""

    async def summarise(
        self,
        material: Material,
        before_send: Callable[[], Awaitable[None]],
        on_draft: DraftListener | None = None,
    ) -> Summarised:
        """Summarise in one call.

        `before_send` is awaited immediately before the request is written; `on_draft` may be told what there is
        of the answer while it is written. Raises CallFailed.
        """
        ...

    def worst_summary(self, material: Material) -> Usage:
        """The most that a call to summarise this can use up, reasoning apart."""
        ...


def to_json(summary: Summary) -> dict[str, Any]:
    """The summary as answers and the database have it."""
    return asdict(summary)


def from_json(stored: Mapping[str, Any]) -> Summary:
    """The inverse of `to_json`."""

    def items(name: str, kind: type[Item]) -> tuple[Any, ...]:
        return tuple(kind(**{**item, "positions": tuple(item["positions"])}) for item in stored[name])

    return Summary(
        **{
            **stored,
            "action_items": items("action_items", Item),
            "decisions": items("decisions", Item),
            "questions": items("questions", Question),
            "keywords": tuple(stored["keywords"]),
        }
    )
