"""Freed memory goes back to the system, though a later block is still in use."""

import subprocess
import sys

import pytest

BLOCKS, SIZE = 500, 80_000
ALL_BUT_THE_LAST_FREED = f"""
import psutil
from core.allocator import return_memory
if {{0}}:
    assert return_memory()
before = psutil.Process().memory_info().rss
blocks = [bytes([1]) * {SIZE} for _ in range({BLOCKS})]
del blocks[:-1]
print(psutil.Process().memory_info().rss - before)
"""


def growth(*, asked: bool) -> int:
    """Bytes by which a process has grown after it has freed nearly all that it took."""
    done = subprocess.run(
        [sys.executable, "-c", ALL_BUT_THE_LAST_FREED.format(asked)],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="the options are those of glibc")
def test_blocks_that_are_freed_go_back_to_the_system() -> None:
    assert growth(asked=True) < BLOCKS * SIZE / 10 < growth(asked=False)
