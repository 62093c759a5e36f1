"""How long the queue is: conversations that have not ended and are not waiting for a chat to fall quiet.

How old it is, is said by those that cannot wait.
"""

from sqlalchemy import BigInteger, Connection, bindparam, func, or_, select

from models import NOT_COMPLETED, PROCESSING, QUEUED, conversations

_c = conversations.c
_NOW = bindparam("now", type_=BigInteger)
_COUNT = select(func.count()).select_from(conversations)
NOT_ENDED = _COUNT.where(_c.run_at.is_not(None))
GROWING = _COUNT.where(_c.waiting_since.is_not(None), _c.quiet_at > _NOW, _c.status == QUEUED)
OLDEST = (
    *(
        select(_c.received_at)
        .where(NOT_COMPLETED, _c.status == status, _c.waiting_since.is_(None), _c.freshness.is_(None))
        .order_by(_c.number)
        .limit(1)
        for status in (QUEUED, PROCESSING)
    ),
    select(func.min(_c.waiting_since)).where(
        _c.waiting_since.is_not(None), or_(_c.quiet_at.is_(None), _c.quiet_at <= _NOW, _c.status != QUEUED)
    ),
)


def depth(connection: Connection, *, now: int) -> tuple[int, int | None]:
    """How many conversations wait, and since when the longest waiting one does that cannot (UTC microseconds)."""
    found = (connection.scalar(each, {"now": now}) for each in OLDEST)
    oldest = [moment for moment in found if moment is not None]
    not_ended, growing = (connection.scalar(each, {"now": now}) or 0 for each in (NOT_ENDED, GROWING))
    return not_ended - growing, min(oldest, default=None)
