"""topics by the year

Revision: 0004.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "topic_years",
        sa.Column("year", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("topic", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("year", "topic", name=op.f("pk_topic_years")),
        sqlite_with_rowid=False,
    )
    # Months are counted from 1970.
    op.execute("INSERT INTO topic_years SELECT month / 12, topic, sum(n) FROM topic_months GROUP BY 1, 2")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE topic_years SET (fillfactor = 70)")


def downgrade() -> None:
    op.drop_table("topic_years")
