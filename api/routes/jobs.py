"""`/api/v1/jobs`: work that takes longer than a request, whatever kind it is of."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import JSONResponse

from api.dependencies import Resources, ResourcesDep
from api.errors import ApiError, documented
from api.parameters.common import once_each
from api.parameters.jobs import JobsParameters
from api.views.jobs import job_view
from schemas import Code, JobOut, JobsOut
from store.engine.notifications import Channel
from store.queue import long_jobs

PATH = "/api/v1/jobs"
router = APIRouter(prefix=PATH, tags=["jobs"], dependencies=[Depends(once_each)])
SHARED = (Code.INVALID_QUERY, Code.RATE_LIMIT_EXCEEDED, Code.DATABASE_UNAVAILABLE)
STEERED = documented(Code.NOT_FOUND, Code.CONFLICT, *SHARED)


@router.get("", response_model=JobsOut, responses=documented(*SHARED))
async def page(resources: ResourcesDep, query: Annotated[JobsParameters, Query()]) -> Response:
    """Jobs, the newest first."""
    read = partial(long_jobs.page, limit=query.limit + 1, before=query.before, kind=query.kind)
    found = await resources.database.read(read)
    shown = found[: query.limit]
    cursor = str(shown[-1].number) if len(found) > len(shown) else None
    return JSONResponse({"jobs": [job_view(each) for each in shown], "next_cursor": cursor})


@router.get("/{job_id}", response_model=JobOut, responses=documented(Code.NOT_FOUND, *SHARED))
async def one(resources: ResourcesDep, job_id: str) -> Response:
    """A job, and how far it has come."""
    return await _answer(resources, job_id)


@router.post("/{job_id}/cancel", response_model=JobOut, responses=STEERED)
async def cancel(resources: ResourcesDep, job_id: str) -> Response:
    """End a job for good. What it has done stays; what it had only begun is taken away."""
    return await _answer(resources, job_id, await resources.jobs.cancel(job_id), "It has ended already")


@router.post("/{job_id}/pause", response_model=JobOut, responses=STEERED)
async def pause(resources: ResourcesDep, job_id: str) -> Response:
    """Stop a job until it is resumed."""
    return await _answer(resources, job_id, await resources.jobs.pause(job_id), "It is not under way")


@router.post("/{job_id}/resume", response_model=JobOut, responses=STEERED)
async def resume(resources: ResourcesDep, job_id: str) -> Response:
    """Let a paused job go on."""
    return await _answer(resources, job_id, await resources.jobs.resume(job_id), "It is not paused")


async def _answer(
    resources: Resources, job_id: str, is_done: bool = True, otherwise: str | None = None
) -> Response:
    """The job as it is now. Raises ApiError 404 if there is none, 409 if what was asked for could not be done."""
    row = await resources.database.read(partial(long_jobs.get, id_=job_id))
    if row is None:
        raise ApiError(Code.NOT_FOUND, "No job has this id")
    if not is_done:
        raise ApiError(Code.CONFLICT, otherwise)
    return JSONResponse(job_view(row))


async def accepted(resources: Resources, job_id: str) -> Response:
    """The 202 of a call that has queued a job, with where to look for it."""
    resources.notifications.notify(Channel.JOBS)
    row = await resources.database.read(partial(long_jobs.get, id_=job_id))
    assert row is not None  # noqa: S101  for the type checker: no job is ever deleted
    return JSONResponse(job_view(row), 202, {"Location": f"{PATH}/{job_id}"})
