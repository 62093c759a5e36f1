"""alerts: rules over what is counted anyway, with their states

Revision: 0030.
"""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None
Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("number", Number, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(40), nullable=False, unique=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("metric", sa.String(20), nullable=False),
        sa.Column("topic", sa.String(64)),
        sa.Column("window", sa.BigInteger(), nullable=False),
        sa.Column("direction", sa.String(5), nullable=False),
        sa.Column("threshold", sa.Float(), nullable=False),
        sa.Column("resolve_threshold", sa.Float(), nullable=False),
        sa.Column("minimum_count", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(6), nullable=False, server_default=sa.text("'ok'")),
        sa.Column("calm_since", sa.BigInteger()),
        sa.Column("value", sa.Float()),
        sa.Column("n", sa.BigInteger()),
        sa.Column("looked_at", sa.BigInteger()),
        sa.Column("fired_at", sa.BigInteger()),
        sa.Column("resolved_at", sa.BigInteger()),
        sa.Column("firings", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(100), nullable=False),
        sa.CheckConstraint("state IN ('ok', 'firing')", name="state"),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    op.drop_table("alerts")
