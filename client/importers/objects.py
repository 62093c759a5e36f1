"""JSON: an object a line, an array, objects one after another, or a list that an object wraps."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from client.importers.base import Rejected, Row, Rows

CHUNK = 1 << 20
LARGEST_VALUE = 16 << 20  # characters; the service takes no larger body, so reading on would find nothing
SEPARATORS = re.compile(r"[\s,\[\]]*")
UNFINISHED = re.compile(r"-?|\.|[eE][+-]?|tr?u?|fa?l?s?|nu?l?|\\?u[0-9a-fA-F]{0,4}")
"""What is left at the end of a line that breaks off: nothing, or part of a number, a word or an escape."""
WRAPPERS = (
    *("tickets", "data", "conversations", "insights", "results", "items", "records", "rows", "tweets"),
    *("reviews", "dialogues", "dialogs", "chats"),
)
ITEMS = frozenset(
    {
        *("text", "messages", "body", "content", "description", "description_text", "conversation_id"),
        "requester_id",
    }
)
"""What an object that is an item itself has."""


class Lines(Rows):
    """NDJSON: one object a line."""

    def _rows(self) -> Iterator[Row | Rejected]:
        for number, line in enumerate(self._source.text, 1):
            if not line.strip():
                self.blank += 1
                continue
            try:
                yield from _objects(number, json.loads(line.rstrip()), line)
            except (ValueError, RecursionError) as error:
                yield Rejected(number, _why_not(error))


def _why_not(error: ValueError | RecursionError) -> str:
    """What is wrong with a line, in plain words. The parser's own name a line number as well, which is always 1."""
    if not isinstance(error, json.JSONDecodeError):
        return (
            "not JSON: nested too deeply"
            if isinstance(error, RecursionError)
            else "not JSON: a number is too long"
        )
    if error.msg.startswith("Unterminated") or UNFINISHED.fullmatch(error.doc, error.pos):
        return "not JSON: the line ends in the middle"
    return f"not JSON at column {error.colno}"


class Items(Rows):
    """A JSON array of objects, or objects one after another. What is no JSON ends it: nothing can follow."""

    def _rows(self) -> Iterator[Row | Rejected]:
        buffer, line = "", 1
        while len(buffer) < LARGEST_VALUE and (chunk := self._source.text.read(CHUNK)):
            buffer += chunk
            used = 0
            for start, end, value in _complete_values(buffer):
                line += buffer.count("\n", used, start)
                used = start
                yield from _objects(line, value, buffer[start:end])
                line += buffer.count("\n", used, end)
                used = end
            buffer = buffer[used:]
        if rest := buffer[_end_of_separators(buffer, 0) :]:
            line += buffer.count("\n", 0, len(buffer) - len(rest))
            yield Rejected(line, "not JSON from here on: nothing after it was read")


def _complete_values(buffer: str) -> Iterator[tuple[int, int, object]]:
    """The values that the text begins with, each with where it starts and ends."""
    decoder = json.JSONDecoder()
    at = _end_of_separators(buffer, 0)
    while at < len(buffer):
        try:
            value, end = decoder.raw_decode(buffer, at)
        except (ValueError, RecursionError):
            return
        yield at, end, value
        at = _end_of_separators(buffer, end)


def _end_of_separators(buffer: str, at: int) -> int:
    match = SEPARATORS.match(buffer, at)
    return match.end() if match else at


def _objects(line: int, value: object, written: str) -> Iterator[Row | Rejected]:
    """The object, or those that it wraps: `{"tickets": [...]}`. `written` is what it was read from."""
    wrapper = wrapped_in(value) if isinstance(value, dict) else None
    if not isinstance(value, dict):
        yield Rejected(line, "not a JSON object")
    elif wrapper is None:
        yield Row(line, value)
    else:
        lines = _lines_of(written, wrapper)
        beside = {name: inside for name, inside in value.items() if name != wrapper}
        for number, item in enumerate(value[wrapper]):
            at = line + (lines[number] if len(lines) >= len(value[wrapper]) else 0)
            yield Row(at, item, beside) if isinstance(item, dict) else Rejected(at, "not a JSON object")


def wrapped_in(value: Mapping[str, Any]) -> str | None:
    """The name of the list whose items an object only wraps; None where it is an item itself."""
    lists = [name for name, items in value.items() if name in WRAPPERS and isinstance(items, list)]
    alone = ITEMS.isdisjoint(value) and len(lists) == 1
    return lists[0] if alone and any(isinstance(item, dict) for item in value[lists[0]]) else None


def _lines_of(written: str, wrapper: str) -> list[int]:
    """How many lines below the object each item of its list starts."""
    start = re.search(rf'"{wrapper}"\s*:\s*\[', written)
    if start is None:
        return []
    rest = written[start.end() :]
    above = written.count("\n", 0, start.end())
    return [above + rest.count("\n", 0, at) for at, _, _ in _complete_values(rest)]
