"""Sweeping: the counts of unions that nobody reads any more are deleted a few at a time."""

from sqlalchemy import Connection, Table, delete, select, tuple_, update

from domain.buckets import HOUR
from models import DROPPED, GONE, counts, topic_hours, topic_months, topic_unions, topic_years, totals

ROLLED = (counts, totals)
BY_PERIOD = (topic_months, topic_years)
_u = topic_unions.c


def sweep_some(connection: Connection, limit: int) -> int:
    """Delete about `limit` rows of one dropped union's counts; gives how many, 0 when nothing is left of any."""
    union = connection.scalar(select(_u.number).where(_u.state == DROPPED).order_by(_u.number).limit(1))
    if union is None:
        return 0
    for table in ROLLED:
        if rows := _delete_some(connection, table, union, limit):
            return rows
    rows = sum(connection.execute(delete(t).where(t.c.topic == union)).rowcount for t in BY_PERIOD)
    connection.execute(update(topic_unions).where(_u.number == union).values(state=GONE))
    # At least one, so that the next union gets its turn.
    return max(rows, 1)


def _delete_some(connection: Connection, table: Table, union: int, limit: int) -> int:
    """Delete the first buckets, with all their rows."""
    c = table.c
    place = tuple_(c.level, c.bucket)
    last = (
        select(c.level, c.bucket)
        .where(c.topic == union)
        .order_by(c.level, c.bucket)
        .offset(limit - 1)
        .limit(1)
    )
    row = connection.execute(last).one_or_none()
    chosen = [c.topic == union, *([] if row is None else [place <= tuple_(row.level, row.bucket)])]
    if table is totals:
        # The hours of all topics are found by those of this one.
        hours = select(c.bucket).where(*chosen, c.level == HOUR)
        of_union = topic_hours.c.hour.in_(hours), topic_hours.c.topic == union
        connection.execute(delete(topic_hours).where(*of_union))
    return connection.execute(delete(table).where(*chosen)).rowcount
