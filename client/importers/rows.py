"""Files of rows, read once in constant memory: CSV as Kaggle or Excel left it, NDJSON, JSON."""

import csv
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any, TextIO

CHUNK = 1 << 20
LARGEST_VALUE = 16 << 20  # characters; the service takes no larger body, so reading on would find nothing
SEPARATORS = re.compile(r"[\s,\[\]]*")

# The csv module ends a row at a bare carriage return; in the Kaggle set it is part of a text. A lone
# surrogate stands for it meanwhile: no decoder produces this one, so nothing in a file can be taken for it.
CARRIAGE_RETURN = "\udc0d"
BARE = re.compile(r"\r(?!\n)")  # before \n it ends the line


class Unreadable(Exception):
    """The file cannot be read as rows at all; the message says why in one line."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table (all values text) or one JSON object; `line` is where it starts, from 1."""

    line: int
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that is not sent, and why."""

    line: int
    reason: str


class Rows:
    """The rows of an open file, to be iterated once. Iterating raises Unreadable where they are no text."""

    def __init__(self, path: Path, file: TextIO) -> None:
        self.name = path.stem
        self.size = path.stat().st_size
        """Bytes in all."""
        self.blank = 0
        """Rows without a value so far; Excel appends them by the hundred thousand."""
        self._file = file

    @property
    def position(self) -> int:
        """Bytes read so far."""
        return self._file.buffer.tell()

    def __iter__(self) -> Iterator[Row | Rejected]:
        try:
            yield from self._rows()
        except UnicodeError as error:
            raise Unreadable(f"{self.name}: {error}") from error

    def _rows(self) -> Iterator[Row | Rejected]:
        raise NotImplementedError


class Table(Rows):
    """A CSV file. `columns` are the names in its first row, in lower case."""

    def __init__(self, path: Path, file: TextIO) -> None:
        super().__init__(path, file)
        lines = (BARE.sub(CARRIAGE_RETURN, line) if "\r" in line else line for line in file)
        first = next(lines, "")
        # Where the comma is the decimal sign, Excel separates by semicolons.
        self._reader = csv.reader(chain([first], lines), delimiter=max(",;\t|", key=first.count))
        self.columns = [name.strip().lower() for name in next(self._reader, [])]

    def _rows(self) -> Iterator[Row | Rejected]:
        while True:
            line = self._reader.line_num + 1
            try:
                values = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Rejected(line, f"not CSV: {error}")
                continue
            if "".join(values).strip():
                yield self._row(line, values)
            else:
                self.blank += 1

    def _row(self, line: int, values: list[str]) -> Row | Rejected:
        if any(values[len(self.columns) :]):
            return Rejected(line, f"{len(values)} fields where the header names {len(self.columns)}")
        whole = [value.replace(CARRIAGE_RETURN, "\r") for value in values]
        if not _is_text("".join(whole)):
            return Rejected(line, f"not valid {self._file.encoding}; --encoding names another")
        fields = dict(zip_longest(self.columns, whole[: len(self.columns)], fillvalue=""))
        fields.pop("", None)  # the index that pandas writes in front
        return Row(line, fields)


class Lines(Rows):
    """NDJSON: one object a line."""

    def _rows(self) -> Iterator[Row | Rejected]:
        for number, line in enumerate(self._file, 1):
            if not line.strip():
                self.blank += 1
                continue
            try:
                yield _object(number, json.loads(line))
            except (ValueError, RecursionError) as error:
                yield Rejected(number, f"not JSON: {error}")


class Items(Rows):
    """A JSON array of objects, or objects one after another. What is no JSON ends it: nothing can follow."""

    def _rows(self) -> Iterator[Row | Rejected]:
        buffer, line = "", 1
        while len(buffer) < LARGEST_VALUE and (chunk := self._file.read(CHUNK)):
            buffer += chunk
            used = 0
            for start, end, value in _complete_values(buffer):
                line += buffer.count("\n", used, start)
                used = start
                yield _object(line, value)
                line += buffer.count("\n", used, end)
                used = end
            buffer = buffer[used:]
        if rest := buffer[_end_of_separators(buffer, 0) :]:
            line += buffer.count("\n", 0, len(buffer) - len(rest))
            yield Rejected(line, "not JSON from here on: nothing after it was read")


@contextmanager
def opened(path: Path, encoding: str) -> Iterator[Rows]:
    """The rows of a file, its format told by the content and not by the name.

    Raises Unreadable where there is no such file or encoding, or nothing in it.
    """
    try:
        # Only \n ends a line, and a byte that is not of the encoding spoils its own row alone.
        file = path.open(encoding=encoding, errors="surrogateescape", newline="\n")
    except (OSError, LookupError) as error:
        raise Unreadable(f"{path}: {error}") from error
    with file:
        try:
            rows = _kind(path, file)(path, file)
        except (OSError, UnicodeError, csv.Error) as error:
            raise Unreadable(f"{path}: {error}") from error
        yield rows


def _kind(path: Path, file: TextIO) -> type[Rows]:
    head = file.read(CHUNK).lstrip()
    file.seek(0)
    if not head:
        raise Unreadable(f"{path} is empty")
    if head[0] not in "[{":
        return Table
    return Lines if head[0] == "{" and head.partition("\n")[0].rstrip().endswith("}") else Items


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


def _object(line: int, value: object) -> Row | Rejected:
    return Row(line, value) if isinstance(value, dict) else Rejected(line, "not a JSON object")


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
