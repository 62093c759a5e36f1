"""Summaries: their fields, the material that they are written from, and their JSON."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

from domain.analysis import Analyzer, BeforeSend, Envelope, Invalid, Usage
from domain.fields.fieldsets import FieldAnswers

DraftListener = Callable[[str], None]
"""Called with the whole content so far whenever it has grown."""

Sentiment = Literal["positive", "neutral", "negative"]
Outcome = Literal["yes", "no", "maybe", "curious"]
ITEMS = ("action_items", "decisions", "questions")

# These limits let any two answers fit into one merging call, in any script.
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
        """The message as JSON, for the prompt."""
        return {"position": self.position, "role": self.role, "text": self.text}


@dataclass(frozen=True, slots=True)
class Item:
    """An action item, decision or question, with its evidence."""

    text: str
    positions: tuple[int, ...]
    """Positions of the messages it comes from, ascending; those that do not exist are left out."""
    quote: str
    """A few words of one of these messages, as the model quotes them."""
    verified: bool = False
    """Whether the quote occurs in these messages."""


@dataclass(frozen=True, slots=True)
class Question(Item):
    """A question that was raised."""

    answered: bool = False


@dataclass(frozen=True, slots=True)
class Summary:
    """A validated summary."""

    summary: str
    action_items: tuple[Item, ...]
    decisions: tuple[Item, ...]
    questions: tuple[Question, ...]
    sentiment: Sentiment
    outcome: Outcome
    keywords: tuple[str, ...]
    fields: FieldAnswers | None = None
    """Answers to the operator's fields; None if there are none for summaries."""

    @property
    def items(self) -> Sequence[Item]:
        """The items of all kinds."""
        return (*self.action_items, *self.decisions, *self.questions)

    @property
    def cited(self) -> frozenset[int]:
        """Every position that an item cites."""
        return frozenset(position for item in self.items for position in item.positions)


@dataclass(frozen=True, slots=True)
class Part:
    """The summary of the messages `first` to `last`, and the analyzer that wrote it."""

    first: int
    last: int
    summary: Summary
    analyzer: str
    model: str
    raw: str
    """The answer as the model wrote it, JSON."""

    @property
    def document(self) -> dict[str, object]:
        """The part as JSON, for the prompt that merges parts; without `verified`, which is for clients."""
        shown = to_json(self.summary)
        for name in ITEMS:
            shown[name] = [{key: item[key] for key in item if key != "verified"} for item in shown[name]]
        shown.pop("fields_version", None)
        return {"first": self.first, "last": self.last, **shown}


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive messages to summarise, at least one; only erased ones leave gaps between them."""

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
        """The positions that an answer may cite."""
        # Not a range: erased messages leave gaps.
        return {message.position for message in self.messages}

    @property
    def document(self) -> dict[str, object]:
        """The material as JSON, for the prompt."""
        return {"messages": [message.document for message in self.messages]}


@dataclass(frozen=True, slots=True)
class Merge:
    """Consecutive parts to merge into one summary, at least two."""

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
        """The positions that an answer may cite: those that the parts cite, since it sees no messages."""
        return frozenset[int]().union(*(part.summary.cited for part in self.parts))

    @property
    def document(self) -> dict[str, object]:
        """The material as JSON, for the prompt."""
        return {"parts": [part.document for part in self.parts]}


Material = Stretch | Merge


@dataclass(frozen=True, slots=True, kw_only=True)
class Summarised(Envelope):
    """A completed summary call: a valid summary, or the reason why it is invalid."""

    summary: Summary | Invalid
    raw: str


class ChatAnalyzer(Analyzer, Protocol):
    """An analyzer that also summarises chats."""

    summary_version: str
    """Version of everything but chat and model that determines a summary."""

    async def summarise(
        self,
        material: Material,
        before_send: BeforeSend,
        on_draft: DraftListener | None = None,
    ) -> Summarised:
        """Summarise in one call.

        `before_send` is awaited before the request is sent; `on_draft` may be called with the
        answer so far while it is being written. Raises CallFailed.
        """
        ...

    def worst_summary(self, material: Material) -> Usage:
        """The most that a call for this summary can consume, apart from reasoning."""
        ...


def to_json(summary: Summary) -> dict[str, Any]:
    """The summary as JSON, for answers and the database; without fields there is nothing of them."""
    found = asdict(summary)
    del found["fields"]
    if summary.fields is not None:
        found |= {"fields": dict(summary.fields.values), "fields_version": summary.fields.version}
    return found


def from_json(stored: Mapping[str, Any]) -> Summary:
    """The inverse of `to_json`."""

    def items(name: str, kind: type[Item]) -> tuple[Any, ...]:
        return tuple(kind(**{**item, "positions": tuple(item["positions"])}) for item in stored[name])

    version = stored.get("fields_version")
    fields = None if version is None else FieldAnswers(version, stored["fields"], ())
    return Summary(
        **{
            **{name: stored[name] for name in stored if name != "fields_version"},
            "fields": fields,
            "action_items": items("action_items", Item),
            "decisions": items("decisions", Item),
            "questions": items("questions", Question),
            "keywords": tuple(stored["keywords"]),
        }
    )
