"""answers to fields of one's own, and what insights are filed under by them

Revision: 0035.
"""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None
Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
FIRST_TOPIC = -1
"""What has a lower number in `counts` and `totals` is a value of a field."""


def upgrade() -> None:
    for table in ("insights", "insight_versions"):
        op.add_column(table, sa.Column("fields", sa.Text()))
        op.add_column(table, sa.Column("fields_version", sa.String(12)))
    op.add_column("insights", sa.Column("filed_fields", sa.Text()))
    op.create_table(
        "field_versions",
        sa.Column("version", sa.String(12), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_field_versions")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "field_version_counts",
        sa.Column("version", sa.String(12), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_field_version_counts")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "field_values",
        sa.Column("field", sa.String(32), nullable=False),
        sa.Column("value", sa.String(40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("field", "value", name=op.f("pk_field_values")),
        sa.UniqueConstraint("number", name=op.f("uq_field_values_number")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "insight_fields",
        sa.Column("value", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("timestamp", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("conversation", Number, autoincrement=False, nullable=False),
        *(
            sa.Column(name, sa.SmallInteger(), nullable=False)
            for name in ("sentiment", "confidence", "score")
        ),
        sa.Column("number", sa.Float()),
        sa.PrimaryKeyConstraint("value", "timestamp", "conversation", name=op.f("pk_insight_fields")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    for table in ("counts", "totals"):
        op.execute(f"DELETE FROM {table} WHERE topic < {FIRST_TOPIC}")  # noqa: S608
    for table in ("insight_fields", "field_values", "field_version_counts", "field_versions"):
        op.drop_table(table)
    op.drop_column("insights", "filed_fields")
    for table in ("insight_versions", "insights"):
        op.drop_column(table, "fields_version")
        op.drop_column(table, "fields")
