"""scipy's distributions, imported where they are used: 0.7 s of CPU, which every process that looks for tests paid."""

from functools import cache
from typing import Any


@cache
def stats() -> Any:
    """The module `scipy.stats`."""
    from scipy import stats

    return stats
