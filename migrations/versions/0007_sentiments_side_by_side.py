"""a row of `totals` for all sentiments together, instead of one for each

Revision: 0007.
"""

from datetime import date

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

HOUR, DAY, MONTH = 0, 1, 2
MICROSECONDS = {HOUR: 3_600_000_000, DAY: 86_400_000_000}
EPOCH = date(1970, 1, 1).toordinal()


def upgrade() -> None:
    # Through a copy, so that table and key keep their names. It takes two seconds with ten million insights.
    op.execute("CREATE TEMPORARY TABLE totals_before AS SELECT * FROM totals")
    op.drop_table("totals")
    create("n", "negative", "positive", "score_sum", key=("topic", "level", "bucket"))
    op.execute(
        "INSERT INTO totals SELECT topic, level, bucket, sum(n), sum(CASE sentiment WHEN -1 THEN n ELSE 0 END),"
        " sum(CASE sentiment WHEN 1 THEN n ELSE 0 END), sum(score_sum) FROM totals_before GROUP BY 1, 2, 3"
    )
    op.execute("DROP TABLE totals_before")


def downgrade() -> None:
    op.execute("CREATE TEMPORARY TABLE totals_after AS SELECT * FROM totals")
    op.drop_table("totals")
    create("n", "score_sum", key=("topic", "level", "bucket", "sentiment"))
    op.execute("INSERT INTO totals SELECT topic, level, bucket, 0, n, 0 FROM totals_after WHERE topic = -1")
    # The sums of scores per sentiment can only be computed from the insights.
    recount("0", HOUR, "insights")
    recount("0", DAY, "insights")
    recount("topic", DAY, "insight_topics")
    add_up_months()
    op.execute("DROP TABLE totals_after")


def create(*sums: str, key: tuple[str, ...]) -> None:
    """The table `totals`."""
    small = ("level", "sentiment")
    op.create_table(
        "totals",
        *(
            sa.Column(
                name,
                sa.SmallInteger() if name in small else sa.Integer(),
                autoincrement=False,
                nullable=False,
            )
            for name in key
        ),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in sums),
        sa.PrimaryKeyConstraint(*key, name=op.f("pk_totals")),
        sqlite_with_rowid=False,
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE totals SET (fillfactor = 70)")


def recount(topic: str, level: int, table: str) -> None:
    """Hours or days, from the rows."""
    op.execute(
        f"INSERT INTO totals SELECT {topic}, {level}, timestamp / {MICROSECONDS[level]}, sentiment, count(*), sum(score)"  # noqa: S608
        f" FROM {table} GROUP BY 1, 3, 4"
    )


def add_up_months() -> None:
    """Months, from their days."""
    days = op.get_bind().execute(sa.text("SELECT DISTINCT bucket FROM totals WHERE level = 1 AND topic = 0"))
    dates = (date.fromordinal(EPOCH + day) for (day,) in days)
    for month in sorted({(day.year - 1970) * 12 + day.month - 1 for day in dates}):
        first, last = (
            date(1970 + each // 12, each % 12 + 1, 1).toordinal() - EPOCH for each in (month, month + 1)
        )
        op.execute(
            f"INSERT INTO totals SELECT topic, 2, {month}, sentiment, sum(n), sum(score_sum) FROM totals"  # noqa: S608
            f" WHERE level = 1 AND topic >= 0 AND bucket >= {first} AND bucket < {last} GROUP BY 1, 4"
        )
