"""Requests of this process that wait for a conversation to end."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable
from contextlib import asynccontextmanager


class Waiters:
    """Wakes the waiters of a conversation once it is completed, skipped or failed."""

    def __init__(self) -> None:
        self._listening: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self.released = False
        """Whether the process is stopping, so that nobody should wait any longer."""

    def ids(self) -> Collection[str]:
        """The conversations that somebody waits for."""
        return self._listening.keys()

    def notify(self, ids: Iterable[str]) -> None:
        """Wake the waiters of these conversations, which have ended."""
        for id_ in ids:
            for event in self._listening.get(id_, ()):
                event.set()

    def release(self) -> None:
        """Wake all waiters, and let none wait from now on: the process is stopping."""
        self.released = True
        self.notify([*self._listening])

    @asynccontextmanager
    async def listening(self, id_: str) -> AsyncIterator[Callable[[float], Coroutine[None, None, None]]]:
        """Gives a function that waits until the conversation ends, at most that many seconds.

        It also notices an end between entering the block and calling the function.
        """
        event = asyncio.Event()
        self._listening[id_].add(event)
        try:
            yield lambda seconds: wait_at_most(event, seconds)
        finally:
            self._listening[id_].discard(event)
            if not self._listening[id_]:
                del self._listening[id_]


async def wait_at_most(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, at most that many seconds."""
    try:
        async with asyncio.timeout(max(seconds, 0)):
            await event.wait()
    except TimeoutError:
        return
