"""What is done beside the deliveries: old ones are deleted by one process at a time, and each counts what waits."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from core.clock import SECOND, Clock
from core.metrics import Metrics
from database import Database
from store.webhooks import registry
from store.webhooks.registry import Figures

KEPT = 3 * 86_400 * SECOND
"""How long a delivery is listed after it has ended, and can be sent again."""
STEP = 200
"""Deliveries of a transaction."""
SWEEP_SECONDS, PAUSE_SECONDS = 60.0, 0.1
COUNT_SECONDS = 5.0


NOTHING = Figures(0, None, 0, 0)


@dataclass
class DeliverySweep:
    """Deletes deliveries that ended long ago, and those of webhooks that are gone."""

    database: Database
    clock: Clock
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def run(self) -> None:
        """Sweep once a minute until cancelled."""
        while True:
            before = self.clock() - KEPT
            swept = await self.database.write(partial(registry.sweep, before=before, limit=STEP))
            await self.sleep(PAUSE_SECONDS if swept else SWEEP_SECONDS)


@dataclass
class DeliveryFigures:
    """What waits for webhooks, for `/health` and the metrics: counted now and then, and never in a request."""

    database: Database
    metrics: Metrics
    clock: Clock
    found: Figures = NOTHING

    @property
    def oldest_seconds(self) -> float:
        """How long the oldest event has been waiting."""
        return 0.0 if self.found.oldest_at is None else max(0, self.clock() - self.found.oldest_at) / SECOND

    async def run(self) -> None:
        """Count until cancelled."""
        while True:
            with suppress(SQLAlchemyError, OSError):  # the capacity monitor says so
                self.found = await self.database.read(registry.figures)
            self.metrics.show_webhooks(self.found.pending, self.oldest_seconds, self.found.disabled)
            await asyncio.sleep(COUNT_SECONDS)
