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
from client.importers.folders import Archive, Directory, Folder
from client.importers.helpdesk import HelpdeskMessages
from client.importers.mail import Mail
from client.importers.mail_files import MailFiles, mails_of
from client.importers.objects import Items, Lines
from client.importers.rows import head_of, readable, rows_of
from client.importers.said import Messages
from client.importers.sheets import Sheet
from client.importers.slack import Slack, SlackDay, days_of
from client.importers.subtitles import Srt, WebVtt
from client.importers.tables import Separated, Table
from client.importers.telegram import Telegram
from client.importers.whatsapp import WhatsApp

LOOK = 100
WHOLE: Mapping[type, tuple[str, str]] = {
    Sheet: ("xlsx", "an Excel workbook"),
    Slack: ("slack", "a Slack export"),
    MailFiles: ("eml", "mails, one a file"),
}
"""What is read of several files together, and its name for `--format`."""
NO_WORKBOOK = "no Excel workbook"
MAILS = "*.[eE][mM][lL]"
"""Of files in a folder."""
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
OF_OBJECTS = ("openai", *formats.DESKS.values())
FORMATS = (*ROWS, "xlsx", *OF_OBJECTS, *TEXTS)
"""What `--format` may say."""


@contextmanager
def opened_as(
    path: Path, encoding: str, reader: Reader, form: str | None = None
) -> Iterator[Rows | Messages]:
    """The rows or the messages of a file, of the format that was named or that it looks like. Raises Unreadable."""
    with ExitStack() as stack:
        with readable(path):
            found = (
                _as_named(_folder(path, reader), form)
                if path.is_dir()
                else _file(path, encoding, reader, form, stack)
            )
        yield found


def _folder(path: Path, reader: Reader) -> Messages:
    name = path.resolve().name
    found = _slack(name, Directory(path), reader) or _mails(name, Directory(path, MAILS), reader, least=1)
    if found is None:
        raise Unreadable(f"{path} is a folder, and neither a Slack export nor one of EML files: name a file")
    return found


def _slack(name: str, folder: Folder, reader: Reader) -> Messages | None:
    return Slack(name, folder, reader) if days_of(folder.names()) else None


def _mails(name: str, folder: Folder, reader: Reader, *, least: int) -> Messages | None:
    return MailFiles(name, folder, reader) if len(mails_of(folder.names())) >= least else None


def _file(path: Path, encoding: str, reader: Reader, form: str | None, stack: ExitStack) -> Rows | Messages:
    archive = stack.enter_context(archive_in(path))
    if archive is not None and (whole := _archive(path, archive, reader)):
        return _as_named(whole, form)
    source = stack.enter_context(text_of(path, encoding))
    head = head_of(path, source)
    name = form or next((name for name, is_one in LOOKS_LIKE.items() if is_one(head)), "")
    if name in TEXTS:
        return TEXTS[name](path.stem, source, reader)
    rows = ROWS[name](path.stem, source) if name in ROWS else rows_of(path, source, head)
    return _as_named(_of_objects(path, rows, reader, form), form)


def _of_objects(path: Path, rows: Rows, reader: Reader, form: str | None) -> Rows | Messages:
    desk = _desk_of(rows, form)
    if desk is None or isinstance(rows, Table):
        return rows
    if desk == "slack":
        return SlackDay(rows, path.resolve().parent.name, reader)
    return HelpdeskMessages(rows, reader, desk)


def _as_named(found: Rows | Messages, form: str | None) -> Rows | Messages:
    """What was found. Raises Unreadable where it cannot be in the format that was named."""
    own, what = next((named for kind, named in WHOLE.items() if isinstance(found, kind)), (None, NO_WORKBOOK))
    if form not in (None, own) and (own or form == "xlsx"):
        raise Unreadable(f"--format {form}: this is {what}")
    if isinstance(found, Table) and form in OF_OBJECTS:
        raise Unreadable(f"--format {form} reads JSON, and this is a table")
    return found


def _archive(path: Path, archive: ZipFile, reader: Reader) -> Rows | Messages | None:
    """What a zip of several files is, where it is something as a whole."""
    names = archive.namelist()
    if "[Content_Types].xml" in names and any(name.startswith("xl/") for name in names):
        return Sheet(path.stem, archive)
    # One mail in a zip is read as the one text in it.
    files = Archive(archive)
    return _slack(path.stem, files, reader) or _mails(path.stem, files, reader, least=2)


def _desk_of(rows: Rows, form: str | None) -> str | None:
    """The format of objects that are known by their fields; None where they are none, or another was named."""
    if form is not None or isinstance(rows, Table):
        return form if form in formats.DESKS.values() else None
    found = (row.fields for row in rows.peek(LOOK) if isinstance(row, Row))
    names = (formats.recognised(fields) or "" for fields in found if not is_exported(fields))
    return next((formats.DESKS[name] for name in names if name in formats.DESKS), None)
