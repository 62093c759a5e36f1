"""A Telegram export as JSON: of one chat, or of all chats of an account.

All messages stand in one object, so the file is read message by message here. It is not quite JSON: the exporter
writes control characters as `\\x0B`, and one version wrote the file of a custom emoji without quotes. `date` is the
local time of the computer that exported; newer versions have `date_unixtime` beside it.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from client.importers.fields import Reader
from client.importers.files import Source
from client.importers.said import Entry, Messages, Said, Spoiled

CHUNK = 1 << 20
LARGEST_MESSAGE = 4 << 20
MESSAGES = re.compile(r'"messages"\s*:\s*\[')
FIELD = re.compile(r'"(?P<name>id|name|type)"\s*:\s*(?P<value>"(?:[^"\\]|\\.)*"|-?\d+|null)')
CHAT_TYPE = re.compile(
    r'"type"\s*:\s*"(?:saved_messages|replies|verify_codes|personal_chat|bot_chat|(?:private|public)_(?:group|supergroup|channel))"'
)
FROM = re.compile(r'"from_id"\s*:\s*(?:"(?:user|channel|chat)\d+"|\d+)')
BAD_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*)\\x([0-9A-Fa-f]{2})")
BARE_EMOJI = re.compile(r'("document_id"\s*:\s*)(?!["\d\s\[{]|null)([^\n,}\]]+)')
MEDIA = frozenset({"photo", "file", "media_type", "location_information", "poll", "contact_information"})
BETWEEN = re.compile(r"[\s,]*")
LARGEST_HEAD = 1 << 16
"""Characters before the messages of a chat in which its id stands."""


def is_one(head: str) -> bool:
    """Whether a text begins as such an export."""
    start = head.lstrip("\ufeff \r\n\t")
    has_fields = CHAT_TYPE.search(start) or FROM.search(start)
    return start.startswith("{") and bool(has_fields) and bool(MESSAGES.search(start))


class Telegram(Messages):
    """The messages of an export."""

    title = "a Telegram export"
    ids_last = True

    def __init__(self, name: str, source: Source, reader: Reader) -> None:
        super().__init__(name, source)
        self._reader = reader

    def _entries(self) -> Iterator[Entry]:
        self._source.text.seek(0)
        scanner = _Scanner(_mended(self._source))
        while (before := scanner.text_before(MESSAGES)) is not None:
            chat = _chat_of(before) or self.name
            try:
                for line, value in scanner.items():
                    yield from self._of_message(line, chat, value)
            except ValueError:
                yield Spoiled(scanner.line, chat, "not JSON from here on: nothing after it was read")
                return

    def _of_message(self, line: int, chat: str, value: object) -> Iterator[Entry]:
        if not isinstance(value, Mapping):
            yield Spoiled(line, chat, "a message is not an object")
            return
        try:
            text = _text(value.get("text"))
            if kind := _left_out(value, text):
                self._reader.left_out[kind] += 1
                return
            yield self._said(line, chat, text, value)
        except ValueError as error:
            yield Spoiled(line, chat, str(error))

    def _said(self, line: int, chat: str, text: str, message: Mapping[str, Any]) -> Said:
        id_, user, name = message.get("id"), message.get("from_id"), message.get("from")
        if not isinstance(id_, int | str) or not isinstance(user, int | str):
            raise ValueError("id or from_id is missing")
        if _has_media(message):
            self._reader.left_out["attachment"] += 1
        role = self._reader.agents.role_of(str(user), name if isinstance(name, str) else None)
        return Said(line, chat, str(id_), str(user), role, text, self._said_at(message))

    def _said_at(self, message: Mapping[str, Any]) -> str | None:
        for name in ("date_unixtime", "date"):
            if (written := message.get(name)) not in (None, ""):
                return self._reader.times.read(str(written))
        return None


def _left_out(message: Mapping[str, Any], text: str) -> str | None:
    kind = message.get("type")
    if kind == "service":
        return "system notice"
    if kind != "message":
        return "unsupported message"
    if text.strip():
        return None
    return "media" if _has_media(message) else "empty message"


def _has_media(message: Mapping[str, Any]) -> bool:
    return any(
        name in message
        for name in ("photo", "file", "media_type", "location_information", "poll", "contact_information")
    )


def _text(value: object) -> str:
    """The text of a message, whose parts with a format of their own are objects. Raises ValueError."""
    parts = value if isinstance(value, list) else ["" if value is None else value]
    texts = [part.get("text") if isinstance(part, Mapping) else part for part in parts]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("text is neither a text nor a list of its parts")
    return "".join(map(str, texts))


def _chat_of(before: str) -> str | None:
    """The id of the chat whose fields stand right before its messages."""
    found = {match["name"]: json.loads(match["value"]) for match in FIELD.finditer(before)}
    return str(found["id"]) if found.get("id") is not None else None


def _mended(source: Source) -> Iterator[str]:
    """The text in pieces, as JSON: each ends where no escape is cut in two."""
    held = ""
    while chunk := source.text.read(CHUNK):
        whole = held + chunk
        cut = whole.rfind("\n") + 1 or whole.rfind(",") + 1
        held = whole[cut:]
        yield _json(whole[:cut])
    yield _json(held)


def _json(written: str) -> str:
    return BARE_EMOJI.sub(_quoted, BAD_ESCAPE.sub(r"\1\\u00\2", written))


def _quoted(match: re.Match[str]) -> str:
    return match[1] + json.dumps(match[2].rstrip())


class _Scanner:
    """Goes through a text that comes in pieces. `line` is where it is, from 1."""

    def __init__(self, pieces: Iterator[str]) -> None:
        self.line = 1
        self._pieces = pieces
        self._buffer = ""
        self._at = 0
        self._decoder = json.JSONDecoder()

    def text_before(self, pattern: re.Pattern[str]) -> str | None:
        """The last of what stands before the next place that the pattern matches, where it goes on; None at the end."""
        while not (match := pattern.search(self._buffer, self._at)):
            self._go_on(max(self._at, len(self._buffer) - LARGEST_HEAD))
            if not self._read_on():
                return None
        before = self._buffer[self._at : match.start()]
        self._go_on(match.end())
        return before

    def items(self) -> Iterator[tuple[int, object]]:
        """The values of the list in which it is, each with its line. Raises ValueError where they are no JSON."""
        while True:
            self._go_on(self._end_of_space())
            if self._buffer.startswith("]", self._at):
                self._go_on(self._at + 1)
                return
            value, end = self._value()
            yield self.line, value
            self._go_on(end)

    def _value(self) -> tuple[object, int]:
        while True:
            try:
                return self._decoder.raw_decode(self._buffer, self._at)
            except (ValueError, RecursionError) as error:
                if len(self._buffer) - self._at > LARGEST_MESSAGE or not self._read_on():
                    raise ValueError("not JSON") from error

    def _end_of_space(self) -> int:
        while (match := BETWEEN.match(self._buffer, self._at)) and match.end() == len(self._buffer):
            if not self._read_on():
                raise ValueError("the list has no end")
        return match.end() if match else self._at

    def _go_on(self, at: int) -> None:
        self.line += self._buffer.count("\n", self._at, at)
        self._at = at

    def _read_on(self) -> bool:
        piece = next(self._pieces, None)
        if piece is None:
            return False
        self._buffer, self._at = self._buffer[self._at :] + piece, 0
        return True
