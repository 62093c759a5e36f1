"""Rows and objects as conversations of the HTTP API, each with an id that stays the same in the next run."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from client.importers.rows import Rejected, Row, Table, Unreadable
from client.wire import encoded

MAX_TEXT = 20_000
TEXT = ("text", "tweet", "message", "message_content", "content", "body", "comment", "review")
AUTHOR = ("author", "author_id", "user_id", "user", "username")
TIMESTAMP = ("timestamp", "created_at", "datetime", "date", "tweet_created")
IDENTITY = ("external_id", "id", "tweet_id", "message_id")
# The fields of the HTTP API. In JSON they pass as they are, and the service judges them.
FIELDS = frozenset(
    {
        "text",
        "messages",
        "author",
        "timestamp",
        "external_id",
        "conversation_id",
        "raw_data",
        "raw",
        "metadata",
    }
)


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation as it is sent: JSON in UTF-8, and the line of the file where it starts."""

    line: int
    body: bytes


Record = Conversation | Rejected


class Identities:
    """An external_id for what has none of its own: a hash of its content, counted where that comes again.

    The rows of a table say little about themselves ("Thanks!"), so two files with other names are taken for
    two sets of rows: `seed` is the name. An object with messages is itself wherever it is found.
    """

    def __init__(self, seed: str) -> None:
        self._seed = seed
        # The first 64 bits are the key: 2.8 million take 270 MB less than with the whole hash.
        self._seen: Counter[int] = Counter()

    def of(self, fields: Mapping[str, Any]) -> str:
        """64 hexadecimal digits; from the second time on with `:2`, `:3` and so on behind them."""
        canonical = json.dumps([self._seed, fields], sort_keys=True)
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        key = int(digest[:16], 16)
        self._seen[key] += 1
        return digest if self._seen[key] == 1 else f"{digest}:{self._seen[key]}"


def from_table(table: Table) -> Iterator[Record]:
    """One conversation a row; what the API has no field for goes into its metadata.

    Raises Unreadable, naming the columns, where none of them is known to hold a text.
    """
    text = next((name for name in TEXT if name in table.columns), None)
    if text is None:
        found = ascii(", ".join(table.columns))[:500]
        raise Unreadable(f"no column is called {', '.join(TEXT)}; there are {found}")
    return _from_rows(table, (text,), Identities(table.name))


def _from_rows(table: Table, text: Sequence[str], identities: Identities) -> Iterator[Record]:
    for row in table:
        yield row if isinstance(row, Rejected) else _record(row, frozenset(), text, identities)


def from_object(row: Row, identities: Identities) -> Record:
    """The conversation of an object: in the API's own shape, or with a text under a name that tables use."""
    return _record(row, FIELDS, TEXT, identities)


def _record(row: Row, passed: frozenset[str], text: Sequence[str], identities: Identities) -> Record:
    try:
        return packed(row.line, _body(row.fields, passed, text, identities))
    except ValueError as error:
        return Rejected(row.line, str(error))


def _body(
    fields: Mapping[str, Any], passed: frozenset[str], text: Sequence[str], identities: Identities
) -> dict[str, Any]:
    rest = dict(fields)
    body = {name: rest.pop(name) for name in fields if name in passed}
    if "messages" not in body:
        _take(rest, text, body, "text")
        _take(rest, AUTHOR, body, "author")
        sayable(body.get("text"))
    if _take(rest, TIMESTAMP, body, "timestamp"):
        body["timestamp"] = moment(body["timestamp"])
    _take(rest, IDENTITY, body, "external_id")
    if not body.get("external_id") and not body.get("conversation_id"):
        body["external_id"] = identities.of(fields)
    return _with_metadata(body, rest)


def _take(rest: dict[str, Any], names: Sequence[str], body: dict[str, Any], field: str) -> bool:
    """Moves the first value under one of the names, as text, to where the API has it; not over one it has."""
    found = next((name for name in names if rest.get(name) not in (None, "")), None)
    if found is None or body.get(field) is not None:
        return False
    body[field] = str(rest.pop(found))
    return True


def _with_metadata(body: dict[str, Any], rest: Mapping[str, Any]) -> dict[str, Any]:
    own = body.get("metadata") or {}
    more = {name: value for name, value in rest.items() if value not in (None, "")}
    if more and isinstance(own, dict):
        return {**body, "metadata": {**more, **own}}
    return body


def packed(line: int, body: Mapping[str, Any]) -> Record:
    """The conversation ready to be sent, or rejected where it cannot be written as JSON."""
    try:
        return Conversation(line, encoded(body))
    except UnicodeEncodeError:
        return Rejected(line, "holds a lone surrogate")
    except ValueError:
        return Rejected(line, "holds NaN or Infinity, which are not JSON")


def sayable(text: object) -> object:
    """The text, if the service takes it. Raises ValueError that says why not."""
    if not isinstance(text, str):
        raise ValueError("there is no text")
    if not text.strip():
        raise ValueError("text is empty")
    if len(text) > MAX_TEXT:
        raise ValueError(f"text has {len(text):,} characters, {MAX_TEXT:,} are allowed")
    if "\0" in text:
        raise ValueError("text holds U+0000")
    return text


def moment(written: str) -> str:
    """The time in ISO 8601 and UTC; such texts sort by time. No offset means UTC.

    Reads ISO 8601, RFC 2822 and `Tue Oct 31 22:10:47 +0000 2017`. Raises ValueError on anything else: whether
    10/11 is in October or in November is not guessed.
    """
    try:
        time = _date(written.strip())
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("the time is neither ISO 8601 nor like Tue Oct 31 22:10:47 +0000 2017") from None
    if not 1970 <= time.year <= 2100:
        raise ValueError("the time is outside the years 1970 to 2100")
    return time.isoformat()


def _date(written: str) -> datetime:
    if not written[:1].isdigit():
        return parsedate_to_datetime(written)
    # Exports write 12:00:00 -0800; ISO 8601 has no space before the offset.
    return datetime.fromisoformat(written.replace(" +", "+").replace(" -", "-"))
