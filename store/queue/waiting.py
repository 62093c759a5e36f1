"""Conversations of the analysis queue that can wait. Each is due there at `run_at`, when it no longer can.

Until then whoever has room for it may take it here, a chat once it has been quiet. Times are UTC microseconds.
"""

from collections.abc import Collection, Sequence

from sqlalchemy import BigInteger, Connection, String, and_, bindparam, func, or_, select, update

from core.priority import REANALYSES
from models import CAN_WAIT, DAY, LATER, conversations
from store.queue.analysis import AnalysisJob, Due, jobs_read
from store.queue.jobs import JobKind, JobQueue

END_OF_TIME = 2**62
_c = conversations.c
_IS_QUIET = or_(_c.quiet_at.is_(None), _c.quiet_at <= bindparam("moment", type_=BigInteger))
_MINE = CAN_WAIT, _c.freshness == bindparam("freshness", type_=String), _c.waits_for.is_(None), _IS_QUIET
QUEUE = JobQueue(
    JobKind(
        table=conversations,
        key=_c.number,
        lane=REANALYSES,
        reads=tuple(_c[name] for name in Due._fields),
        only=and_(*_MINE),
        on_lease={"waits_for": None, "quiet_at": None},
    )
)
IS_WAITING = select(_c.number).where(*_MINE).limit(1)


def is_waiting(connection: Connection, freshness: str, *, now: int) -> bool:
    """Whether a conversation of this freshness waits."""
    return connection.scalar(IS_WAITING, {"freshness": freshness, "moment": now}) is not None


def waiting_longest(connection: Connection, freshness: str, *, limit: int, now: int) -> list[AnalysisJob]:
    """Up to `limit` that can wait least, locked until the transaction ends."""
    rows = QUEUE.due(connection, limit=limit, now=END_OF_TIME, freshness=freshness, moment=now)
    return [job._replace(can_wait_until=job.due_at) for job in jobs_read(connection, rows)]


def hold_waiting(connection: Connection, numbers: Sequence[int], *, token: str, until: int) -> None:
    """Hold conversations that `waiting_longest` gave in this transaction until `until`."""
    QUEUE.lease(connection, numbers, token=token, until=until)


def goes_live(connection: Connection, numbers: Collection[int]) -> None:
    """No batch takes these any more. They still wait for everything fresh."""
    if numbers:
        these = update(conversations).where(_c.number.in_(numbers), _c.freshness == DAY)
        connection.execute(these.values(freshness=LATER))


def count_waiting(connection: Connection) -> int:
    """How many wait for a batch."""
    wait = select(func.count()).select_from(conversations).where(CAN_WAIT, _c.freshness == DAY)
    return connection.scalar(wait) or 0
