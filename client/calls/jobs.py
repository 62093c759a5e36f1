"""Calls about work that takes longer than a request."""

from ..answers import Job, JobsPage
from ..wire import Call
from .building import getting, path_to, reader

FOLDER = "/api/v1/jobs"


def job(id_: str) -> Call[Job]:
    """A job, and how far it has come."""
    return getting(path_to(FOLDER, id_), reader(Job))


def jobs_page(*, kind: str | None = None, limit: int = 100, cursor: str | None = None) -> Call[JobsPage]:
    """A page of 1 to 1,000 jobs, the newest first."""
    return getting(FOLDER, reader(JobsPage), {"kind": kind, "limit": limit, "cursor": cursor})


def cancel_job(id_: str) -> Call[Job]:
    """End a job for good."""
    return _steer(id_, "cancel")


def pause_job(id_: str) -> Call[Job]:
    """Stop a job until it is resumed."""
    return _steer(id_, "pause")


def resume_job(id_: str) -> Call[Job]:
    """Let a paused job go on."""
    return _steer(id_, "resume")


def _steer(id_: str, how: str) -> Call[Job]:
    return Call("POST", f"{path_to(FOLDER, id_)}/{how}", reader(Job))
