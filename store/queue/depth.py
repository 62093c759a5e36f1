"""How long the queue is: conversations that have not ended and are not waiting for a chat to fall quiet.

How old it is, is said by those that cannot wait.
"""

from sqlalchemy import Connection, and_, func, or_, select

from models import NOT_COMPLETED, PROCESSING, QUEUED, conversations


def depth(connection: Connection, *, now: int) -> tuple[int, int | None]:
    """How many conversations wait, and since when the longest waiting one does that cannot (UTC microseconds)."""
    c = conversations.c
    count = select(func.count()).select_from(conversations)
    not_ended = connection.scalar(count.where(c.run_at.is_not(None))) or 0
    growing = and_(c.waiting_since.is_not(None), c.quiet_at > now, c.status == QUEUED)
    is_quiet = or_(c.quiet_at.is_(None), c.quiet_at <= now, c.status != QUEUED)
    grew = select(func.min(c.waiting_since)).where(c.waiting_since.is_not(None), is_quiet)
    firsts = [
        select(c.received_at)
        .where(NOT_COMPLETED, c.status == status, c.waiting_since.is_(None), c.freshness.is_(None))
        .order_by(c.number)
        .limit(1)
        for status in (QUEUED, PROCESSING)
    ]
    oldest = [moment for each in (*firsts, grew) if (moment := connection.scalar(each)) is not None]
    return not_ended - (connection.scalar(count.where(growing)) or 0), min(oldest, default=None)
