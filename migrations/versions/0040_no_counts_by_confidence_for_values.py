"""values of fields are not counted by confidence any more

Revision: 0040.
"""

from datetime import date

from alembic import op
from sqlalchemy import text

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None
OF_VALUES = "topic <= -2"
DAY, MONTH = 1, 2
A_DAY = 86_400_000_000
EPOCH = date(1970, 1, 1).toordinal()


def upgrade() -> None:
    op.execute(f"DELETE FROM counts WHERE {OF_VALUES}")  # noqa: S608  our own words, here and below


def downgrade() -> None:
    op.execute(
        f"INSERT INTO counts SELECT value, {DAY}, timestamp / {A_DAY}, sentiment, confidence, count(*)"  # noqa: S608
        f" FROM insight_fields GROUP BY value, timestamp / {A_DAY}, sentiment, confidence"
    )
    days = op.get_bind().scalars(text(f"SELECT DISTINCT bucket FROM counts WHERE {OF_VALUES}"))  # noqa: S608
    for month in sorted({_month(day) for day in days}):
        op.execute(
            f"INSERT INTO counts SELECT topic, {MONTH}, {month}, sentiment, confidence, sum(n) FROM counts"  # noqa: S608
            f" WHERE {OF_VALUES} AND level = {DAY} AND bucket >= {_first_day(month)}"
            f" AND bucket < {_first_day(month + 1)} GROUP BY topic, sentiment, confidence"
        )


def _month(day: int) -> int:
    at = date.fromordinal(EPOCH + day)
    return (at.year - 1970) * 12 + at.month - 1


def _first_day(month: int) -> int:
    return date(1970 + month // 12, month % 12 + 1, 1).toordinal() - EPOCH
