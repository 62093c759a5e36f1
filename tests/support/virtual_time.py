"""An event loop that never waits: when every task does, its clock goes on to the next timer."""

import asyncio
from collections.abc import Callable, Coroutine
from selectors import SelectSelector
from typing import Any, TypeVar

Result = TypeVar("Result")

MOMENT = 1e-8
"""Seconds. Time passes only when nothing is left to do, so the shortest sleep lets everything happen first."""


class _Skipping(SelectSelector):
    """Its clock in seconds. A timeout passes at once; only what has none, such as a thread's end, is waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000.0

    def select(self, timeout: float | None = None) -> Any:
        self.now += timeout or 0
        return super().select(None if timeout is None else 0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Sleeps and timeouts of tasks on it end in their order, without taking any time."""

    def __init__(self) -> None:
        self._skipping = _Skipping()
        super().__init__(self._skipping)

    def time(self) -> float:
        return self._skipping.now


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """What the coroutine returns, from a virtual loop of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


class LoopTime:
    """The loop's seconds when called. `late` gives how many seconds after its due time a sleep ends."""

    def __init__(self, late: Callable[[], float] = lambda: 0.0) -> None:
        self._late = late

    def __call__(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds + self._late())

    async def run(self, seconds: float) -> None:
        """Let so much time pass, and everything that is due in it happen at its moment."""
        await asyncio.sleep(seconds + MOMENT)
