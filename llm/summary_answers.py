"""Whether an answer is a summary."""

import json
from collections.abc import Container, Mapping, Sequence
from typing import Any, TypeVar, cast, get_args

from pydantic_core import from_json

from domain.analysis import MAX_RAW, Invalid, storable
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

AnyItem = TypeVar("AnyItem", bound=Item)


def parse_summary(content: str, citable: Container[int]) -> Summary | Invalid:
    """The summary that a model wrote. Raises ValueError where it is no JSON object."""
    try:
        answer = json.loads(content)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(answer, dict):
        raise ValueError("no JSON object")
    if len(content) > MAX_RAW:
        return Invalid("the answer is too long")
    return validate_summary(answer, citable)


def draft_text(content: str) -> str:
    """The summary's text as far as it is written in an answer that is not there whole yet."""
    try:
        answer = from_json(content, allow_partial="trailing-strings")
    except ValueError:
        return ""
    text = answer.get("summary") if isinstance(answer, dict) else None
    return storable(text)[:MAX_SUMMARY] if isinstance(text, str) else ""


def validate_summary(answer: Mapping[str, object], citable: Container[int]) -> Summary | Invalid:
    """An answer, believed or not: whole or not at all, and nothing in it is filled with a default.

    `citable` are the positions there are. An item keeps those of its positions that are among them, and may be
    left without one: it is shown all the same, and its quote is found nowhere.
    """
    try:
        return Summary(
            summary=storable(_text(answer, "summary").strip())[:MAX_SUMMARY],
            action_items=_items(answer, "action_items", citable),
            decisions=_items(answer, "decisions", citable),
            questions=_questions(answer, citable),
            sentiment=cast(Sentiment, _word(answer, "sentiment", get_args(Sentiment))),
            outcome=cast(Outcome, _word(answer, "outcome", get_args(Outcome))),
            keywords=_keywords(answer),
        )
    except ValueError as error:
        return Invalid(str(error))


def _text(row: Mapping[str, object], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name} is missing" if value is None else f"{name} is no text")
    return value


def _line(text: str, most: int) -> str:
    return storable(" ".join(text.split()))[:most]


def _word(row: Mapping[str, object], name: str, words: Sequence[str]) -> str:
    value = row.get(name)
    if value not in words:
        raise ValueError(f"{name} is missing" if value is None else f"{name} is none of {', '.join(words)}")
    return cast(str, value)


def _list(row: Mapping[str, object], name: str) -> list[object]:
    value = row.get(name)
    if not isinstance(value, list):
        raise ValueError(f"{name} is missing" if value is None else f"{name} is no list")
    return value


def _rows(row: Mapping[str, object], name: str) -> list[Mapping[str, object]]:
    rows = _list(row, name)[:MAX_ITEMS]
    if not all(isinstance(each, dict) for each in rows):
        raise ValueError(f"{name} has an item that is no object")
    return cast(list[Mapping[str, object]], rows)


def _items(row: Mapping[str, object], name: str, citable: Container[int]) -> tuple[Item, ...]:
    return tuple(Item(**_common(each, citable)) for each in _rows(row, name))


def _questions(row: Mapping[str, object], citable: Container[int]) -> tuple[Question, ...]:
    rows = _rows(row, "questions")
    if not all(isinstance(each.get("answered"), bool) for each in rows):
        raise ValueError("answered is neither true nor false")
    return tuple(Question(**_common(each, citable), answered=bool(each["answered"])) for each in rows)


def _common(row: Mapping[str, object], citable: Container[int]) -> dict[str, Any]:
    positions = _list(row, "positions")
    if not all(isinstance(each, int) and not isinstance(each, bool) for each in positions):
        raise ValueError("positions has something else than whole numbers")
    known = sorted({each for each in cast(list[int], positions) if each in citable})
    return {
        "text": _line(_text(row, "text"), MAX_ITEM),
        "positions": tuple(known[:MAX_POSITIONS]),
        "quote": _line(_text(row, "quote"), MAX_QUOTE),
    }


def _keywords(row: Mapping[str, object]) -> tuple[str, ...]:
    words = _list(row, "keywords")
    if not all(isinstance(word, str) and word.strip() for word in words):
        raise ValueError("keywords has something else than words")
    shown = (_line(str(word), MAX_KEYWORD) for word in words)
    # Of doubles the first is kept.
    return tuple({word.casefold(): word for word in reversed([*shown])}.values())[::-1][:MAX_KEYWORDS]


# --- verification -------------------------------------------------------------------------------------------
