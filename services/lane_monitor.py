"""What there is in the lane of batches at the provider, counted now and then, and never in a request."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from sqlalchemy.exc import SQLAlchemyError

from core.clock import SECOND
from core.metrics import Metrics
from database import Database
from store.queue.batches import LaneFigures, lane_figures
from store.queue.lane_progress import lane_progress

COUNT_SECONDS = 5.0
NOTHING_THERE = LaneFigures()


class LaneState(Protocol):
    """Whether batches are begun."""

    @property
    def refusal(self) -> str | None:
        """Why none is ever begun; None if they may be."""

    @property
    def reason(self) -> str | None:
        """Why what can wait goes live instead; None if it waits for batches."""

    @property
    def standstill(self) -> str | None:
        """Why no batch is begun now, be it only that all wait for money; None if they are."""

    @property
    def tried_again_at(self) -> int | None:
        """When a batch is tried again, UTC microseconds; None if they are begun, or never are."""


@dataclass
class LaneMonitor:
    """For `/health`, the estimate and the metrics."""

    database: Database
    metrics: Metrics
    clock: Callable[[], int]
    gate: LaneState
    found: LaneFigures = NOTHING_THERE

    @property
    def batched(self) -> int:
        """How many conversations of the queue go by batches."""
        found = self.found
        waiting = found.waiting if self.gate.reason is None else 0
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
        gate = self.gate
        is_refused = gate.reason is not None and gate.refusal is None
        self.metrics.show_whether_lane_is_open(gate.standstill is None, is_refused=is_refused)
