"""Which format a file is in, by what is in it, and what reads that."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from zipfile import ZipFile

from client.importers import formats, mail, subtitles, telegram, whatsapp
from client.importers.base import Row, Rows
from client.importers.conversations import is_exported
from client.importers.fields import Reader
from client.importers.files import Source, Unreadable, archive_in, text_of
from client.importers.helpdesk import HelpdeskMessages
from client.importers.mail import Mail
from client.importers.objects import Items, Lines
from client.importers.rows import head_of, readable, rows_of
from client.importers.said import Messages
from client.importers.sheets import Sheet
from client.importers.slack import Archive, Directory, Folder, Slack, SlackDay, days_of
from client.importers.subtitles import Srt, WebVtt
from client.importers.tables import Separated, Table
from client.importers.telegram import Telegram
from client.importers.whatsapp import WhatsApp

LOOK = 100
TEXTS: Mapping[str, Callable[[str, Source, Reader], Messages]] = {
    "webvtt": WebVtt,
    "srt": Srt,
    "whatsapp": WhatsApp,
    "telegram": Telegram,
    "mbox": partial(Mail, several=True),
    "eml": partial(Mail, several=False),
}
LOOKS_LIKE: Mapping[str, Callable[[str], object]] = {
    "webvtt": subtitles.WEBVTT_HEAD.match,
    "srt": subtitles.SRT_HEAD.match,
    "whatsapp": whatsapp.is_one,
    "telegram": telegram.is_one,
    "mbox": mail.is_mbox,
    "eml": mail.is_mail,
}
ROWS: Mapping[str, type[Rows]] = {"csv": Separated, "ndjson": Lines, "json": Items}
FORMATS = (*ROWS, "xlsx", "openai", *formats.DESKS.values(), *TEXTS)
"""What `--format` may say."""


@contextmanager
def opened_as(
    path: Path, encoding: str, reader: Reader, form: str | None = None
) -> Iterator[Rows | Messages]:
    """The rows or the messages of a file, of the format that was named or that it looks like. Raises Unreadable."""
    with ExitStack() as stack:
        with readable(path):
            found = _folder(path, reader) if path.is_dir() else _file(path, encoding, reader, form, stack)
        yield found


def _folder(path: Path, reader: Reader) -> Messages:
    found = _slack(path.resolve().name, Directory(path), reader)
    if found is None:
        raise Unreadable(f"{path} is a folder, and no Slack export: name a file")
    return found


def _slack(name: str, folder: Folder, reader: Reader) -> Messages | None:
    return Slack(name, folder, reader) if days_of(folder.names()) else None


def _file(path: Path, encoding: str, reader: Reader, form: str | None, stack: ExitStack) -> Rows | Messages:
    archive = stack.enter_context(archive_in(path))
    if archive is not None and (whole := _archive(path, archive, reader)):
        return whole
    source = stack.enter_context(text_of(path, encoding))
    head = head_of(path, source)
    name = form or next((name for name, is_one in LOOKS_LIKE.items() if is_one(head)), "")
    if name in TEXTS:
        return TEXTS[name](path.stem, source, reader)
    rows = ROWS[name](path.stem, source) if name in ROWS else rows_of(path, source, head)
    desk = _desk_of(rows, form)
    if desk is None:
        return rows
    if isinstance(rows, Table):
        raise Unreadable(f"--format {desk} reads JSON, and this is a table")
    if desk == "slack":
        return SlackDay(rows, path.resolve().parent.name, reader)
    return HelpdeskMessages(rows, reader, desk)


def _archive(path: Path, archive: ZipFile, reader: Reader) -> Rows | Messages | None:
    """What a zip of several files is, where it is something as a whole."""
    names = archive.namelist()
    if "[Content_Types].xml" in names and any(name.startswith("xl/") for name in names):
        return Sheet(path.stem, archive)
    return _slack(path.stem, Archive(archive), reader)


def _desk_of(rows: Rows, form: str | None) -> str | None:
    """The format of objects that are known by their fields; None where they are none, or another was named."""
    if form is not None or isinstance(rows, Table):
        return form if form in formats.DESKS.values() else None
    found = (row.fields for row in rows.peek(LOOK) if isinstance(row, Row))
    names = (formats.recognised(fields) or "" for fields in found if not is_exported(fields))
    return next((formats.DESKS[name] for name in names if name in formats.DESKS), None)
