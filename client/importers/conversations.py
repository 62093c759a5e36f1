"""Rows and objects as conversations of the HTTP API, each with an id that stays the same in the next run."""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from client.importers.fields import Fields, Reader, Value, first, sayable
from client.importers.roles import AGENT, left_out, role_of, speaks_as_agent
from client.importers.rows import Rejected, Row, Table, Unreadable
from client.wire import encoded

# The fields of the HTTP API. In JSON they pass as they are, and the service judges them.
API_FIELDS = frozenset(
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
TABLE_FIELDS = frozenset({"conversation_id"})
TURN_IDS = ("message_id", "id")
# The service's CSV has an apostrophe before a text that a spreadsheet would run as a formula.
FORMULA = ("'=", "'+", "'-", "'@", "'\t", "'\r")
# What marks an insight as the service's own export, and what of it is sent.
EXPORTED = frozenset({"conversation_id", "analyzer", "analysed_at", "text", "timestamp"})
KEPT = ("conversation_id", "external_id", "author", "timestamp", "text")


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation as it is sent: JSON in UTF-8, and the line of the file where it starts.

    `dated` is false where nothing says when it was said. `exported` is the id of an insight that the service
    exported: where it knows that id, the conversation is there.
    """

    line: int
    body: bytes
    dated: bool = True
    exported: str | None = None


Record = Conversation | Rejected


class Identities:
    """An external_id for what has none of its own: a hash of its content, counted where that comes again.

    It is the same in whichever file a row lies, and whatever that file is called.
    """

    def __init__(self) -> None:
        # The first 64 bits are the key: 2.8 million take 270 MB less than with the whole hash.
        self._seen: Counter[int] = Counter()

    def of(self, fields: Fields) -> str:
        """64 hexadecimal digits; from the second time on with `:2`, `:3` and so on behind them."""
        # The empty text in front was the name of a table's file; it keeps the ids of objects as they always were.
        digest = hashlib.sha256(json.dumps(["", fields], sort_keys=True).encode()).hexdigest()
        key = int(digest[:16], 16)
        self._seen[key] += 1
        return digest if self._seen[key] == 1 else f"{digest}:{self._seen[key]}"


def from_table(table: Table, reader: Reader) -> Iterator[Record]:
    """One conversation a row; what the API has no field for goes into its metadata. Raises Unreadable."""
    name_text_column(table, reader)
    return _from_rows(table, reader)


def name_text_column(table: Table, reader: Reader) -> None:
    """Settles which column holds the text. Raises Unreadable, naming the columns, where none is known to."""
    text = first(dict.fromkeys(table.columns, True), reader.text)
    if text is None:
        found = ascii(", ".join(table.columns))[:500]
        wanted = ", ".join(reader.text)
        raise Unreadable(f"no column is called {wanted}; there are {found}; --text-column names one of them")
    reader.text = (text,)


def _from_rows(table: Table, reader: Reader) -> Iterator[Record]:
    identities = Identities()
    for row in table:
        if isinstance(row, Rejected):
            yield row
        elif record := _record(row, TABLE_FIELDS, reader, identities):
            yield record


def from_object(row: Row, reader: Reader, identities: Identities) -> Record | None:
    """The conversation of an object, in the API's own shape or with a text under a name that tables use.

    None where it is a note or a notice, which is left out and counted.
    """
    return _record(row, API_FIELDS, reader, identities)


def _record(row: Row, passed: Collection[str], reader: Reader, identities: Identities) -> Record | None:
    if "messages" not in row.fields and (kind := left_out(row.fields)):
        reader.left_out[kind] += 1
        return None
    try:
        if is_exported(row.fields):
            return _exported(row, reader)
        return packed(row.line, _body(row.fields, passed, reader, identities))
    except ValueError as error:
        return Rejected(row.line, str(error), row.fields)


def _body(fields: Fields, passed: Collection[str], reader: Reader, identities: Identities) -> dict[str, Any]:
    rest = dict(fields)
    body = {name: rest.pop(name) for name in fields if name in passed and fields[name] != ""}
    if "messages" in body:
        body["messages"] = turns_of(body["messages"], reader)
    else:
        _put(body, rest, "text", reader.said(fields))
        _put(body, rest, "author", reader.author(fields))
    if (said_at := reader.said_at(fields)) and not _is_iso(body.get("timestamp")):
        _put(body, rest, "timestamp", said_at)
    _identify(body, rest, reader)
    if not body.get("external_id") and not body.get("conversation_id"):
        body["external_id"] = reader.named(identities.of(fields))
    return _with_metadata(_in_the_right_voice(body, fields), rest)


def _in_the_right_voice(body: dict[str, Any], fields: Fields) -> dict[str, Any]:
    """A text alone is a customer's, so what an agent said is sent as a turn."""
    if "messages" in body or not speaks_as_agent(fields):
        return body
    turn = {name: body.pop(name) for name in ("text", "author") if name in body}
    return {**body, "messages": [{**turn, "role": AGENT}]}


def _put(body: dict[str, Any], rest: dict[str, Any], field: str, found: Value | None) -> None:
    if found is not None:
        body[field] = found.text
        rest.pop(found.name, None)


def _identify(body: dict[str, Any], rest: dict[str, Any], reader: Reader) -> None:
    """The ids that it has, each with its source before it."""
    if found := reader.own_id({**rest, **body}):
        _put(body, rest, "external_id", Value(found.name, reader.named(found.text)))
    if found := reader.own_id(body, ("conversation_id",)):
        body["conversation_id"] = reader.named(found.text)


def _is_iso(written: object) -> bool:
    """Whether the service reads it as it is: what was sent before must stay the same to the letter."""
    try:
        return bool(isinstance(written, str) and datetime.fromisoformat(written))
    except ValueError:
        return False


def _with_metadata(body: dict[str, Any], rest: Fields) -> dict[str, Any]:
    own = body.get("metadata") or {}
    more = {name: value for name, value in rest.items() if value not in (None, "")}
    if more and isinstance(own, dict):
        return {**body, "metadata": {**more, **own}}
    return body


# --- turns --------------------------------------------------------------------------------------------------


def turns_of(messages: object, reader: Reader) -> list[dict[str, Any]]:
    """The turns of a conversation as the HTTP API takes them. Raises ValueError that names the turn."""
    if not isinstance(messages, list):
        raise ValueError("messages is not a list")
    turns = [_numbered(turn, position, reader) for position, turn in enumerate(messages, 1)]
    sent = [turn for turn in turns if turn is not None]
    if not sent:
        raise ValueError("there are no messages from a customer or an agent")
    return sent


def _numbered(turn: object, position: int, reader: Reader) -> dict[str, Any] | None:
    try:
        return turn_of(turn, reader)
    except ValueError as error:
        raise ValueError(f"message {position}: {error}") from None


def turn_of(turn: object, reader: Reader) -> dict[str, Any] | None:
    """A turn with a text, and what else is known of it; None where it is left out. Raises ValueError."""
    if not isinstance(turn, Mapping):
        raise ValueError("it is not an object")
    if kind := left_out(turn):
        reader.left_out[kind] += 1
        return None
    said, author, said_at = reader.said(turn), reader.author(turn), reader.said_at(turn)
    own_id = reader.own_id(turn, TURN_IDS)
    known = {
        "text": said.text,
        "author": author and author.text,
        "role": role_of(turn),
        "timestamp": turn["timestamp"] if _is_iso(turn.get("timestamp")) else said_at and said_at.text,
        "message_id": own_id and own_id.text,
    }
    used = {found.name for found in (said, author, said_at, own_id) if found}
    reader.fields_left_out.update(unused(turn, used))
    return {name: value for name, value in known.items() if value is not None}


def unused(fields: Fields, used: Collection[str]) -> Iterator[str]:
    """The fields with a value of which a turn has made no use."""
    beside = {*used, "role", "user_type", "inbound"}
    return (name for name, value in fields.items() if name not in beside and value not in (None, ""))


# --- the service's own export -------------------------------------------------------------------------------


def is_exported(fields: Collection[str]) -> bool:
    """Whether this is an insight as the service exports it."""
    return EXPORTED.issubset(fields) and ("grok_analysis" in fields or "sentiment_score" in fields)


def _exported(row: Row, reader: Reader) -> Record:
    """The conversation of an exported insight, under its own id. The analysis is left out."""
    fields = row.fields
    if str(fields.get("text_truncated")).lower() == "true":
        raise ValueError("the export holds only the first 2,000 characters of the text")
    body = {name: str(fields[name]) for name in KEPT if fields.get(name) not in (None, "")}
    body = {name: value[1:] if value.startswith(FORMULA) else value for name, value in body.items()}
    sayable(body.get("text", ""))
    metadata = fields.get("metadata")
    known = json.loads(metadata) if isinstance(metadata, str) and metadata else metadata
    reader.left_out["exported analysis"] += 1
    whole = {**body, "metadata": known} if known else body
    return packed(row.line, whole, exported=body["conversation_id"])


def packed(line: int, body: Fields, *, exported: str | None = None) -> Record:
    """The conversation ready to be sent, or rejected where it cannot be written as JSON."""
    try:
        return Conversation(line, encoded(body), is_dated(body), exported)
    except UnicodeEncodeError:
        return Rejected(line, "holds a lone surrogate", body)
    except ValueError:
        return Rejected(line, "holds NaN or Infinity, which are not JSON", body)


def is_dated(body: Fields) -> bool:
    """Whether it says when it was said, itself or by its first message."""
    first_turn: Fields = next(iter(body.get("messages") or ()), {})
    return bool(body.get("timestamp") or first_turn.get("timestamp"))
