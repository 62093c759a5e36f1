"""A disk that is small enough to be filled."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BLOCK = bytes(4096)


class SmallDisk:
    """A file system of its own in `folder`, of which a file takes as much room as a test wants."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._taken = folder / "taken"

    @property
    def free(self) -> int:
        """Bytes that are left."""
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize

    def take(self, leave: int = 0) -> None:
        """Take the room up, but for so many bytes."""
        with self._taken.open("ab", buffering=0) as file:
            while self.free > leave:
                try:
                    file.write(BLOCK)
                except OSError:
                    return

    def give_back(self) -> None:
        """Free what was taken."""
        self._taken.unlink()


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[SmallDisk]:
    """A tmpfs of that size; skips the test where it may not be mounted."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no small disk: {done.stderr.strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        unmount = ["umount", "--lazy", str(folder)]
        subprocess.run(unmount, check=True)
