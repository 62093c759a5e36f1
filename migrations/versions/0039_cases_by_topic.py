"""summaries counted by the topics of their conversations

Revision: 0039.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import groupby, islice
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None
TABLE = "topic_case_counts"
DAY, MONTH = 1, 2
DAY_US = 86_400_000_000
AT_ONCE = 5_000
UNKNOWN = "unknown"
EPOCH = date(1970, 1, 1).toordinal()
# The rows of topics in the order in which they lie, each looked up among the summaries.
BY_DAY = f"""
SELECT f.topic, f.timestamp / {DAY_US} AS day, s.outcome, s.has_open_questions, count(*) AS n
FROM insight_topics f CROSS JOIN summaries s
WHERE s.conversation = f.conversation AND s.outcome IS NOT NULL AND s.outcome <> '{UNKNOWN}'
GROUP BY f.topic, day, s.outcome, s.has_open_questions ORDER BY f.topic, day
"""  # noqa: S608
Row = Sequence[Any]


def upgrade() -> None:
    table = op.create_table(
        TABLE,
        sa.Column("topic", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("level", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("bucket", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("outcome", sa.String(10), nullable=False),
        sa.Column("has_open_questions", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "topic", "level", "bucket", "outcome", "has_open_questions", name=op.f(f"pk_{TABLE}")
        ),
        sqlite_with_rowid=False,
    )
    found = iter(op.get_bind().execute(sa.text(BY_DAY)).all())
    rows = _rows(found)
    while some := [*islice(rows, AT_ONCE)]:
        op.bulk_insert(table, some)


def downgrade() -> None:
    op.drop_table(TABLE)


def _rows(found: Iterable[Row]) -> Iterator[dict[str, Any]]:
    """The rows of days, and after those of a month in a topic the month's."""
    for (topic, month), of_month in groupby(found, lambda row: (row[0], _month(row[1]))):
        sums: dict[tuple[str, int], int] = {}
        for _, day, *kind, n in of_month:
            yield _row(topic, DAY, day, kind, n)
            sums[kind[0], kind[1]] = sums.get((kind[0], kind[1]), 0) + n
        for kinds, n in sums.items():
            yield _row(topic, MONTH, month, kinds, n)


def _row(topic: int, level: int, bucket: int, kind: Sequence[Any], n: int) -> dict[str, Any]:
    of = {"topic": topic, "level": level, "bucket": bucket}
    return {**of, "outcome": kind[0], "has_open_questions": kind[1], "n": n}


def _month(day: int) -> int:
    found = date.fromordinal(EPOCH + day)
    return (found.year - 1970) * 12 + found.month - 1
