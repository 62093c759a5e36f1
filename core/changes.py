"""Changes: whoever has to know of a state looks right before and right after it changes.

A look four times a second misses what begins and ends in between.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

Changing = Callable[[], AbstractContextManager[None]]
"""Gives the block in which a state changes. The block must not await, or others change theirs meanwhile."""


def _nobody() -> None:
    return


class Changes:
    """Has somebody look before and after each change."""

    def __init__(self) -> None:
        self._before: Callable[[], object] = _nobody
        self._after: Callable[[], object] = _nobody

    def watch(self, before: Callable[[], object], after: Callable[[], object]) -> None:
        """Call `before` ahead of each change from now on, and `after` behind it.

        What the clock has ended is seen before it begins anew.
        """
        self._before, self._after = before, after

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """The block in which a state changes."""
        self._before()
        yield
        self._after()
