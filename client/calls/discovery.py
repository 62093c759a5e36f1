"""Calls about topics that nobody has named yet."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..answers import Job, Proposal, ProposalPage, ProposalsPage
from ..wire import Call, encoded
from .building import getting, path_to, reader

FOLDER = "/api/v1/topics/proposals"


def discover_topics(
    *, start_time: datetime | str | None = None, end_time: datetime | str | None = None, **only: object
) -> Call[Job]:
    """Look for topics in a window; without one, in the last seven days.

    `only` may have sentiment, min_confidence, max_confidence, analyzer, model and cluster.
    """
    body: dict[str, Any] = {"filter": only} if only else {}
    if start_time is not None or end_time is not None:
        body["window"] = {"start_time": start_time, "end_time": end_time}
    return _posting("/api/v1/topics/discover", body, Job)


def proposals_page(
    *, state: str | None = None, limit: int = 50, cursor: str | None = None
) -> Call[ProposalsPage]:
    """A page of 1 to 1,000 proposals, the largest first."""
    return getting(FOLDER, reader(ProposalsPage), {"state": state, "limit": limit, "cursor": cursor})


def proposal(id_: str, *, limit: int = 100, cursor: str | None = None) -> Call[ProposalPage]:
    """A proposal, and a page of 1 to 1,000 of its conversations."""
    return getting(path_to(FOLDER, id_), reader(ProposalPage), {"limit": limit, "cursor": cursor})


def accept_proposal(id_: str, *, slug: str | None = None, label: str | None = None) -> Call[Job]:
    """Make a topic of a proposal; the job files its conversations."""
    named = {"slug": slug, "label": label}
    body = {name: value for name, value in named.items() if value is not None}
    return _posting(f"{path_to(FOLDER, id_)}/accept", body, Job)


def reject_proposal(id_: str) -> Call[Proposal]:
    """Keep a proposal from coming back."""
    return Call("POST", f"{path_to(FOLDER, id_)}/reject", reader(Proposal), repeatable=False)


def _posting(path: str, body: Mapping[str, object], answer: type[Job]) -> Call[Job]:
    return Call("POST", path, reader(answer), body=encoded(body), repeatable=False)
