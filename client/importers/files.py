"""What a file is made of: its encoding, and the file inside a gzip or zip. What is no text is refused by name."""

import gzip
import io
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

DEFAULT_ENCODING = "utf-8-sig"
HEAD = 1 << 12
GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"
BYTE_ORDER_MARKS = {  # the longer first: UTF-32's begins as UTF-16's does
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
NO_TEXT = {
    b"\xd0\xcf\x11\xe0": "an old Excel or Office file; save it as CSV (UTF-8)",
    b"PAR1": "a Parquet file; write it as CSV or NDJSON",
    b"SQLite format 3": "an SQLite database; write a table of it as CSV",
    b"%PDF": "a PDF; it has no rows",
    b"7z\xbc\xaf": "a 7z archive; unpack it first",
    b"BZh": "a bzip2 file; unpack it first",
    b"\xfd7zXZ": "an xz file; unpack it first",
    b"(\xb5/\xfd": "a zstd file; unpack it first",
}
LATER = "which a later release reads; until then, write it as CSV or NDJSON with a text a row"
TEXTS = {
    r"WEBVTT\b": f"WebVTT subtitles, {LATER}",
    r"\d+\r?\n\d\d:\d\d:\d\d[,.]\d{3} --> ": f"SRT subtitles, {LATER}",
    r"From \S+.*\n(?:[\w-]+: .*\n)+": f"an mbox of mail, {LATER}",
    r"(?:(?:Received|Return-Path|From|To|Date|Subject|Message-ID|MIME-Version): .*\n(?:[ \t].*\n)*){2}": (
        f"a mail, {LATER}"
    ),
    r"\u200e?\[?\d{1,4}[/.-]\d{1,2}[/.-]\d{2,4},? \d{1,2}:\d\d(?::\d\d)?\s?(?:[ap]\.?\s?m\.?)?\]?(?: -)? [^:\n]+: ": (
        f"a WhatsApp chat, {LATER}"
    ),
    r"<(?:!doctype|html|\?xml)\b": "HTML or XML, which has no rows",
}


class Unreadable(Exception):
    """The file cannot be read as rows at all; the message says why in one line."""


@dataclass(frozen=True, slots=True)
class Source:
    """An open text, and how far it has been read: both in bytes of the file, or of the one inside it."""

    text: TextIO
    size: int
    tell: Callable[[], int]


@contextmanager
def text_of(path: Path, encoding: str) -> Iterator[Source]:
    """The text of a file, unpacked where it is packed. Raises Unreadable where it is none."""
    with path.open("rb") as raw:
        head = raw.read(HEAD)
        raw.seek(0)
        _refuse_what_is_no_text(head)
        if head.startswith(GZIP):
            with gzip.GzipFile(fileobj=raw) as unpacked:
                yield _decoded(unpacked, encoding, path.stat().st_size, raw.tell)
        elif head.startswith(ZIP):
            with zipfile.ZipFile(raw) as archive, archive.open(_only(archive)) as unpacked:
                yield _decoded(unpacked, encoding, _only(archive).file_size, unpacked.tell)
        else:
            yield _decoded(raw, encoding, path.stat().st_size, raw.tell)


def _decoded(file: object, encoding: str, size: int, tell: Callable[[], int]) -> Source:
    buffered = io.BufferedReader(file, HEAD)  # type: ignore[type-var]
    head = buffered.peek(HEAD)[:HEAD]
    _refuse_what_is_no_text(head)
    mark = next((name for mark, name in BYTE_ORDER_MARKS.items() if head.startswith(mark)), None)
    if mark and encoding == DEFAULT_ENCODING:
        encoding = mark
    # Only \n ends a line, and a byte that is not of the encoding spoils its own row alone.
    text = io.TextIOWrapper(buffered, encoding, errors="surrogateescape", newline="\n")
    return Source(text, size, tell)


def _only(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    names = {each.filename for each in archive.infolist()}
    if "[Content_Types].xml" in names:
        kind = (
            "an Excel workbook (XLSX)" if any(name.startswith("xl/") for name in names) else "an Office file"
        )
        raise Unreadable(f"{kind}, which a later release reads; until then, save it as CSV (UTF-8)")
    files = [each for each in archive.infolist() if not each.is_dir() and not _is_clutter(each.filename)]
    if len(files) != 1:
        raise Unreadable(
            f"a zip of {len(files)} files; one file in it is read, so unpack it and give one of them"
        )
    return files[0]


def _is_clutter(name: str) -> bool:
    return name.startswith("__MACOSX/") or name.rpartition("/")[2].startswith(".")


def _refuse_what_is_no_text(head: bytes) -> None:
    for start, what in NO_TEXT.items():
        if head.startswith(start):
            raise Unreadable(what)


def refuse_what_has_no_rows(head: str) -> None:
    """Raises Unreadable where a text is of a kind that is known and not read: subtitles, mail, a WhatsApp chat."""
    for form, what in TEXTS.items():
        if re.match(form, head.lstrip("\ufeff"), re.IGNORECASE):
            raise Unreadable(what)
