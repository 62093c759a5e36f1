"""The disk under an SQLite file: free space and the size of the WAL. PostgreSQL's disk is not monitored."""

import math
import os
import shutil
from dataclasses import dataclass

from sqlalchemy.engine import URL

RESERVE_BYTES = 64 * 2**20
"""Kept free for analysis and deletion: SQLite needs space in its log even to free space."""
RESERVE_SHARE = 0.05
"""The reserve is at most this share of a small disk."""


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk that holds `file`. Without a file it is never short and has no WAL."""

    file: str | None = None
    identity: tuple[int, int] | None = None
    """Device and inode of the file when it was opened; None if it was not there."""

    @property
    def is_gone(self) -> bool:
        """Whether the file is no longer at its path. What is written to it then is lost with the process."""
        return self.identity is not None and _identity(self.file) != self.identity

    @property
    def wal_bytes(self) -> int:
        """The size of the write-ahead log in bytes."""
        try:
            return 0 if self.file is None else os.stat(f"{self.file}-wal").st_size
        except FileNotFoundError:
            return 0

    def is_short(self, reusable: int = 0) -> bool:
        """Whether only the reserve is left. Checked before each commit; it takes 10 us."""
        return self.room(reusable) < 0

    def room(self, reusable: int = 0) -> float:
        """Bytes above the reserve, counting `reusable` bytes inside the file as free; infinite where nobody knows.

        The log will still be moved into the file, which may then grow by as much.
        """
        if self.file is None:
            return math.inf
        try:
            total, _, free = shutil.disk_usage(os.path.dirname(self.file) or ".")
        except FileNotFoundError:  # `is_gone` tells
            return math.inf
        return free + reusable - min(RESERVE_BYTES, RESERVE_SHARE * total) - self.wal_bytes


def under(url: URL) -> Disk:
    """The disk under the database at `url`."""
    file = url.database if url.drivername.startswith("sqlite") else None
    return Disk(file, _identity(file))


def _identity(file: str | None) -> tuple[int, int] | None:
    try:
        found = None if file is None else os.stat(file)
    except OSError:
        return None
    return found and (found.st_dev, found.st_ino)
