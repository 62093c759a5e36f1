"""indexes to sort insights by score and confidence and to filter them by maker, and keys of senders' metadata

Revision: 0010.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

COVERED = ["sentiment", "confidence", "score"]
PLACE = ["timestamp", "conversation"]


def upgrade() -> None:
    # A few seconds for each index with a million insights.
    op.create_index("ix_insights_score", "insights", ["score", *PLACE, "sentiment", "confidence"])
    op.create_index("ix_insights_confidence", "insights", ["confidence", *PLACE, "sentiment"])
    op.create_index("ix_insights_maker", "insights", ["analyzer", "model", *PLACE, *COVERED])
    op.create_table(
        "metadata_keys",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("filed_through", sa.BigInteger()),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_metadata_keys")),
    )
    op.create_table(
        "insight_metadata",
        sa.Column(
            "conversation",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("value", sa.String(255), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.SmallInteger(), nullable=False) for name in COVERED),
        sa.ForeignKeyConstraint(
            ["conversation"],
            ["conversations.number"],
            name=op.f("fk_insight_metadata_conversation"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("conversation", "key", name=op.f("pk_insight_metadata")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_insight_metadata_value", "insight_metadata", ["key", "value", *PLACE, *COVERED])


def downgrade() -> None:
    op.drop_table("insight_metadata")
    op.drop_table("metadata_keys")
    for name in ("maker", "confidence", "score"):
        op.drop_index(f"ix_insights_{name}", table_name="insights")
