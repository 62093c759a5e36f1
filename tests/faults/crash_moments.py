"""When to kill: the same moments for the same seed."""

from collections.abc import Iterator
from random import Random
from typing import Literal, NamedTuple


class Moment(NamedTuple):
    """When to kill: at a part of what a start takes, or so many seconds after it is up or Grok was called."""

    of: Literal["start", "up", "call"]
    after: float


def dice(seed: int, what: str) -> Random:
    """Of each thing its own, so that one does not change the other's."""
    return Random(f"{seed} {what}")  # noqa: S311  nothing is kept secret with it


def moments(seed: int, kills: int) -> Iterator[Moment]:
    """One of eight while it starts, one of eight when it has just started, the rest at work."""
    random = dice(seed, "kills")
    for _ in range(kills):
        match random.randrange(8):
            case 0:
                # Most of them late: after the imports come migration, recovery and the first claim.
                yield Moment("start", random.triangular(0, 1.1, 1))
            case 1:
                yield Moment("up", random.uniform(0, 0.1))
            case _:
                yield Moment("call", random.uniform(0, 1))
