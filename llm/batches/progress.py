"""How far a batch is, derived from its counters: the Batch API has no word for it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from llm.batches.limits import SETTLING


class BatchCounters(NamedTuple):
    """The requests of a batch by their state. They are not monotonic: a cancelled one may turn into an answered one."""

    requests: int = 0
    pending: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def rows(self) -> int:
        """How many rows there are to read. Those of cancelled requests may come on top."""
        return self.succeeded + self.failed


NOT_COUNTED = BatchCounters()


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """One reading of a batch."""

    counters: BatchCounters = NOT_COUNTED
    """All 0 while the server does not say."""
    refused: str | None = None
    """Why the provider refused the batch as a whole. It may repeat what was sent, so it is not for the log."""
    is_cancelled: bool = False
    """Whether anybody cancelled it. Rows may still come."""
    created: date | None = None
    expires: date | None = None
    """The day on which the provider stops what is unfinished and after which it may delete what was sent; no hour is
    given. None if the server does not say."""


class BatchStage(StrEnum):
    """What a reading means."""

    RUNNING = "running"
    """Rows that are there can be read, and more will come."""
    SETTLING = "settling"
    """It was cancelled, and what its counters say may still change."""
    ENDED = "ended"
    """No more rows will come: what has none is asked again. If fewer than `counters.rows` can be read, read again."""
    REFUSED = "refused"
    """The provider refused it as a whole: no row will come."""


def stage_of(progress: BatchProgress, *, sent: int, unchanged: int, settling: int = SETTLING) -> BatchStage:
    """What a reading of a batch means to which `sent` requests were added.

    `unchanged` is for how many microseconds its counters have been read as they are: 0 at the first reading that
    has them. A cancelled batch is trusted after `settling`.
    """
    counters = progress.counters
    if progress.refused is not None and not (counters.rows or counters.pending):
        return BatchStage.REFUSED
    if progress.refused is not None or progress.is_cancelled or counters.cancelled:
        return BatchStage.ENDED if unchanged >= settling else BatchStage.SETTLING
    if counters.pending or counters.requests < sent or counters.rows < counters.requests:
        return BatchStage.RUNNING
    return BatchStage.ENDED


def parse_progress(batch: Mapping[str, object]) -> BatchProgress:
    """Parse a batch as the server shows it. Whatever is missing or invalid counts as not said."""
    state = batch.get("state")
    counted = state if isinstance(state, dict) else {}
    fields = ("num_requests", "num_pending", "num_success", "num_error", "num_cancelled")
    return BatchProgress(
        counters=BatchCounters(*(_count(counted.get(name)) for name in fields)),
        refused=_text(batch.get("cancel_by_xai_message")),
        is_cancelled=batch.get("cancel_time") is not None,
        created=_day(batch.get("create_time")),
        expires=_day(batch.get("expire_time")),
    )


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _day(value: object) -> date | None:
    """The day of a date, or of a date with an hour, as gRPC has it."""
    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None
