"""Jobs: how they end, or go back to the queue.

A job is one row of work: a conversation to be analysed, a summary to be written. Times are UTC microseconds.
"""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Attempted(Protocol):
    """Anything that counts how often it failed by itself."""

    @property
    def failures(self) -> int:
        """So many times."""
        ...


Job = TypeVar("Job", bound=Attempted)


@dataclass(frozen=True, slots=True)
class Failed(Generic[Job]):
    """The job used up its attempts, or can never succeed."""

    job: Job
    reason: str
    """One word of a small set; it labels a metric."""
    error: str
    failures: int


@dataclass(frozen=True, slots=True)
class Requeued(Generic[Job]):
    """The job goes back to the queue and is due again at `run_at`."""

    job: Job
    run_at: int
    failures: int
    error: str | None = None
