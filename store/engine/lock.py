"""The lock file beside an SQLite file: only one process serves it. The lock ends with the process, however it ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any, TextIO

from core.errors import AlreadyInUse

OWNER_ONLY = 0o600


class FileLock:
    """Locks `FILE.lock` inside the block and removes it afterwards. Entering raises AlreadyInUse or OSError."""

    def __init__(self, database: Path) -> None:
        # Resolved: through a link the same file would be locked under another name.
        self._database = database.resolve()
        self._path = self._database.with_name(self._database.name + ".lock")

    def __enter__(self) -> None:
        self._file = self._locked()
        while not self._is_current():
            self._file.close()
            self._file = self._locked()

    def _locked(self) -> TextIO:
        file = open(self._path, "w", opener=_for_the_owner)  # noqa: SIM115  held until the block ends
        try:
            _lock(file, self._database)
        except AlreadyInUse:
            file.close()
            raise
        return file

    def _is_current(self) -> bool:
        """Whether the locked file is still the one at the path: its previous holder may have removed it."""
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), os.stat(self._path))
        except FileNotFoundError:
            return False

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        # Removed before it is released, so that no other process's lock file is removed.
        self._path.unlink(missing_ok=True)
        self._file.close()


@contextmanager
def sole_holder(database: Path) -> Iterator[None]:
    """Lock the file itself inside the block, which a hard link to it cannot get around. Raises AlreadyInUse, OSError.

    To be left only after SQLite has closed the file: closing it ends the locks that SQLite holds in this process.
    """
    with database.open("rb") as file:
        _lock(file, database)
        yield


def create_private(file: Path) -> None:
    """Make a file readable only by its owner; create it if it is missing. Raises OSError."""
    os.close(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, OWNER_ONLY))
    if file.stat().st_uid == os.geteuid():
        file.chmod(OWNER_ONLY)


@contextmanager
def unfinished(file: Path) -> Iterator[Path]:
    """A temporary file beside `file`, readable only by its owner; it is always deleted afterwards. Raises OSError."""
    part = file.with_name(file.name + ".part")
    create_private(part)
    try:
        yield part
    finally:
        for suffix in ("", "-journal", "-wal", "-shm"):
            part.with_name(part.name + suffix).unlink(missing_ok=True)


def _lock(file: IO[Any], database: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise AlreadyInUse(f"another process serves {database}") from None


def _for_the_owner(path: str, flags: int) -> int:
    return os.open(path, flags, OWNER_ONLY)
