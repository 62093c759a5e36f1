"""Which field of a row is what, and its value as the HTTP API takes it.

A value is a text or a whole number. Of an object it is what has a known name inside it, such as `body.text` or
`user.screen_name`. Anything else is refused: Python's way of printing it is not what somebody said.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from client.importers.agents import Agents
from client.importers.times import Times

MAX_TEXT, MAX_AUTHOR = 20_000, 255
TEXT = (
    *("text", "full_text", "tweet", "message", "message_content", "content", "body", "comment", "review"),
    *("ticket description", "ticket_description", "instruction", "dialogue", "description"),
)
AUTHOR = ("author", "author_id", "user_id", "user", "username")
TIMESTAMP = ("timestamp", "created_at", "datetime", "date", "tweet_created")
IDENTITY = ("external_id", "id", "tweet_id", "message_id")
INSIDE = {
    "text": ("text", "plain_text", "plain", "full_text", "content", "body"),
    "author": ("screen_name", "username", "id_str", "id", "name", "$oid"),
    "timestamp": ("$date", "$numberLong", "iso", "value"),
    "external_id": ("$oid", "$numberLong", "id_str", "id"),
}
DEEPEST = 3

Fields = Mapping[str, Any]


class Value(NamedTuple):
    """A value that was found, and the name of the field that held it."""

    name: str
    text: str


@dataclass(slots=True)
class Reader:
    """How the fields of one file are read: their names in order of preference, and what goes before its ids."""

    text: Sequence[str] = TEXT
    timestamp: Sequence[str] = TIMESTAMP
    identity: Sequence[str] = IDENTITY
    source: str = ""
    times: Times = field(default_factory=Times)
    agents: Agents = field(default_factory=Agents)
    begin: datetime | None = None
    """When a recording began whose file only says how long after that something was said."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Turns that are not sent, by kind."""
    fields_left_out: Counter[str] = field(default_factory=Counter)
    """Fields for which a turn has no place, and in how many they were."""

    def named(self, id_: str) -> str:
        """The id with its source before it: ticket 1 of two help desks is two."""
        return f"{self.source}:{id_}" if self.source else id_

    def said(self, fields: Fields) -> Value:
        """The text. Raises ValueError that says why the service would not take it."""
        found = value_of(fields, self.text, "text")
        if found is None:
            there = not set(self.text).isdisjoint(fields)
            raise ValueError("text is empty" if there else "there is no text")
        return Value(found.name, sayable(found.text))

    def said_at(self, fields: Fields) -> Value | None:
        """When it was said, in ISO 8601. Raises ValueError."""
        found = value_of(fields, self.timestamp, "timestamp")
        return found and Value(found.name, self.times.read(found.text))

    def author(self, fields: Fields) -> Value | None:
        """Who wrote it. Raises ValueError."""
        found = value_of(fields, AUTHOR, "author")
        if found and len(found.text) > MAX_AUTHOR:
            raise ValueError(f"{found.name} has {len(found.text)} characters, {MAX_AUTHOR} are allowed")
        return found

    def own_id(self, fields: Fields, names: Sequence[str] | None = None) -> Value | None:
        """The id it has in its file, without the source. Raises ValueError."""
        return value_of(fields, names or self.identity, "external_id")


def first(fields: Fields, names: Sequence[str]) -> str | None:
    """The first of the names under which there is a value."""
    return next((name for name in names if not _is_blank(fields.get(name))), None)


def _is_blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def value_of(fields: Fields, names: Sequence[str], what: str) -> Value | None:
    """The first value under one of the names. Raises ValueError that names the field, where it is no text."""
    name = first(fields, names)
    return None if name is None else Value(name, _plain(fields[name], name, what, DEEPEST))


def _plain(value: object, name: str, what: str, depth: int) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and _is_number(value, what):
        return str(int(value) if value == int(value) else value)
    if isinstance(value, Mapping) and depth and (inside := first(value, INSIDE[what])):
        return _plain(value[inside], f"{name}.{inside}", what, depth - 1)
    raise ValueError(f"{name} is {_kind(value)}, not a text")


def _is_number(value: float, what: str) -> bool:
    """Whole numbers, and epoch times with a fraction."""
    return value - value == 0 and (value == int(value) or what == "timestamp")


def _kind(value: object) -> str:
    if isinstance(value, Mapping):
        return "an object without a known text in it"
    if isinstance(value, bool):
        return "true or false"
    return "a list" if isinstance(value, list) else "a number with a fraction"


def sayable(text: str) -> str:
    """The text, if the service takes it. Raises ValueError that says why not."""
    if not text.strip():
        raise ValueError("text is empty")
    if len(text) > MAX_TEXT:
        raise ValueError(f"text has {len(text):,} characters, {MAX_TEXT:,} are allowed")
    if "\0" in text:
        raise ValueError("text holds U+0000")
    return text
