"""CPU affinity of threads. On systems without it, these functions do nothing."""

import os
import sys
from collections.abc import Iterable
from contextlib import suppress


def allowed() -> frozenset[int]:
    """The CPUs that the calling thread may run on; empty if the system does not say."""
    return frozenset(os.sched_getaffinity(0)) if sys.platform == "linux" else frozenset()


def spread(numbers: Iterable[int], thread: int = 0) -> None:
    """Restrict a thread or process (0: the calling thread), and all that it starts from now on, to these CPUs."""
    wanted = frozenset(numbers)
    if wanted and sys.platform == "linux":
        # A sandbox may forbid it, or the process may have ended; then the scheduler decides as before.
        with suppress(OSError):
            os.sched_setaffinity(thread, wanted)
