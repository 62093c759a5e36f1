"""Batches at the provider as sentences and rows: no drawing, no calls."""

from collections.abc import Sequence

from client.answers import BatchLane, Health, ProviderBatch
from dashboard import words
from dashboard.text import Row

STAGES = {
    "filling": "being filled",
    "sending": "being sent",
    "running": "being answered",
    "cancelling": "being cancelled",
    "late": "given up; late answers are looked for",
    "ended": "over",
}


def lane_of(health: Health) -> BatchLane | None:
    """The lane, where there is something to say of it: the offline analyzer has no use for one."""
    lane = health.batch_lane
    if lane is None or (health.analyzer == "offline" and not lane.batches and not lane.waiting):
        return None
    return lane


def said_of(lane: BatchLane) -> str:
    """What there is in it, in a sentence."""
    waiting = f"{words.conversations(lane.waiting)} {'waits' if lane.waiting == 1 else 'wait'} for a batch"
    if not lane.batches:
        return (
            f"{waiting}. None is under way."
            if lane.waiting
            else "Nothing waits for a batch, and none is under way."
        )
    under_way = f"{words.count(lane.batches)} {'is' if lane.batches == 1 else 'are'} under way"
    at = (
        ""
        if lane.ends_at is None
        else f" What is not answered by {words.moment(lane.ends_at)} UTC goes live."
    )
    return f"{f'{waiting}; ' if lane.waiting else ''}{under_way}.{at}"


def why_none_is_begun(lane: BatchLane) -> str | None:
    """Why no batch is begun, and when that is tried again; None if they are."""
    if lane.is_open:
        return None
    said = f"None is begun: {lane.reason}"
    if lane.tried_again_at is None:
        return said
    return f"{said.rstrip('.')}. It is tried again at {words.moment(lane.tried_again_at)} UTC."


def batch_rows(batches: Sequence[ProviderBatch]) -> list[Row]:
    """A row for each batch."""
    return [
        {
            "from": each.created_at,
            "stage": STAGES.get(each.stage, each.stage),
            "requests": each.requests,
            "answered": each.answered,
            "conversations": each.conversations,
            "stored": each.stored,
            "usd": each.usd,
            "until": each.deadline if each.ended_at is None else each.ended_at,
            "by": each.cancelled_by,
            "why": each.error,
        }
        for each in batches
    ]


def can_be_cancelled(batches: Sequence[ProviderBatch]) -> list[ProviderBatch]:
    """Those that are not over and not cancelled."""
    return [each for each in batches if each.ended_at is None and each.cancelled_by is None]
