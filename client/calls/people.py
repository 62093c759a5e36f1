"""Calls about people, the values of fields, and open cases. A window may be left out, or open at either end."""

from collections.abc import Mapping
from typing import Any, Literal, TypedDict

from ..answers import CasesPage, Facets, Job, PeoplePage, SummariesEstimate
from ..wire import Call, encoded
from .building import getting, reader
from .insights import Asked, Time, by_fields


class SummariesFilter(TypedDict, total=False):
    """Which insights' conversations are summarised."""

    sentiment: str
    min_confidence: float
    cluster: str
    author: str
    analyzer: str
    model: str


def people_page(
    *,
    role: Literal["customer", "support_agent"] | None = None,
    start_time: Time | None = None,
    end_time: Time | None = None,
    sort: str | None = None,
    limit: int = 100,
    cursor: str | None = None,
) -> Call[PeoplePage]:
    """A page of 1 to 1,000 people who wrote in a role, by default customers, the most negative first."""
    window = {"start_time": start_time, "end_time": end_time}
    page = {"role": role, "sort": sort, "limit": limit, "cursor": cursor}
    return getting("/api/v1/people", reader(PeoplePage), {**window, **page})


def facets(
    field: str,
    *,
    start_time: Time | None = None,
    end_time: Time | None = None,
    fields: Mapping[str, Asked] | None = None,
    limit: int = 100,
) -> Call[Facets]:
    """The values of `author`, `analyzer`, `model`, `outcome`, `metadata.KEY` or a field of FIELDS_FILE, with counts."""
    window = {"start_time": start_time, "end_time": end_time}
    return getting(
        "/api/v1/facets", reader(Facets), {"field": field, **window, **by_fields(fields), "limit": limit}
    )


def summaries_page(
    *,
    outcome: str | None = None,
    has_open_questions: bool | None = None,
    cluster: str | None = None,
    person: str | None = None,
    start_time: Time | None = None,
    end_time: Time | None = None,
    limit: int = 100,
    cursor: str | None = None,
) -> Call[CasesPage]:
    """A page of 1 to 1,000 chats with their summaries, the newest first, and counts by outcome."""
    window = {"start_time": start_time, "end_time": end_time}
    filters = {"outcome": outcome, "has_open_questions": has_open_questions, "cluster": cluster}
    page = {"person": person, "limit": limit, "cursor": cursor}
    return getting("/api/v1/summaries", reader(CasesPage), {**window, **filters, **page})


def estimate_summaries(
    start_time: Time, end_time: Time, chosen: SummariesFilter | None = None
) -> Call[SummariesEstimate]:
    """How many conversations of a window lack a summary, and what these cost."""
    body = encoded({**_bulk(start_time, end_time, chosen), "dry_run": True})
    return Call("POST", "/api/v1/summaries", reader(SummariesEstimate), body=body, repeatable=True)


def summarize_many(start_time: Time, end_time: Time, chosen: SummariesFilter | None = None) -> Call[Job]:
    """Have the conversations of a window summarised that lack a summary, as a job."""
    return Call("POST", "/api/v1/summaries", reader(Job), body=encoded(_bulk(start_time, end_time, chosen)))


def _bulk(start_time: Time, end_time: Time, chosen: SummariesFilter | None) -> dict[str, Any]:
    return {"window": {"start_time": start_time, "end_time": end_time}, "filter": chosen or {}}
