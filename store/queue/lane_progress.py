"""How batches at the provider get on: whether one stands still, nears its deadline, or was given up unanswered."""

from typing import NamedTuple

from sqlalchemy import Connection, func, select

from models import CANCELLING, FILLING, LATE, RUNNING, SENDING, provider_batches

_b = provider_batches.c
_OPEN = _b.run_at.is_not(None), _b.requests > _b.answered


class LaneProgress(NamedTuple):
    """How they get on. Of batches that have requests without an answer; 0 where there are none."""

    unchanged: int = 0
    """For how long the counts of the one that stands still longest have not changed, in microseconds."""
    time_used: float = 0.0
    """The part of the time until its deadline that has passed, for the one of which most has."""
    late: int = 0
    """Their requests whose conversations went live before the answer."""


def lane_progress(connection: Connection, *, now: int) -> LaneProgress:
    """How they get on at `now`, UTC microseconds."""
    since = func.min(func.coalesce(_b.seen_at, _b.created_at))
    changed = connection.scalar(select(since).where(*_OPEN, _b.stage.in_((SENDING, RUNNING, CANCELLING))))
    times = select(_b.created_at, _b.deadline).where(*_OPEN, _b.stage.in_((FILLING, SENDING, RUNNING)))
    used = [(now - begun) / (deadline - begun) for begun, deadline in connection.execute(times)]
    late = select(func.coalesce(func.sum(_b.requests - _b.answered), 0)).where(*_OPEN, _b.stage == LATE)
    return LaneProgress(
        unchanged=0 if changed is None else max(0, now - changed),
        time_used=max([0.0, *used]),
        late=int(connection.scalar(late) or 0),
    )
