"""Summaries and what they are made from, for tests; the largest that may be among them."""

from collections.abc import Sequence
from typing import Any

from domain.summaries import (
    MAX_ITEM,
    MAX_ITEMS,
    MAX_KEYWORD,
    MAX_KEYWORDS,
    MAX_POSITIONS,
    MAX_QUOTE,
    MAX_SUMMARY,
    Item,
    Message,
    Part,
    Question,
    Stretch,
    Summary,
)

HEAVIEST = "\x01"
"""A character that takes six bytes in JSON; none takes more."""

LATE: Sequence[tuple[str, str]] = (
    ("customer", "My parcel is three days late. Where is it?"),
    ("support_agent", "Sorry! TODO: we will ask the carrier today."),
    ("customer", "Can you send another one?"),
    ("support_agent", "AGREED: a second parcel leaves tomorrow."),
    ("customer", "Great, thanks!"),
)

ANSWER: dict[str, Any] = {
    "summary": "The parcel is late; a second one was promised.",
    "action_items": [{"text": "Ask the carrier", "positions": [2], "quote": "we will ask the carrier"}],
    "decisions": [{"text": "A second parcel", "positions": [4], "quote": "a second parcel leaves"}],
    "questions": [
        {"text": "Where is it?", "positions": [1], "quote": "Where is my parcel?", "answered": True}
    ],
    "sentiment": "negative",
    "outcome": "maybe",
    "keywords": ["parcel", "carrier"],
}


def a_message(position: int, text: str = "Where is my parcel?", role: str = "customer") -> Message:
    return Message(position, role, text)


def a_stretch(*texts: str) -> Stretch:
    """Messages from position 1 on, the customer's and the agent's in turn."""
    roles = ("customer", "support_agent")
    return Stretch([Message(at, roles[(at - 1) % 2], text) for at, text in enumerate(texts, 1)])


def a_summary(positions: Sequence[int] = (1,), **given: Any) -> Summary:
    """A summary whose items all refer to these positions."""
    item = Item("Ask the carrier", tuple(positions), "we will ask")
    question = Question("Where is it?", tuple(positions), "Where is my parcel?", answered=True)
    fields: dict[str, Any] = {
        "summary": "It is late.",
        "action_items": (item,),
        "decisions": (),
        "questions": (question,),
        "sentiment": "negative",
        "outcome": "maybe",
        "keywords": ("parcel",),
    }
    return Summary(**(fields | given))


def a_part(first: int = 1, last: int = 1, **given: Any) -> Part:
    """The summary of so many messages, whose items refer to the first of them."""
    return Part(first, last, a_summary([first], **given), "grok", "grok-4.3", "{}")


def the_heaviest_part(first: int, last: int) -> Part:
    """No valid answer takes more room where it is merged with others."""
    positions = tuple(range(last - MAX_POSITIONS + 1, last + 1))
    said = (HEAVIEST * MAX_ITEM, positions, HEAVIEST * MAX_QUOTE)
    items = (Item(*said),) * MAX_ITEMS
    summary = Summary(
        summary=HEAVIEST * MAX_SUMMARY,
        action_items=items,
        decisions=items,
        questions=(Question(*said, answered=False),) * MAX_ITEMS,
        sentiment="negative",
        outcome="curious",
        keywords=(HEAVIEST * MAX_KEYWORD,) * MAX_KEYWORDS,
    )
    return Part(first, last, summary, "grok", "grok-4.3", "{}")
