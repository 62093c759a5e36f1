"""languages of insights, and how many insights of a bucket are unsure

Revision: 0019. Insights that are there have no language, and none of them is unsure.
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

WINDOW = ["timestamp", "conversation", "sentiment", "confidence", "score"]


def upgrade() -> None:
    op.add_column("insights", sa.Column("language", sa.String(2)))
    _index_window(*WINDOW, "language")
    op.add_column("totals", sa.Column("unsure", sa.BigInteger(), nullable=False, server_default=sa.text("0")))


def downgrade() -> None:
    # The older version knows three sentiments: what was unsure is neutral there, with the confidence 0 that it has.
    op.execute(
        "INSERT INTO counts SELECT topic, level, bucket, 0, confidence, n FROM counts AS unsure WHERE sentiment = 2"
        " ON CONFLICT (topic, level, bucket, sentiment, confidence) DO UPDATE SET n = counts.n + excluded.n"
    )
    op.execute("DELETE FROM counts WHERE sentiment = 2")
    for table in ("insights", "insight_topics", "insight_metadata"):
        op.execute(f"UPDATE {table} SET sentiment = 0 WHERE sentiment = 2")  # noqa: S608  our own names
    op.drop_column("totals", "unsure")
    _index_window(*WINDOW)
    op.drop_column("insights", "language")


def _index_window(*columns: str) -> None:
    op.drop_index("ix_insights_window", "insights")
    op.create_index("ix_insights_window", "insights", [*columns])
