"""Which CPUs threads may run on. What a system does not offer is left as it is."""

import os
import sys
from collections.abc import Iterable
from contextlib import suppress


def allowed() -> frozenset[int]:
    """Those that the calling thread may run on; empty where the system does not say."""
    return frozenset(os.sched_getaffinity(0)) if sys.platform == "linux" else frozenset()


def spread(numbers: Iterable[int], thread: int = 0) -> None:
    """Let a thread or process (the calling thread), and what it starts from now on, run on these."""
    wanted = frozenset(numbers)
    if wanted and sys.platform == "linux":
        # A sandbox may forbid it, or the process be gone; the scheduler decides then, as ever.
        with suppress(OSError):
            os.sched_setaffinity(thread, wanted)
