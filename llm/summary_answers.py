"""The answer of a summary call: parses and validates a summary, whole or as a draft."""

from collections.abc import Container, Mapping, Sequence
from typing import Any, TypeVar, cast, get_args

from pydantic_core import from_json

from domain.analysis import MAX_RAW, Invalid
from domain.fields.fieldsets import NO_FIELDS, FieldAnswers, FieldSet
from domain.summaries import (
    MAX_ITEM,
    MAX_ITEMS,
    MAX_KEYWORD,
    MAX_KEYWORDS,
    MAX_POSITIONS,
    MAX_QUOTE,
    MAX_SUMMARY,
    Item,
    Outcome,
    Question,
    Sentiment,
    Summary,
)
from domain.text import storable
from llm.content import json_in

AnyItem = TypeVar("AnyItem", bound=Item)


def parse_summary(content: str, citable: Container[int], fields: FieldSet = NO_FIELDS) -> Summary | Invalid:
    """Parse and validate a summary. Raises ValueError if the content is not a JSON object."""
    answer = json_in(content, "summary")
    if not isinstance(answer, dict):
        raise ValueError("the answer must be a JSON object")
    if len(content) > MAX_RAW:
        return Invalid("the answer is too long")
    return validate_summary(answer, citable, fields)


def draft_text(content: str) -> str:
    """The summary's text so far, from an answer that is still being streamed."""
    # Before the object there may be a fence, or a sentence.
    start = max(content.find("{"), 0)
    try:
        answer = from_json(content[start:], allow_partial="trailing-strings")
    except ValueError:
        return ""
    text = answer.get("summary") if isinstance(answer, dict) else None
    return storable(text)[:MAX_SUMMARY] if isinstance(text, str) else ""


def validate_summary(
    answer: Mapping[str, object],
    citable: Container[int],
    fields: FieldSet = NO_FIELDS,
    *,
    all_nullable: bool = False,
) -> Summary | Invalid:
    """Validate a summary as a whole. No field is ever filled with a default.

    `citable` are the positions that exist. An item keeps only those of its positions. An item without any is still
    shown; its quote then cannot be verified.
    """
    try:
        return Summary(
            summary=storable(_text(answer, "summary").strip())[:MAX_SUMMARY],
            action_items=_items(answer, "action_items", citable),
            decisions=_items(answer, "decisions", citable),
            questions=_questions(answer, citable),
            sentiment=cast(Sentiment, _one_of(answer, "sentiment", get_args(Sentiment))),
            outcome=cast(Outcome, _one_of(answer, "outcome", get_args(Outcome))),
            keywords=_keywords(answer),
            fields=_answers(answer, fields, all_nullable),
        )
    except ValueError as error:
        return Invalid(str(error))


def _answers(answer: Mapping[str, object], fields: FieldSet, all_nullable: bool) -> FieldAnswers | None:
    if not fields:
        return None
    # A summary is not filed under them.
    return fields.read(answer.get("fields"), all_nullable=all_nullable)._replace(filed=())


def _text(row: Mapping[str, object], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name} is missing" if value is None else f"{name} must be a non-empty string")
    return value


def _line(text: str, max_length: int) -> str:
    return storable(" ".join(text.split()))[:max_length]


def _one_of(row: Mapping[str, object], name: str, values: Sequence[str]) -> str:
    value = row.get(name)
    if value not in values:
        raise ValueError(
            f"{name} is missing" if value is None else f"{name} must be one of {', '.join(values)}"
        )
    return cast(str, value)


def _list(row: Mapping[str, object], name: str) -> list[object]:
    value = row.get(name)
    if not isinstance(value, list):
        raise ValueError(f"{name} is missing" if value is None else f"{name} must be a list")
    return value


def _rows(row: Mapping[str, object], name: str) -> list[Mapping[str, object]]:
    rows = _list(row, name)[:MAX_ITEMS]
    if not all(isinstance(each, dict) for each in rows):
        raise ValueError(f"every item of {name} must be an object")
    return cast(list[Mapping[str, object]], rows)


def _items(row: Mapping[str, object], name: str, citable: Container[int]) -> tuple[Item, ...]:
    return tuple(Item(**_item_fields(each, citable)) for each in _rows(row, name))


def _questions(row: Mapping[str, object], citable: Container[int]) -> tuple[Question, ...]:
    rows = _rows(row, "questions")
    if not all(isinstance(each.get("answered"), bool) for each in rows):
        raise ValueError("answered must be true or false")
    return tuple(Question(**_item_fields(each, citable), answered=bool(each["answered"])) for each in rows)


def _item_fields(row: Mapping[str, object], citable: Container[int]) -> dict[str, Any]:
    positions = _list(row, "positions")
    if not all(isinstance(each, int) and not isinstance(each, bool) for each in positions):
        raise ValueError("positions must be whole numbers")
    known = sorted({each for each in cast(list[int], positions) if each in citable})
    return {
        "text": _line(_text(row, "text"), MAX_ITEM),
        "positions": tuple(known[:MAX_POSITIONS]),
        "quote": _line(_text(row, "quote"), MAX_QUOTE),
    }


def _keywords(row: Mapping[str, object]) -> tuple[str, ...]:
    words = _list(row, "keywords")
    if not all(isinstance(word, str) and word.strip() for word in words):
        raise ValueError("keywords must be non-empty strings")
    shown = (_line(str(word), MAX_KEYWORD) for word in words)
    # The first of equal keywords is kept.
    return tuple({word.casefold(): word for word in reversed([*shown])}.values())[::-1][:MAX_KEYWORDS]
