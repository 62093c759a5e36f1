"""all topics of an hour side by side, with the weight that each has in its insights; all insights by quarters of hours

Revision: 0022.
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

HOUR, WHOLE = 3_600_000_000, 60
UNSURE = "sum(CASE sentiment WHEN 2 THEN 1 ELSE 0 END)"
SUMS = (
    f"count(*), sum(CASE sentiment WHEN -1 THEN 1 ELSE 0 END), {UNSURE}, sum(score),"
    " sum(CASE sentiment WHEN 2 THEN 0 ELSE {weight} END), sum({weight} * score)"
)


def upgrade() -> None:
    amounts = ("n", "negative", "unsure", "score_sum", "weight", "weighted")
    _create("topic_hours", ("hour", "topic"), amounts)
    _create("changed_days", ("day",), ("changes",))
    _fill("0", str(WHOLE), "insights i")
    op.execute(
        "CREATE TEMPORARY TABLE weights AS SELECT conversation AS number, 60 / count(*) AS weight"
        " FROM insight_topics GROUP BY conversation"
    )
    op.execute("CREATE UNIQUE INDEX ix_weights ON weights (number)")
    _fill("topic", "weight", "insight_topics i JOIN weights ON number = conversation")
    op.execute("DROP TABLE weights")
    op.execute(
        f"INSERT INTO totals SELECT 0, -2, timestamp / {HOUR // 4}, count(*),"  # noqa: S608
        " sum(CASE sentiment WHEN -1 THEN 1 ELSE 0 END), sum(CASE sentiment WHEN 1 THEN 1 ELSE 0 END), sum(score),"
        f" {UNSURE} FROM insights GROUP BY 3"
    )
    op.execute("INSERT INTO changed_days SELECT DISTINCT hour / 24, 1 FROM topic_hours")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE topic_hours SET (fillfactor = 70)")
        op.execute("ALTER TABLE changed_days SET (fillfactor = 70)")


def _create(table: str, key: tuple[str, ...], amounts: tuple[str, ...]) -> None:
    op.create_table(
        table,
        *(sa.Column(name, sa.Integer(), autoincrement=False, nullable=False) for name in key),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in amounts),
        sa.PrimaryKeyConstraint(*key, name=op.f(f"pk_{table}")),
        sqlite_with_rowid=False,
    )


def _fill(topic: str, weight: str, rows: str) -> None:
    sums = SUMS.format(weight=weight)
    op.execute(
        f"INSERT INTO topic_hours SELECT i.timestamp / {HOUR}, {topic}, {sums} FROM {rows} GROUP BY 1, 2"  # noqa: S608
    )


def downgrade() -> None:
    op.execute("DELETE FROM totals WHERE level = -2")
    op.drop_table("changed_days")
    op.drop_table("topic_hours")
