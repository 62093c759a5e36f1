"""Reads the file that names the fields: YAML, or JSON, which is YAML as well. Every fault is told by the field's name.

Words that YAML takes for something else, such as `no` and `1.10`, are read as they stand there.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from domain.fields.fieldsets import NO_FIELDS, FieldSet
from domain.fields.kinds import (
    FARTHEST,
    LONGEST_TEXT,
    MOST_FIELDS,
    MOST_ITEMS,
    BooleanField,
    EnumField,
    Field,
    ListField,
    NumberField,
    TextField,
)
from domain.fields.reserved import RESERVED

MOST_VALUES = 30
MOST_WORDS = 50
LONGEST_FILE = 65_536
LONGEST_MEANING = 300
MOST_DIGITS = 9
NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
VALUE = re.compile(r"[^\W_][\w +./-]{0,39}")
"""A value of an enum: it begins with a letter or digit, and has no sign that JSON, CSV or a query would escape."""


def parse_fields(content: str) -> FieldSet:
    """The fields that a file with this content names. Raises ValueError."""
    if len(content) > LONGEST_FILE:
        raise ValueError(f"the file has more than {LONGEST_FILE:,} characters")
    # Imported where there is a file: reading YAML takes 0.03 s of a start and 1 MB.
    from domain.fields.documents import parse_document

    return FieldSet(tuple(_fields(parse_document(content))))


def load_fields(path: Path | None) -> FieldSet:
    """The fields that FIELDS_FILE names; none without a file. Raises ValueError, which names the setting."""
    if path is None:
        return NO_FIELDS
    try:
        return parse_fields(_start_of(path))
    except (OSError, UnicodeDecodeError) as error:
        why = "is not UTF-8" if isinstance(error, UnicodeError) else f"cannot be read: {error.strerror}"
        raise ValueError(f"FIELDS_FILE: {why}") from error
    except ValueError as error:
        raise ValueError(f"FIELDS_FILE: {error}") from None


def _start_of(path: Path) -> str:
    # No more than shows that it is too long: /dev/zero has no end.
    with path.open(encoding="utf-8") as file:
        return file.read(LONGEST_FILE + 1)


def _fields(document: object) -> list[Field]:
    if not isinstance(document, dict) or not isinstance(document.get("fields"), list):
        raise ValueError("the file must have one key, fields, with a list")
    if others := sorted(set(document) - {"fields"}):
        raise ValueError(f"{_shown(others[0])} is not known; the file has one key, fields")
    if not 1 <= len(document["fields"]) <= MOST_FIELDS:
        raise ValueError(f"fields: 1 to {MOST_FIELDS} are possible, not {len(document['fields'])}")
    found: list[Field] = []
    for place, given in enumerate(document["fields"], 1):
        field = _field(place, given)
        if any(field.name == other.name for other in found):
            raise ValueError(f"field {place} ({field.name}): another one has the same name")
        found.append(field)
    return found


def _field(place: int, given: object) -> Field:
    if not isinstance(given, dict):
        raise ValueError(f"field {place}: must have keys, such as name and type")
    named = (
        f"field {place} ({_shown(given['name'])})" if isinstance(given.get("name"), str) else f"field {place}"
    )
    try:
        return _made(given)
    except ValueError as error:
        raise ValueError(f"{named}: {error}") from None


def _shown(text: str) -> str:
    """A word of the file as it is told, on one line."""
    return ascii(text[:40])[1:-1]


# --- one field ----------------------------------------------------------------------------------------------

Given = Mapping[str, Any]


def _made(given: Given) -> Field:
    name = _name(given)
    kind = _word(given, "type", ("enum", "number", "boolean", "text", "list"))
    own, make = KINDS[kind]
    known = {"name", "type", "meaning", "of", "required", "for", *own}
    if unknown := sorted(set(given) - known):
        raise ValueError(f"{_shown(unknown[0])} is not known for the type {kind}")
    same = {
        "name": name,
        "meaning": _text(given, "meaning", LONGEST_MEANING),
        "of": _word(given, "of", ("customer", "agent", "conversation"), "conversation"),
        "required": _word(given, "required", ("true", "false"), "false").lower() == "true",
        "asker": _word(given, "for", ("conversations", "summaries", "both"), "conversations"),
    }
    return make(given, same)


def _name(given: Given) -> str:
    name = given.get("name")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError(
            "name: must be 1 to 32 lower-case letters, digits and underscores, and begin with a letter"
        )
    if name in RESERVED:
        raise ValueError("name: is taken by something that insights have already")
    return name


def _enum(given: Given, same: Mapping[str, Any]) -> Field:
    values = _values(given)
    return EnumField(**same, values=values, words=_words(given, values))


def _list(given: Given, same: Mapping[str, Any]) -> Field:
    values = _values(given)
    most = min(MOST_ITEMS, len(values))
    return ListField(
        **same,
        values=values,
        words=_words(given, values),
        max_items=_whole(given, "max_items", most, min(5, most)),
    )


def _boolean(given: Given, same: Mapping[str, Any]) -> Field:
    return BooleanField(**same, words=_words(given, ("true", "false")))


def _number(given: Given, same: Mapping[str, Any]) -> Field:
    low, high = _bound(given, "minimum", -FARTHEST), _bound(given, "maximum", FARTHEST)
    if low >= high:
        raise ValueError("minimum: must be below maximum")
    unit = _text(given, "unit", 20) if "unit" in given else None
    return NumberField(**same, minimum=low, maximum=high, unit=unit)


def _short_text(given: Given, same: Mapping[str, Any]) -> Field:
    return TextField(**same, max_length=_whole(given, "max_length", LONGEST_TEXT, LONGEST_TEXT))


KINDS: Mapping[str, tuple[frozenset[str], Callable[[Given, Mapping[str, Any]], Field]]] = {
    "enum": (frozenset({"values", "words"}), _enum),
    "number": (frozenset({"minimum", "maximum", "unit"}), _number),
    "boolean": (frozenset({"words"}), _boolean),
    "text": (frozenset({"max_length"}), _short_text),
    "list": (frozenset({"values", "words", "max_items"}), _list),
}
"""The types, each with the keys of its own."""


def _text(given: Given, key: str, longest: int) -> str:
    text = given.get(key)
    if text is None:
        raise ValueError(f"{key}: is missing")
    return _said(key, text, longest)


def _said(key: str, text: object, longest: int) -> str:
    """A text for the prompt: one line."""
    if not isinstance(text, str):
        raise ValueError(f"{key}: must be a text")
    text = " ".join(text.split())
    if not 1 <= len(text) <= longest or not text.isprintable():
        raise ValueError(f"{key}: must have 1 to {longest} printable characters")
    return text


def _word(given: Given, key: str, words: Sequence[str], default: str = "") -> str:
    word = given.get(key, default)
    if not word:
        raise ValueError(f"{key}: is missing")
    if not isinstance(word, str) or word not in (
        *words,
        *(each.title() for each in words if key == "required"),
    ):
        raise ValueError(f"{key}: must be one of {', '.join(words)}")
    return word


def _bound(given: Given, key: str, default: float) -> float:
    try:
        number = float(given.get(key, default))
    except (TypeError, ValueError):
        number = math.nan
    if not -FARTHEST <= number <= FARTHEST:
        raise ValueError(f"{key}: must be a number from {-FARTHEST:g} to {FARTHEST:g}")
    return int(number) if number.is_integer() else number


def _whole(given: Given, key: str, most: int, default: int) -> int:
    text = str(given.get(key, default))
    if not (text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS and 1 <= int(text) <= most):
        raise ValueError(f"{key}: must be a whole number from 1 to {most}")
    return int(text)


def _values(given: Given) -> Mapping[str, str]:
    values = given.get("values")
    if values is None:
        raise ValueError("values: is missing")
    if not isinstance(values, dict) or not 2 <= len(values) <= MOST_VALUES:
        raise ValueError(f"values: must be 2 to {MOST_VALUES} values, each with its meaning")
    for value in values:
        if not VALUE.fullmatch(value) or value != value.strip() or value.lower() == "null":
            raise ValueError(
                f"values: {_shown(value)}: must have 1 to 40 letters, digits, spaces and _+./-, and not be null"
            )
    return {value: _said(f"values: {_shown(value)}", told, LONGEST_MEANING) for value, told in values.items()}


def _words(given: Given, values: Sequence[str] | Mapping[str, str]) -> Mapping[str, Sequence[str]]:
    words = given.get("words", {})
    if not isinstance(words, dict):
        raise ValueError("words: must be a list of words for each value")
    for value, its in words.items():
        key = f"words: {_shown(value)}"
        if value not in values:
            raise ValueError(f"{key}: is not one of the values")
        if not isinstance(its, list) or not 1 <= len(its) <= MOST_WORDS:
            raise ValueError(f"{key}: must be a list of 1 to {MOST_WORDS} words")
    return {
        value: [_said(f"words: {_shown(value)}", each, 60) for each in its] for value, its in words.items()
    }
