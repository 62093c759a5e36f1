"""Files of rows, read once in constant memory: CSV as Kaggle or Excel left it, NDJSON, JSON; also packed."""

import csv
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from client.importers.base import BROKEN, Rejected, Row, Rows
from client.importers.files import Source, Unreadable, refuse_what_has_no_rows, text_of
from client.importers.objects import CHUNK, LARGEST_VALUE, Items, Lines
from client.importers.tables import Separated, Table

__all__ = [
    "CHUNK",
    "LARGEST_VALUE",
    "Items",
    "Lines",
    "Rejected",
    "Row",
    "Rows",
    "Table",
    "Unreadable",
    "opened",
]


@contextmanager
def opened(path: Path, encoding: str) -> Iterator[Rows]:
    """The rows of a file, its format told by the content and not by the name; gzip and zip are unpacked.

    Raises Unreadable where there is no such file or encoding, nothing in it, or something that has no rows.
    """
    with ExitStack() as stack:
        with readable(path):
            source = stack.enter_context(text_of(path, encoding))
            rows = rows_of(path, source, head_of(path, source))
        yield rows


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Raises Unreadable for whatever opening a file raises, and names the file."""
    try:
        yield
    except (*BROKEN, OSError, LookupError, csv.Error, Unreadable) as error:
        if isinstance(error, OSError) and error.strerror:
            raise Unreadable(f"{path} cannot be read: {error.strerror}") from error
        raise Unreadable(f"{path}: {error}" if str(path) not in str(error) else str(error)) from error


def head_of(path: Path, source: Source) -> str:
    """How a text begins. Raises Unreadable where there is nothing in it."""
    head = source.text.read(CHUNK)
    source.text.seek(0)
    if not head.strip():
        raise Unreadable(f"{path} is empty")
    return head


def rows_of(path: Path, source: Source, head: str) -> Rows:
    """The rows of a text, by how it begins. Raises Unreadable."""
    refuse_what_has_no_rows(head)
    return _kind(head.lstrip())(path.stem, source)


def _kind(head: str) -> type[Rows]:
    if head[0] not in "[{":
        return Separated
    return Lines if head[0] == "{" and head.partition("\n")[0].rstrip().endswith("}") else Items
