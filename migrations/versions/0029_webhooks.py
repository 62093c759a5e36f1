"""receivers of events, and what is to be delivered to them

Revision: 0029.
"""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0027"
branch_labels = None
depends_on = None
Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
PENDING = sa.text("next_at IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("number", Number, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(40), nullable=False, unique=True),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("run_at", sa.BigInteger()),
        sa.Column("lease", sa.String(32)),
        sa.Column("failures", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("revision", sa.Integer(), nullable=False, server_default=sa.text("1")),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("events", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(100), nullable=False),
        sa.Column("succeeded_at", sa.BigInteger()),
        sa.Column("disabled_at", sa.BigInteger()),
        sa.Column("disabled_reason", sa.String(300)),
        sa.CheckConstraint("status IN ('queued', 'processing', 'disabled')", name="status"),
        sa.CheckConstraint("(run_at IS NULL) = (status = 'disabled')", name="disabled_is_never_due"),
        sa.CheckConstraint("(lease IS NOT NULL) = (status = 'processing')", name="processing_is_leased"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("number", Number, primary_key=True, autoincrement=True),
        sa.Column("webhook", Number, nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("type", sa.String(30), nullable=False),
        sa.Column("subject", sa.String(60), nullable=False),
        sa.Column("conversation", Number),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(9), nullable=False, server_default=sa.text("'pending'")),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("next_at", sa.BigInteger()),
        sa.Column("tried_at", sa.BigInteger()),
        sa.Column("ended_at", sa.BigInteger()),
        sa.Column("outcome", sa.String(20)),
        sa.Column("answer", sa.Integer()),
        sa.Column("error", sa.String(300)),
        sa.UniqueConstraint("webhook", "id"),
        sa.CheckConstraint("state IN ('pending', 'delivered', 'failed')", name="state"),
        sa.CheckConstraint("(next_at IS NOT NULL) = (state = 'pending')", name="pending_is_due"),
        sqlite_autoincrement=True,
    )
    table = "webhook_deliveries"
    op.create_index(f"ix_{table}_webhook", table, ["webhook", "number"])
    for name, columns, where in (
        ("pending", ["webhook", "number"], PENDING),
        ("subject", ["webhook", "subject", "number"], PENDING),
        ("conversation", ["conversation"], sa.text("conversation IS NOT NULL")),
        ("ended_at", ["ended_at"], sa.text("ended_at IS NOT NULL")),
    ):
        op.create_index(f"ix_{table}_{name}", table, columns, sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    op.drop_table("webhook_deliveries")
    op.drop_table("webhooks")
