"""Looks for topics once a day, where TOPIC_DISCOVERY=on: asks for a job over the last week."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from core.clock import Clock
from database import Database
from store.discovery import asking

LOOK_SECONDS = 60.0
"""How often it is looked whether a day has passed."""


@dataclass
class DailyDiscovery:
    """Runs until it is cancelled. `wake` is called when a job was queued."""

    database: Database
    clock: Clock
    wake: Callable[[], None]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def run(self) -> None:
        """Ask, day after day. A restart neither repeats nor forgets a run, because the stored runs say when it was."""
        while True:
            if await self.database.write(partial(asking.ask_daily, now=self.clock())):
                self.wake()
            await self.sleep(LOOK_SECONDS)
