"""Calls that have conversations analysed again. Without times, those of all times."""

from typing import Any, Literal, TypedDict

from ..answers import Job, Reanalysis, ReanalysisEstimate
from ..wire import Call, encoded
from .building import getting, path_to, reader
from .insights import Time

PATH = "/api/v1/reanalysis"


class ReanalysisFilter(TypedDict, total=False):
    """Which conversations are analysed again."""

    analyzer: str
    model: str
    prompt_version: str
    cluster: str
    sentiment: str
    max_confidence: float
    fields: str
    status: str


def estimate_reanalysis(
    chosen: ReanalysisFilter | None = None,
    *,
    start_time: Time | None = None,
    end_time: Time | None = None,
    sample: int | None = None,
) -> Call[ReanalysisEstimate]:
    """What it costs and takes to analyse conversations again, or to compare a sample of so many."""
    body = _body(chosen, start_time, end_time, sample=sample, dry_run=True)
    return Call("POST", PATH, reader(ReanalysisEstimate), body=encoded(body), repeatable=True)


def reanalyse(
    chosen: ReanalysisFilter | None = None,
    *,
    start_time: Time | None = None,
    end_time: Time | None = None,
    sample: int | None = None,
    max_usd: float | None = None,
    freshness: Literal["now", "day"] = "now",
) -> Call[Job]:
    """Have conversations analysed again as a job, or a sample compared, for `max_usd` dollars at most.

    With the freshness `day`, within a day will do, which may be cheaper.
    """
    body = _body(chosen, start_time, end_time, sample=sample, max_usd=max_usd, freshness=freshness)
    return Call("POST", PATH, reader(Job), body=encoded(body))


def reanalysis(job_id: str) -> Call[Reanalysis]:
    """A re-analysis, by the id of its job."""
    return getting(path_to(PATH, job_id), reader(Reanalysis))


def _body(
    chosen: ReanalysisFilter | None, start: Time | None, end: Time | None, **more: Any
) -> dict[str, Any]:
    window = None if start is None or end is None else {"start_time": start, "end_time": end}
    if (start is None) != (end is None):
        raise ValueError("start_time and end_time belong together")
    return {"window": window, "filter": chosen or {}, **more}
