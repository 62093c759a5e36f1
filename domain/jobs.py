"""Jobs: how they end or go back to the queue, and which status follows which event.

A job is one row of work: a conversation to be analysed, a summary to be written. Times are UTC microseconds.
"""

from collections.abc import Mapping
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


MERGE_TOPICS, UNDO_TOPICS, SPLIT_TOPIC, SWEEP_TOPICS = (
    "merge_topics",
    "undo_topics",
    "split_topic",
    "sweep_topics",
)
"""Kinds of long jobs about topics. Of the first three, one is under way at a time."""

Transitions = Mapping[tuple[str, str], str | None]
"""The status that follows a status and an event; None where the row is gone. A pair that is missing changes nothing."""

HOLDER_EVENTS = {
    "lease ended": "its worker died, and another worker claimed it",
    "restarted": "the only process on the database started again",
    "answered": "its worker stored the answer",
    "charged": "it failed by itself, and gets another attempt",
    "given up": "it failed by itself once too often",
    "requeued": "its call failed, or was never sent, through no fault of its own",
}
"""What happens to a job that a worker holds. A worker whose lease has ended changes nothing."""

CONVERSATION_STATUSES = ("queued", "processing", "completed", "failed", "skipped")
CONVERSATION_EVENTS = {
    "claimed": "a worker took a lease on it, to ask about it",
    "skipped": "a worker found nothing in it worth asking about",
    "answered from the cache": "a worker found the answer to the same text",
    "parked": "a worker found that somebody is asking about the same text",
    **HOLDER_EVENTS,
    "answered late": "its worker stored the answer after messages had arrived",
    "new message": "a message was added to it",
    "retried": "a client asked for another attempt",
    "erased": "one of several people was erased, and it lost their messages",
    "deleted": "a client deleted it, or its retention period ended",
}
CONVERSATION_TRANSITIONS: Transitions = {
    ("queued", "claimed"): "processing",
    ("queued", "skipped"): "skipped",
    ("queued", "answered from the cache"): "completed",
    ("queued", "parked"): "queued",
    ("queued", "new message"): "queued",
    ("queued", "erased"): "queued",
    ("queued", "deleted"): None,
    ("processing", "lease ended"): "processing",
    ("processing", "restarted"): "queued",
    ("processing", "answered"): "completed",
    ("processing", "answered late"): "queued",
    ("processing", "charged"): "queued",
    ("processing", "given up"): "failed",
    ("processing", "requeued"): "queued",
    ("processing", "new message"): "processing",
    ("processing", "erased"): "queued",
    ("processing", "deleted"): None,
    ("completed", "new message"): "queued",
    ("completed", "erased"): "queued",
    ("completed", "deleted"): None,
    ("failed", "new message"): "queued",
    ("failed", "retried"): "queued",
    ("failed", "erased"): "queued",
    ("failed", "deleted"): None,
    ("skipped", "new message"): "queued",
    ("skipped", "retried"): "queued",
    ("skipped", "erased"): "queued",
    ("skipped", "deleted"): None,
}

SUMMARY_STATUSES = ("none", "queued", "processing", "completed", "outdated", "failed")
"""`none` is a conversation whose summary nobody asked for, `outdated` a completed one that lacks newer messages."""
SUMMARY_EVENTS = {
    "asked for": "a client or a live listener wants it",
    "claimed": "a worker took a lease on it, to write it",
    **HOLDER_EVENTS,
    "answered late": "its worker stored it after messages had arrived",
    "answered too late": "its worker stored it after it was asked for with newer messages",
    "new message": "a message was added to the conversation",
    "erased": "one of several people was erased, and the conversation lost their messages",
    "deleted": "the conversation was deleted",
}
SUMMARY_TRANSITIONS: Transitions = {
    ("none", "asked for"): "queued",
    ("none", "deleted"): None,
    ("queued", "asked for"): "queued",
    ("queued", "claimed"): "processing",
    ("queued", "erased"): "queued",
    ("queued", "deleted"): None,
    ("processing", "asked for"): "processing",
    ("processing", "lease ended"): "processing",
    ("processing", "restarted"): "queued",
    ("processing", "answered"): "completed",
    ("processing", "answered late"): "outdated",
    ("processing", "answered too late"): "queued",
    ("processing", "charged"): "queued",
    ("processing", "given up"): "failed",
    ("processing", "requeued"): "queued",
    ("processing", "erased"): "queued",
    ("processing", "deleted"): None,
    ("completed", "asked for"): "completed",
    ("completed", "new message"): "outdated",
    ("completed", "erased"): "queued",
    ("completed", "deleted"): None,
    ("outdated", "asked for"): "queued",
    ("outdated", "erased"): "queued",
    ("outdated", "deleted"): None,
    ("failed", "asked for"): "queued",
    ("failed", "erased"): "queued",
    ("failed", "deleted"): None,
}
