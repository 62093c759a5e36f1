"""re-analyses: long jobs that analyse conversations again, and the conversations that they have chosen

Revision: 0034.
"""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None
Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
COUNTED = ("cost_ticks", "reserved_ticks", "changed", "unchanged", "dropped", "failed")


def upgrade() -> None:
    op.create_table(
        "reanalyses",
        sa.Column("job", Number, sa.ForeignKey("jobs.number"), primary_key=True, autoincrement=False),
        sa.Column("wanted", sa.String(10), nullable=False),
        sa.Column("sample", sa.Integer()),
        sa.Column("cap_ticks", sa.BigInteger()),
        *(sa.Column(name, sa.BigInteger(), nullable=False, server_default=sa.text("0")) for name in COUNTED),
        sa.Column("is_spent", sa.Boolean(), nullable=False, server_default=sa.text("false")),
    )
    op.create_table(
        "reanalysis_items",
        sa.Column("conversation", Number, primary_key=True, autoincrement=False),
        sa.Column("job", Number, nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("run_at", sa.BigInteger()),
        sa.Column("lease", sa.String(32)),
        sa.Column("failures", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("revision", sa.Integer(), nullable=False, server_default=sa.text("1")),
        sa.Column("pack_limit", sa.Integer()),
        sa.Column("change", sa.Text()),
    )
    is_due = sa.text("run_at IS NOT NULL")
    op.create_index(
        "ix_reanalysis_items_due",
        "reanalysis_items",
        ["run_at", "conversation"],
        sqlite_where=is_due,
        postgresql_where=is_due,
    )
    op.create_index("ix_reanalysis_items_job", "reanalysis_items", ["job", "conversation"])


def downgrade() -> None:
    op.drop_table("reanalysis_items")
    op.drop_table("reanalyses")
