"""What a file is made of: its encoding, and the file inside a gzip or zip. What is no text is refused by name."""

import codecs
import gzip
import io
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TextIO

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
    b"\xd0\xcf\x11\xe0": "an old Excel or Office file, or an Outlook message; save it as CSV (UTF-8) or EML",
    b"PAR1": "a Parquet file; write it as CSV or NDJSON",
    b"!BDN": "an Outlook data file (PST); save it as mbox",
    b"SQLite format 3": "an SQLite database; write a table of it as CSV",
    b"%PDF": "a PDF; it has no rows",
    b"7z\xbc\xaf": "a 7z archive; unpack it first",
    b"PK\x05\x06": "an empty zip",
    b"BZh": "a bzip2 file; unpack it first",
    b"\xfd7zXZ": "an xz file; unpack it first",
    b"(\xb5/\xfd": "a zstd file; unpack it first",
}
TEXTS = {
    r"<(?:!doctype|html|\?xml|tt)\b": "HTML or XML, which has no rows",
    r"\[Script Info\]": "SubStation Alpha subtitles; save them as WebVTT or SRT",
    r"\d+:\d\d:\d\d\.\d{3},\d+:\d\d:\d\d\.\d{3}\r?\n": "YouTube's SBV subtitles; save them as WebVTT or SRT",
    r"\[\d{4}-\d\d-\d\d,? \d\d:\d\d\] [^:\n]+: ": "a Signal chat, which is not read; write it as NDJSON",
    r"\[LINE\]|\d{4}/\d\d/\d\d\([^)\n]{1,12}\)\r?\n\d\d:\d\d\t": "a LINE chat, which is not read; write it as NDJSON",
}
CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
"""Characters that no line of text has; a tab, a form feed and the start of a terminal's sequence are none."""
CONTACT = re.compile(rb"BEGIN:VCARD", re.IGNORECASE)
DEEPEST = 3
"""How often a file may be packed in another."""


class Unreadable(Exception):
    """The file cannot be read as rows at all; the message says why in one line."""


@dataclass(frozen=True, slots=True)
class Source:
    """An open text, and how far it has been read: both in bytes of the file, or of the one inside it."""

    text: TextIO
    size: int
    tell: Callable[[], int]


@contextmanager
def archive_in(path: Path) -> Iterator[zipfile.ZipFile | None]:
    """The zip that a file is, also where a gzip or another zip holds nothing else; None where it is none.

    A workbook is a zip as well. Raises OSError, and what a damaged file raises.
    """
    with ExitStack() as stack:
        file: IO[bytes] = stack.enter_context(path.open("rb"))
        for _ in range(DEEPEST):
            inner = _zip_inside(file, stack)
            if inner is None:
                break
            file = inner
        yield stack.enter_context(zipfile.ZipFile(file)) if _begins(file, ZIP) else None


def _zip_inside(file: IO[bytes], keep: ExitStack) -> IO[bytes] | None:
    """The one zip that is in a gzip or zip, unpacked on disk until `keep` ends."""
    with ExitStack() as stack:
        inside: Any
        if _begins(file, GZIP):
            inside = stack.enter_context(gzip.GzipFile(fileobj=file))
        elif _begins(file, ZIP):
            archive = stack.enter_context(zipfile.ZipFile(file))
            files = members_of(archive)
            if len(files) != 1:
                return None
            inside = stack.enter_context(archive.open(files[0]))
        else:
            return None
        if not inside.read(len(ZIP)).startswith(ZIP):
            return None
        inside.seek(0)
        unpacked = keep.enter_context(tempfile.TemporaryFile())
        shutil.copyfileobj(inside, unpacked)
        return unpacked


def _begins(file: IO[bytes], mark: bytes) -> bool:
    file.seek(0)
    found = file.read(len(mark)) == mark
    file.seek(0)
    return found


@contextmanager
def text_of(path: Path, encoding: str) -> Iterator[Source]:
    """The text of a file, unpacked where it is packed. Raises Unreadable where it is none."""
    with archive_in(path) as archive, ExitStack() as stack:
        if archive is not None:
            only = _only(archive)
            member = stack.enter_context(archive.open(only))
            if member.read(len(GZIP)).startswith(GZIP):
                member.seek(0)
                unpacked = stack.enter_context(gzip.GzipFile(fileobj=member))
                yield _decoded(unpacked, encoding, only.compress_size, member.tell)
                return
            member.seek(0)
            yield _decoded(member, encoding, only.file_size, member.tell)
            return
        raw = stack.enter_context(path.open("rb"))
        size = path.stat().st_size
        if _begins(raw, GZIP):
            yield _decoded(stack.enter_context(gzip.GzipFile(fileobj=raw)), encoding, size, raw.tell)
        else:
            yield _decoded(raw, encoding, size, raw.tell)


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


def members_of(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The files in a zip, without what a Mac puts beside them."""
    return [each for each in archive.infolist() if not each.is_dir() and not is_clutter(each.filename)]


def _only(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """The one file in a zip that is a text: a chat may have its pictures beside it. Raises Unreadable."""
    files = members_of(archive)
    if any(each.filename == "[Content_Types].xml" for each in files):
        raise Unreadable("an Office file that is no Excel workbook; it has no rows")
    if any(each.filename == "mimetype" for each in files):
        raise Unreadable("an OpenDocument file; save it as XLSX or CSV (UTF-8)")
    if not files:
        raise Unreadable("a zip without a file in it")
    texts = files if len(files) == 1 else [each for each in files if _is_text(archive, each)]
    if len(texts) != 1:
        raise Unreadable(
            f"a zip of {len(files)} files; one file in it is read, so unpack it and give one of them"
        )
    return texts[0]


def _is_text(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bool:
    with archive.open(member) as file:
        head = file.read(HEAD)
    if CONTACT.match(head) or any(head.startswith(start) for start in NO_TEXT):
        return False
    return b"\0" not in head and _decodes(head)


def _decodes(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def is_clutter(name: str) -> bool:
    """Whether a file is what a Mac or an editor puts beside others."""
    return name.startswith("__MACOSX/") or name.rpartition("/")[2].startswith(".")


def _refuse_what_is_no_text(head: bytes) -> None:
    for start, what in NO_TEXT.items():
        if head.startswith(start):
            raise Unreadable(what)


def refuse_what_has_no_rows(head: str) -> None:
    """Raises Unreadable where a text is of a kind that is known and not read, or none in this encoding."""
    if head.lstrip()[0] not in "[{" and CONTROL.search(head.partition("\n")[0]):
        raise Unreadable(
            "no text: its first line holds control characters; --encoding names another encoding"
        )
    for form, what in TEXTS.items():
        if re.match(form, head.lstrip("\ufeff"), re.IGNORECASE):
            raise Unreadable(what)
