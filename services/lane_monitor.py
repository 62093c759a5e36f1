"""What there is in the lane of batches at the provider, counted now and then, and never in a request."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from core.clock import SECOND
from core.metrics import Metrics
from database import Database
from store.queue.batches import LaneFigures, lane_figures
from store.queue.lane_progress import lane_progress

COUNT_SECONDS = 5.0
NOTHING_THERE = LaneFigures()


@dataclass
class LaneMonitor:
    """For `/health`, the estimate and the metrics. `reason` gives why no batch is begun now; None if they are.

    `never` is why none is ever begun; None if they may be.
    """

    database: Database
    metrics: Metrics
    clock: Callable[[], int]
    reason: Callable[[], str | None]
    never: Callable[[], str | None]
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
                await self._look()
            self._show_whether_open()
            await asyncio.sleep(COUNT_SECONDS)

    async def _look(self) -> None:
        found = self.found = await self.database.read(lane_figures)
        self.metrics.show_lane(found.waiting, found.batches, found.requests - found.answered)
        progress = await self.database.read(partial(lane_progress, now=self.clock()))
        self.metrics.show_lane_progress(progress.unchanged / SECOND, progress.time_used, progress.late)

    def _show_whether_open(self) -> None:
        is_open = self.reason() is None
        self.metrics.show_whether_lane_is_open(is_open, is_refused=not is_open and self.never() is None)
