"""Mail: an mbox of many, or one EML. Mails that answer each other are one chat.

The standard library parses a mail, but its mailbox splits at any line that begins with `From ` and drops that line's
words. So the file is split here: only where such a line has an address and a date, and headers follow.
"""

import hashlib
import re
import sqlite3
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from email import policy
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import parseaddr, parsedate_to_datetime
from typing import NamedTuple

from client.importers.base import Rejected
from client.importers.fields import Reader
from client.importers.files import Source
from client.importers.said import Entry, Messages, Said, Spoiled
from domain.helpdesk.markup import plain_text

SEPARATOR = re.compile(
    rb"From (?:\S+ |- ?)?.*(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? .*\d{4}|\d{1,2}:\d\d(?::\d\d)?.*\d{4})"
)
HEADER = re.compile(rb"[!-9;-~]+:|>From |From ")
QUOTED = re.compile(rb">+From ")
MBOX_HEAD = re.compile(r"\ufeff?From [^\n]*\d[^\n]*\n(?:>?From [^\n]*\n)?[!-9;-~]+:")
LINE_OF_HEADERS = re.compile(r"[!-9;-~]+:|[ \t]")
KNOWN_HEADER = re.compile(
    r"(?:from|to|date|subject|message-id|received|mime-version|return-path|delivered-to):", re.I
)
LARGEST = 50 << 20
"""Bytes of a mail with its attachments; one that is larger is rejected without being kept in memory."""
MESSAGE_ID = re.compile(r"<([^<>\s]+)>")
MASKED, ANGLES = re.compile(r"^(\S+) at (\S+\.\S+)$"), re.compile("<([^<>]*)>")
MOST_WARNINGS = 1_000


def is_mbox(head: str) -> bool:
    """Whether a text begins as an mbox does: the line of a postman, and headers below."""
    return bool(MBOX_HEAD.match(head.replace("\r\n", "\n")))


def is_mail(head: str) -> bool:
    """Whether a text begins with the headers of a mail, of which at least two are known."""
    lines = head.lstrip("\ufeff").replace("\r\n", "\n").partition("\n\n")[0].split("\n")
    return (
        all(map(LINE_OF_HEADERS.match, lines)) and sum(bool(KNOWN_HEADER.match(line)) for line in lines) > 1
    )


class Part(NamedTuple):
    """The lines of one mail, and where it begins."""

    line: int
    content: bytes
    is_whole: bool


class Mail(Messages):
    """The mails of a file. Which mails answer each other is known when all have been read."""

    title = "mail"
    may_be_one_sided = True
    ids_last = True

    def __init__(self, name: str, source: Source, reader: Reader, *, several: bool) -> None:
        super().__init__(name, source)
        self._reader = reader
        self._several = several
        self._threads = Threading()

    def root_of(self, chat: str) -> str:
        """The Message-ID of the mail that began the thread."""
        return self._threads.root_of(chat)

    def _entries(self) -> Iterator[Entry]:
        self._source.text.seek(0)
        raw = self._source.text.buffer
        parts = self._split(raw) if self._several else self._whole(raw)
        parser = BytesParser(EmailMessage, policy=policy.default)
        for part in parts:
            yield from self._of_part(part, parser)

    def _of_part(self, part: Part, parser: "BytesParser[EmailMessage]") -> Iterator[Entry]:
        if not part.is_whole:
            yield Rejected(part.line, f"a mail of more than {LARGEST >> 20} MB")
            return
        try:
            mail = parser.parsebytes(part.content)
            id_, root = self._threads.add(mail, part.content)
        except (ValueError, MessageError, LookupError, IndexError) as error:
            yield Rejected(part.line, f"a mail that cannot be read: {error}")
            return
        try:
            yield from self._said(part.line, mail, id_, root)
        except (ValueError, LookupError, MessageError, IndexError) as error:
            yield Spoiled(part.line, root, str(error))

    def _said(self, line: int, mail: EmailMessage, id_: str, root: str) -> Iterator[Said]:
        if mail.get_content_type() == "multipart/report":
            self._reader.left_out["system notice"] += 1
            return
        text, files = _text(mail), _files(mail)
        if not text.strip():
            self._reader.left_out["media" if files else "empty mail"] += 1
            return
        self._reader.left_out.update({"attachment": files} if files else {})
        address = _address(mail)
        role = self._reader.agents.role_of(address)
        yield Said(line, root, id_, address, role, text, _said_at(mail))

    def _whole(self, raw: Iterable[bytes]) -> Iterator[Part]:
        content = b"".join(raw).removeprefix(b"\xef\xbb\xbf")
        yield Part(1, content, len(content) <= LARGEST)

    def _split(self, raw: Iterable[bytes]) -> Iterator[Part]:
        """The mails between the lines that begin with `From `."""
        part, start, size, separator = list[bytes](), 1, 0, b""
        last = b"\n"
        for number, line in enumerate(raw, 1):
            if separator:  # was this line the start of a mail? Its headers say so.
                if HEADER.match(line):
                    if part:
                        yield _part(start, part, size)
                    part, start, size = [], number, 0
                else:
                    self._warn(number - 1)
                    part.append(separator)
                separator = b""
            if last.strip(b"\r\n") == b"" and SEPARATOR.match(line):
                separator = line
            else:
                size += len(line)
                if size <= LARGEST:
                    part.append(line[1:] if QUOTED.match(line) else line)
            last = line
        if part or separator:
            yield _part(start, [*part, separator], size)

    def _warn(self, line: int) -> None:
        if len(self.warnings) < MOST_WARNINGS:
            self.warnings.append(
                (line, "begins with From as a mail does, but no headers follow: kept as part of the text")
            )


def _part(start: int, lines: list[bytes], size: int) -> Part:
    return Part(start, b"".join(lines), size <= LARGEST)


class Threading:
    """Which mail answers which, on disk: an mbox may hold millions."""

    def __init__(self) -> None:
        self._file = sqlite3.connect("", isolation_level=None)
        self._file.executescript("""
            PRAGMA journal_mode = OFF;
            CREATE TABLE mails (id TEXT PRIMARY KEY, root TEXT) WITHOUT ROWID;
            BEGIN;
        """)

    def add(self, mail: EmailMessage, content: bytes) -> tuple[str, str]:
        """The id of a mail, and that of the first mail of its thread as far as the mail itself says."""
        id_ = _first_id(mail, "Message-ID") or hashlib.sha256(content).hexdigest()
        root = _first_id(mail, "References") or _first_id(mail, "In-Reply-To") or id_
        self._file.execute("INSERT OR IGNORE INTO mails VALUES (?, ?)", (id_, root))
        return id_, root

    def root_of(self, id_: str) -> str:
        """The first mail of the thread: a mail may name the one before it only."""
        path = [id_]
        while row := self._file.execute("SELECT root FROM mails WHERE id = ?", (path[-1],)).fetchone():
            if row[0] in path:  # itself, or mails that answer each other in a circle
                return str(min(path[path.index(row[0]) :]))
            path.append(row[0])
        return path[-1]


def _address(mail: EmailMessage) -> str:
    """Whose mail it is: the address, or what archives of mailing lists have in its place. Raises ValueError.

    Those write `ada at lamps.example (Ada)`, or leave letters out until no address is left.
    """
    written = next((str(value) for name, value in mail.raw_items() if name.lower() == "from"), "")
    found = parseaddr(str(mail.get("From", "")))[1]
    if "@" not in found or found not in written:  # else the parser has put one together that is nobody's
        inside = ANGLES.search(written)
        masked = str(make_header(decode_header(inside[1] if inside else written.partition("(")[0])))
        found = MASKED.sub(r"\1@\2", " ".join(masked.split()))
    if not found:
        raise ValueError("there is no address in From")
    return found.lower()


def _first_id(mail: EmailMessage, name: str) -> str | None:
    match = MESSAGE_ID.search(str(mail.get(name, "")))
    return match and match[1]


def _text(mail: EmailMessage) -> str:
    """The body as plain text, else what the HTML says. Raises LookupError where nobody knows its encoding."""
    body = mail.get_body(preferencelist=("plain", "html"))
    if body is None:
        return ""
    content = str(body.get_content()).replace("\r\n", "\n")
    return (plain_text(content) if body.get_content_type() == "text/html" else content).strip("\n")


def _files(mail: EmailMessage) -> int:
    """How many files are attached. A mail may be nothing but a file."""
    if not mail.is_multipart():
        return int(mail.get_content_maintype() != "text")
    return sum(1 for _ in mail.iter_attachments())


def _said_at(mail: EmailMessage) -> str | None:
    written = mail.get("Date")
    if written is None:
        return None
    try:
        moment = parsedate_to_datetime(str(written))
    except (ValueError, IndexError):
        raise ValueError("Date is not a date") from None
    in_utc = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    if not datetime(1970, 1, 1, tzinfo=UTC) <= in_utc < datetime(2101, 1, 1, tzinfo=UTC):
        raise ValueError("Date is outside the years 1970 to 2100")
    return in_utc.isoformat()
