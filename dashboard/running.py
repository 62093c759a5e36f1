"""Jobs, as rows and in our own words: no drawing, no calls."""

from collections.abc import Mapping, Sequence

from client.answers import Job
from dashboard.text import Row

KINDS: Mapping[str, str] = {
    "merge_topics": "Topics are being merged",
    "undo_topics": "A change of topics is being taken back",
    "split_topic": "A topic is being split",
    "sweep_topics": "Old counts of topics are being removed",
    "discovery": "New topics are being looked for",
    "proposal_acceptance": "A new topic is being made",
    "summarise": "Conversations are being summarised",
    "other": "A job is under way",
}
CURATION = frozenset({"merge_topics", "undo_topics", "split_topic", "proposal_acceptance"})
"""Of these the service takes one at a time."""
OTHER = "other"


def unfinished(jobs: Sequence[Job], kinds: frozenset[str] | None = None) -> list[Job]:
    """Those that have not ended, of some kinds or of all; the oldest first."""
    return [each for each in reversed(jobs) if not each.has_ended and (kinds is None or each.kind in kinds)]


def share(job: Job) -> float:
    """How far it is, from 0 to 1; 0 while the whole is not known."""
    return min(job.done / job.total, 1.0) if job.total else 0.0


def kind_of(job: Job) -> str:
    """The key of what KINDS says of it, also of a kind that a later version of the service has."""
    return job.kind if job.kind in KINDS else OTHER


def job_rows(jobs: Sequence[Job]) -> list[Row]:
    """A row for each job, in their order."""
    return [
        {
            "kind": each.kind.replace("_", " "),
            "status": each.status,
            "done": each.done,
            "total": each.total,
            "usd": each.usd,
            "by": each.created_by,
            "from": each.created_at,
            "to": each.ended_at,
            "why": each.error or "",
        }
        for each in jobs
    ]
