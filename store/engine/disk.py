"""The disk under an SQLite file. A PostgreSQL server looks after its own."""

import os
import shutil
from dataclasses import dataclass

from sqlalchemy.engine import URL

RESERVE_BYTES = 64 * 2**20
"""Kept free for analysis and deletion: SQLite needs room in its log even to make room..."""
RESERVE_SHARE = 0.05
"""...but on a small disk no more than this share of it."""


@dataclass(frozen=True, slots=True)
class Disk:
    """What is told about the disk that `file` is on; without a file there is nothing to tell."""

    file: str | None = None

    @property
    def wal_bytes(self) -> int:
        """Bytes of the write-ahead log beside the file."""
        try:
            return 0 if self.file is None else os.stat(f"{self.file}-wal").st_size
        except FileNotFoundError:
            return 0

    def is_short(self, reusable: int = 0) -> bool:
        """Whether no more is left than what is kept in reserve, `reusable` bytes inside the file included.

        The log is still to be moved into the file, which may have to grow by as much. Asked before each commit:
        it takes 10 us.
        """
        if self.file is None:
            return False
        total, _, free = shutil.disk_usage(os.path.dirname(self.file) or ".")
        return free + reusable < min(RESERVE_BYTES, RESERVE_SHARE * total) + self.wal_bytes


def under(url: URL) -> Disk:
    """The disk under the database at `url`."""
    return Disk(url.database if url.drivername.startswith("sqlite") else None)
