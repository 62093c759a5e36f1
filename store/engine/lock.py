"""The lock file beside an SQLite file: only one process serves it. The lock ends with the process, however it ends."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import TextIO

from core.errors import AlreadyInUse

OWNER_ONLY = 0o600


class FileLock:
    """Locks `FILE.lock` inside the block and removes it afterwards. Entering raises AlreadyInUse or OSError."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._path = database.with_name(database.name + ".lock")

    def __enter__(self) -> None:
        self._file = self._locked()
        while not self._is_current():
            self._file.close()
            self._file = self._locked()

    def _locked(self) -> TextIO:
        file = open(self._path, "w", opener=_for_the_owner)  # noqa: SIM115  held until the block ends
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise AlreadyInUse(f"another process serves {self._database}") from None
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


def create_private(file: Path) -> None:
    """Make a file readable only by its owner; create it if it is missing. Raises OSError."""
    os.close(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, OWNER_ONLY))
    if file.stat().st_uid == os.geteuid():
        file.chmod(OWNER_ONLY)


def _for_the_owner(path: str, flags: int) -> int:
    return os.open(path, flags, OWNER_ONLY)
