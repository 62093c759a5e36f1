"""How the fake Grok summarises: what it takes, and an answer by simple rules, with quotes that are real.

A message with TODO is an action item, one with AGREED a decision, one that ends in a question mark a question.
"""

import re
import zlib
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

from pydantic import Field

from tests.fake_grok.fields import Schemas, answers
from tests.fake_grok.requests import INVALID, Refused, ResponseFormat, Strict, parsed

BYTES_PER_CALL = 180_000
"""60,000 tokens of three bytes each: no user message may be longer."""
MOST = 10
FIELDS = {"summary", "action_items", "decisions", "questions", "sentiment", "outcome", "keywords"}
OUTCOMES = ("yes", "no", "maybe", "curious")


class SentMessage(Strict):
    position: int = Field(ge=1)
    role: Literal["customer", "support_agent"]
    text: str


class SentItem(Strict):
    text: str = Field(min_length=1)
    positions: list[int]
    quote: str = Field(min_length=1)


class SentQuestion(SentItem):
    answered: bool


class SentPart(Strict):
    first: int
    last: int
    summary: str = Field(min_length=1)
    action_items: list[SentItem]
    decisions: list[SentItem]
    questions: list[SentQuestion]
    sentiment: Literal["positive", "neutral", "negative"]
    outcome: Literal["yes", "no", "maybe", "curious"]
    keywords: list[str]
    fields: dict[str, Any] | None = None


class Chat(Strict):
    conversation_id: Literal["1"]
    messages: list[SentMessage] | None = Field(None, min_length=1)
    parts: list[SentPart] | None = Field(None, min_length=2)


class SummaryQuestion(Strict):
    conversation: Chat


def checked(answer_format: ResponseFormat, asked: str, *, gaps: bool = False) -> Chat:
    """The chat of a user message, whose positions may have `gaps`. Raises Refused."""
    chat = parsed(SummaryQuestion, asked.encode(), status=400).conversation
    if (chat.messages is None) == (chat.parts is None):
        raise Refused(400, INVALID, "a chat has either messages or parts")
    if len(asked.encode()) > BYTES_PER_CALL:
        raise Refused(400, INVALID, "the user message is over the budget of a call")
    _check_order(chat, gaps)
    _check_schema(answer_format)
    return chat


def _check_order(chat: Chat, gaps: bool) -> None:
    """Messages and parts follow each other, without a gap unless some were erased."""
    ranges = [(part.first, part.last) for part in chat.parts or ()]
    ranges += [(message.position, message.position) for message in chat.messages or ()]
    steps = [after[0] - before[1] for before, after in pairwise(ranges)]
    if any(step < 1 or (step > 1 and not gaps) for step in steps):
        raise Refused(400, INVALID, "positions are left out or out of order")


def _check_schema(answer_format: ResponseFormat) -> None:
    if answer_format.type == "json_object":
        return
    if answer_format.json_schema is None:
        raise Refused(422, INVALID, "response_format json_schema without a schema")
    schema = answer_format.json_schema.schema_
    properties, required = set(schema.get("properties", ())), set(schema.get("required", ()))
    if properties != required or required - {"fields"} != FIELDS:
        raise Refused(400, INVALID, "the schema is not a summary's")


def answer(chat: Chat, asked: Schemas) -> dict[str, Any]:
    """What the fake makes of a chat: the same for the same chat."""
    said = " ".join(message.text for message in chat.messages or ())
    own = {"fields": answers(asked, said)} if asked else {}
    return (_merged(chat.parts) if chat.parts else _summarised(chat.messages or ())) | own


def _summarised(messages: Sequence[SentMessage]) -> dict[str, Any]:
    said = " ".join(message.text for message in messages)
    number = zlib.crc32(said.encode("utf-8", "replace"))
    answered = {message.position for message in messages if message.role == "support_agent"}
    return {
        "summary": f"Messages {messages[0].position} to {messages[-1].position}.",
        "action_items": [_item(each) for each in messages if "TODO" in each.text][:MOST],
        "decisions": [_item(each) for each in messages if "AGREED" in each.text][:MOST],
        "questions": [
            _item(each) | {"answered": any(later > each.position for later in answered)}
            for each in messages
            if each.text.endswith("?")
        ][:MOST],
        "sentiment": ("negative", "neutral", "positive")[number % 3],
        "outcome": OUTCOMES[number % 4],
        "keywords": [word for word, _ in Counter(re.findall(r"[a-z]{4,}", said.lower())).most_common(5)],
    }


def _item(message: SentMessage) -> dict[str, Any]:
    shown = message.text.strip()
    return {"text": f"About: {shown[:50]}", "positions": [message.position], "quote": shown[:60]}


def _merged(parts: Sequence[SentPart]) -> dict[str, Any]:
    told = [part.model_dump() for part in parts]
    words = Counter(word for part in told for word in part["keywords"])
    return {
        "summary": f"Messages {parts[0].first} to {parts[-1].last}, from {len(parts)} parts.",
        **{
            kind: [item for part in told for item in part[kind]][:MOST]
            for kind in ("action_items", "decisions", "questions")
        },
        "sentiment": told[-1]["sentiment"],
        "outcome": told[-1]["outcome"],
        "keywords": [word for word, _ in words.most_common(5)],
    }
