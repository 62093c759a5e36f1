"""Calls about people, the values of fields, and open cases. A window may be left out, or open at either end."""

from typing import Literal

from client.answers import CasesPage, Facets, PeoplePage
from client.calls.building import getting, reader
from client.calls.insights import Time
from client.wire import Call


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
    field: str, *, start_time: Time | None = None, end_time: Time | None = None, limit: int = 100
) -> Call[Facets]:
    """The values of `author`, `analyzer`, `model`, `outcome` or `metadata.KEY`, each with its count."""
    window = {"start_time": start_time, "end_time": end_time}
    return getting("/api/v1/facets", reader(Facets), {"field": field, **window, "limit": limit})


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
