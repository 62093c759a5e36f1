"""hours of single topics in `totals`, as there are of all insights

Revision: 0008.
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "INSERT INTO totals SELECT topic, 0, timestamp / 3600000000, count(*),"
        " sum(CASE sentiment WHEN -1 THEN 1 ELSE 0 END), sum(CASE sentiment WHEN 1 THEN 1 ELSE 0 END), sum(score)"
        " FROM insight_topics GROUP BY 1, 3"
    )


def downgrade() -> None:
    op.execute("DELETE FROM totals WHERE topic > 0 AND level = 0")
