"""What has to be known of a file before anything of it is sent. The first rows tell."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from client.importers import chats, formats, threads
from client.importers.base import Row, Rows
from client.importers.conversations import is_exported, name_text_column
from client.importers.fields import IDENTITY, TEXT, TIMESTAMP, Reader, first
from client.importers.files import Unreadable
from client.importers.mapping import LOOKED_AT, columns_of
from client.importers.said import Messages
from client.importers.sheets import Sheet
from client.importers.subtitles import Subtitles
from client.importers.tables import Table
from client.importers.times import Order, Times

SMALL = re.compile(r"\d{1,9}")  # a tweet's id has 15 digits and more
FEW = 20
EITHER: tuple[Order, ...] = ("DMY", "MDY")


def notes_on(rows: Rows, reader: Reader) -> list[str]:
    """What somebody should know before it is sent. Raises Unreadable where sending it would do harm."""
    if isinstance(rows, Table):  # whose columns are in lower case
        reader.text, reader.timestamp, reader.identity = (
            tuple(name.lower() for name in names)
            for names in (reader.text, reader.timestamp, reader.identity)
        )
    found = [row.fields for row in rows.peek(LOOKED_AT) if isinstance(row, Row)]
    columns = columns_of(rows, found)
    _refuse_columns_that_are_not_there(columns, reader)
    if isinstance(rows, Table):
        name_text_column(rows, reader)
    _refuse_what_is_recognised(found, reader)
    if not _ids_are_told_apart(found, columns, reader):
        raise Unreadable(
            "the ids are small numbers, which another file has as well: --source NAME goes before them, so that "
            "ticket 1 of two help desks is two"
        )
    return [*_on_sheets(rows), *_on_times(found, columns, reader)]


def refuse_options_without_use(found: Rows | Messages, reader: Reader) -> None:
    """Raises Unreadable for an option that says nothing about such a file: nobody should believe that it did."""
    if reader.begin and not isinstance(found, Subtitles):
        raise Unreadable("--begin says when a recording began, and this is none")
    if isinstance(found, Rows) and reader.agents.named:
        raise Unreadable("--agent says who is who where a file has only names; in rows a column role does")
    columns = {
        "text": (reader.text, TEXT),
        "time": (reader.timestamp, TIMESTAMP),
        "id": (reader.identity, IDENTITY),
    }
    for name, (given, known) in columns.items():
        if isinstance(found, Messages) and given is not known:
            raise Unreadable(f"--{name}-column names a column, and this is {found.title}")


def _on_sheets(rows: Rows) -> Iterator[str]:
    if isinstance(rows, Sheet) and rows.others:
        yield f"only the first sheet is read, not {', '.join(rows.others)[:200]}"


def _refuse_columns_that_are_not_there(columns: Sequence[str], reader: Reader) -> None:
    for option, names in (("text", reader.text), ("time", reader.timestamp), ("id", reader.identity)):
        if len(names) == 1 and names[0] not in columns:
            there = ascii(", ".join(columns))[:500]
            raise Unreadable(f"--{option}-column {names[0]}: there is no such column; there are {there}")


def _refuse_what_is_recognised(rows: Sequence[Mapping[str, Any]], reader: Reader) -> None:
    for row in rows:
        if not is_exported(row) and (name := formats.recognised(row)):
            what = (
                "a format that is read as JSON, not as a table"
                if name in formats.DESKS
                else formats.WHAT_READS
            )
            raise Unreadable(f"this looks like {name}, {what}")
    if thread := formats.thread_that_comes_again(rows, reader):
        raise Unreadable(
            f"several rows have the same {thread}, so each is a message of a thread, and nothing says who speaks: "
            "name the speaker in a column role (customer, support_agent) or inbound (true, false), and the thread "
            "in conversation_id"
        )


def _ids_are_told_apart(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], reader: Reader) -> bool:
    """Whether two files with these ids can be told apart. The Kaggle set is one file, and its ids are its own."""
    if reader.source or threads.are_in(columns):
        return True
    return not any(
        SMALL.fullmatch(str(row[name]).strip().removesuffix(".0"))
        for row in rows
        for name in _ids(row, reader)
    )


def _ids(row: Mapping[str, Any], reader: Reader) -> Iterator[str]:
    if is_exported(row):
        return
    dialogue = chats.is_dialogue(row) or chats.are_in(row, reader)
    names = [
        first(row, chats.CHAT if dialogue else ("conversation_id",)),
        None if dialogue else first(row, reader.identity),
    ]
    yield from filter(None, names)


def _on_times(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], reader: Reader) -> Iterator[str]:
    if not rows or any(_is_dated(row, reader) for row in rows):
        return
    maybe = [name for name in columns if _holds_times(name, rows)]
    hint = f" (is it {', '.join(maybe)[:200]}?)" if maybe else ""
    yield (
        f"no time column; looked for {', '.join(reader.timestamp)}: what is sent will be dated at intake, for good. "
        f"--time-column NAME names it{hint}"
    )


def _holds_times(name: str, rows: Sequence[Mapping[str, Any]]) -> bool:
    values = [row[name] for row in rows[:FEW] if row.get(name) not in (None, "")]
    return bool(values) and all(map(_is_time, values))


def _is_time(value: object) -> bool:
    for order in EITHER:
        with suppress(ValueError):
            return isinstance(value, str | int) and bool(Times(order).read(str(value)))
    return False


def _is_dated(row: Mapping[str, Any], reader: Reader) -> bool:
    turns = row.get("messages")
    several = [row, *turns] if isinstance(turns, list) else [row]
    return any(isinstance(each, Mapping) and first(each, reader.timestamp) is not None for each in several)
