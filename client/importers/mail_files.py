"""Mails that are files of their own, one EML each, in a zip or a folder."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import PurePosixPath

from client.importers.fields import Reader
from client.importers.files import is_clutter
from client.importers.folders import Folder
from client.importers.mail import LARGEST, Mail, Part, Threading
from client.importers.said import Entry, Said

OTHER = "other file"


def mails_of(names: Sequence[str]) -> list[str]:
    """The files that are mails, by their names."""
    own = (name for name in names if not is_clutter(name))
    return sorted(name for name in own if PurePosixPath(name).suffix.lower() == ".eml")


class MailFiles(Mail):
    """The mails of a folder or zip, file after file. What is rejected names its file; the line is its number."""

    title = "mails, one a file"

    def __init__(self, name: str, folder: Folder, reader: Reader) -> None:
        self.name = name
        self.warnings: list[tuple[int, str]] = []
        self._reader = reader
        self._threads = Threading()
        self._folder = folder
        self._names = mails_of(names := folder.names())
        self._others = sum(1 for each in names if not is_clutter(each)) - len(self._names)
        self.size = sum(map(folder.size, self._names))
        self._read = 0

    @property
    def position(self) -> int:
        """Bytes read so far."""
        return self._read

    def _entries(self) -> Iterator[Entry]:
        self._reader.left_out.update({OTHER: self._others} if self._others else {})
        parser = BytesParser(EmailMessage, policy=policy.default)
        for number, name in enumerate(self._names, 1):
            for entry in self._of_part(self._part(number, name), parser):
                yield entry if isinstance(entry, Said) else replace(entry, reason=f"{name}: {entry.reason}")

    def _part(self, number: int, name: str) -> Part:
        size = self._folder.size(name)
        self._read += size
        if size > LARGEST:
            return Part(number, b"", is_whole=False)
        return Part(number, self._folder.read(name).removeprefix(b"\xef\xbb\xbf"), is_whole=True)
