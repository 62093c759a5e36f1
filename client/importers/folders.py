"""Exports that are folders of files, or zips of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol
from zipfile import ZipFile


class Folder(Protocol):
    """The files of an export: names with `/` below its top, and what is in each."""

    def names(self) -> Sequence[str]:
        """All of them."""

    def read(self, name: str) -> bytes:
        """One of them, whole: a day of a channel, or a mail."""

    def size(self, name: str) -> int:
        """Bytes of one of them."""


class Archive:
    """The files of a zip."""

    def __init__(self, archive: ZipFile) -> None:
        self._archive = archive

    def names(self) -> Sequence[str]:
        """All of them."""
        return [each.filename for each in self._archive.infolist() if not each.is_dir()]

    def read(self, name: str) -> bytes:
        """One of them."""
        return self._archive.read(name)

    def size(self, name: str) -> int:
        """Bytes of one of them."""
        return self._archive.getinfo(name).file_size


class Directory:
    """The files of a folder and of the folders in it."""

    def __init__(self, path: Path, pattern: str = "*.json") -> None:
        self._path = path
        self._pattern = pattern

    def names(self) -> Sequence[str]:
        """All of them that the pattern names, two levels deep, where an export has its days."""
        found = [*self._path.glob(self._pattern), *self._path.glob(f"*/{self._pattern}")]
        return [each.relative_to(self._path).as_posix() for each in found]

    def read(self, name: str) -> bytes:
        """One of them."""
        return (self._path / name).read_bytes()

    def size(self, name: str) -> int:
        """Bytes of one of them."""
        return (self._path / name).stat().st_size
