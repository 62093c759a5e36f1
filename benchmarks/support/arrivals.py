"""What the times of calls say of the cap."""

from bisect import bisect_left
from collections.abc import Sequence


def busiest_second(times: Sequence[float], seconds: float = 1.0) -> int:
    """The most calls that arrived in any one second, its end excluded; `seconds` is another length of it."""
    ordered = sorted(times)
    return max((bisect_left(ordered, at + seconds) - n for n, at in enumerate(ordered)), default=0)


def share_of(times: Sequence[float], rate: float) -> float:
    """How much of the rate was used from the first to the last call."""
    return (len(times) - 1) / (max(times) - min(times)) / rate
