"""What there is in the lane of batches at the provider, counted now and then, and never in a request."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from core.metrics import Metrics
from database import Database
from store.queue.batches import LaneFigures, lane_figures

COUNT_SECONDS = 5.0
NOTHING_THERE = LaneFigures()


@dataclass
class LaneMonitor:
    """For `/health`, the estimate and the metrics. `reason` gives why no batch is begun now; None if they are."""

    database: Database
    metrics: Metrics
    reason: Callable[[], str | None]
    found: LaneFigures = NOTHING_THERE

    @property
    def batched(self) -> int:
        """How many conversations of the queue go by batches."""
        found = self.found
        waiting = found.waiting if self.reason() is None else 0
        return waiting + found.pending

    async def run(self) -> None:
        """Count until cancelled."""
        while True:
            with suppress(SQLAlchemyError, OSError):  # the capacity monitor says so
                self.found = await self.database.read(lane_figures)
            found = self.found
            pending = found.requests - found.answered
            is_open = self.reason() is None
            self.metrics.show_lane(found.waiting, found.batches, pending, is_open=is_open)
            await asyncio.sleep(COUNT_SECONDS)
