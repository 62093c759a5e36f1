"""What every file of rows has in common, whatever its format."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from gzip import BadGzipFile
from itertools import islice
from typing import Any
from zipfile import BadZipFile
from zlib import error as BadDeflate

from client.importers.files import Source, Unreadable

BROKEN = (UnicodeError, EOFError, BadZipFile, BadDeflate, BadGzipFile)
"""What reading a damaged file raises."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table (all values text) or one JSON object; `line` is where it starts, from 1.

    `beside` is what an object that wraps a list of them has beside that list.
    """

    line: int
    fields: dict[str, Any]
    beside: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that is not sent, and why; its fields, where they could be told apart."""

    line: int
    reason: str
    fields: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)


class Rows(ABC):
    """The rows of an open file, to be iterated once. Iterating raises Unreadable where they are no text."""

    def __init__(self, name: str, source: Source) -> None:
        self._prepare(name)
        self.size = source.size
        """Bytes in all."""
        self._source = source

    def _prepare(self, name: str) -> None:
        self.name = name
        self.blank = 0
        """Rows without a value so far; Excel appends them by the hundred thousand."""
        self.warnings: list[tuple[int, str]] = []
        """Lines, and what looks odd there; the first of them."""
        self._iterator = self._guarded()
        self._ahead: list[Row | Rejected] = []

    @property
    def position(self) -> int:
        """Bytes read so far."""
        return self._source.tell()

    def peek(self, count: int) -> list[Row | Rejected]:
        """The first so many rows, which are iterated over all the same."""
        self._ahead.extend(islice(self._iterator, max(count - len(self._ahead), 0)))
        return self._ahead[:count]

    def __iter__(self) -> Iterator[Row | Rejected]:
        yield from self._ahead
        self._ahead.clear()
        yield from self._iterator

    def _guarded(self) -> Iterator[Row | Rejected]:
        try:
            yield from self._rows()
        except BROKEN as error:
            raise Unreadable(f"{self.name}: {error}") from error

    @abstractmethod
    def _rows(self) -> Iterator[Row | Rejected]:
        """What the file holds, in its order."""
