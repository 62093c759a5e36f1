"""Work that takes longer than a request."""

from typing import Literal

from pydantic import AwareDatetime

from .base import Answer


class Job(Answer):
    """A job of some kind, and how far it has come: `done` of `total`, which is None while it is not known."""

    id: str
    kind: str
    status: Literal["queued", "running", "paused", "completed", "capped", "cancelled", "failed"]
    done: int
    total: int | None
    usd: float
    conversations: int
    error: str | None
    created_at: AwareDatetime
    created_by: str
    ended_at: AwareDatetime | None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will become of it."""
        return self.status in ("completed", "capped", "cancelled", "failed")


class JobsPage(Answer):
    """A page of jobs, the newest first."""

    jobs: list[Job]
    next_cursor: str | None
