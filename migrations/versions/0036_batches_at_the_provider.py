"""batches at the provider: what can wait, the batches, their requests and conversations, and what they cost

Revision: 0036.
"""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None
Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
COUNTED = ("requests", "answered", "conversations", "stored", "dropped", "cost_ticks")
SPENT = ("batch_calls", "batch_spent")


def upgrade() -> None:
    for table in ("conversations", "reanalyses", "reanalysis_items"):
        op.add_column(table, sa.Column("freshness", sa.String(5)))
    op.add_column("reanalyses", sa.Column("lane_until", sa.BigInteger()))
    op.add_column("erasures", sa.Column("kept_until", sa.BigInteger()))
    for name in SPENT:
        op.add_column(
            "spending", sa.Column(name, sa.BigInteger(), nullable=False, server_default=sa.text("0"))
        )
    _index_again(["status", "number", "freshness"], ["freshness", "run_at", "conversation"])
    _partial(
        "ix_conversations_can_wait",
        "conversations",
        ["freshness", "run_at", "number"],
        "freshness IS NOT NULL AND status = 'queued'",
    )
    _create_batches()
    _create_requests()


def downgrade() -> None:
    op.drop_table("batch_items")
    op.drop_table("batch_requests")
    op.drop_table("provider_batches")
    op.drop_index("ix_conversations_can_wait", table_name="conversations")
    _index_again(["status", "number"], ["run_at", "conversation"])
    for name in SPENT:
        op.drop_column("spending", name)
    op.drop_column("erasures", "kept_until")
    op.drop_column("reanalyses", "lane_until")
    for table in ("conversations", "reanalyses", "reanalysis_items"):
        op.drop_column(table, "freshness")


def _index_again(of_conversations: list[str], of_items: list[str]) -> None:
    op.drop_index("ix_conversations_status", table_name="conversations")
    _partial("ix_conversations_status", "conversations", of_conversations, "status != 'completed'")
    op.drop_index("ix_reanalysis_items_due", table_name="reanalysis_items")
    _partial("ix_reanalysis_items_due", "reanalysis_items", of_items, "run_at IS NOT NULL")


def _partial(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def _create_batches() -> None:
    op.create_table(
        "provider_batches",
        sa.Column("number", Number, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(40), nullable=False, unique=True),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("run_at", sa.BigInteger()),
        sa.Column("lease", sa.String(32)),
        sa.Column("failures", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("revision", sa.Integer(), nullable=False, server_default=sa.text("1")),
        sa.Column("stage", sa.String(10), nullable=False),
        sa.Column("holder", sa.String(32), nullable=False),
        sa.Column("provider_id", sa.String(200)),
        sa.Column("is_tried", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("reanalysis", Number),
        sa.Column("model", sa.String(100), nullable=False),
        sa.Column("prompt_version", sa.String(40), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("deadline", sa.BigInteger(), nullable=False),
        sa.Column("kept_until", sa.BigInteger(), nullable=False),
        sa.Column("cancelled_by", sa.String(100)),
        sa.Column("seen", sa.Text()),
        sa.Column("seen_at", sa.BigInteger()),
        sa.Column("error", sa.String(300)),
        sa.Column("ended_at", sa.BigInteger()),
        *(sa.Column(name, sa.BigInteger(), nullable=False, server_default=sa.text("0")) for name in COUNTED),
        sa.CheckConstraint("status IN ('queued', 'processing', 'completed')", name="status"),
        sa.CheckConstraint("(run_at IS NULL) = (status = 'completed')", name="ended_is_never_due"),
        sa.CheckConstraint("(lease IS NOT NULL) = (status = 'processing')", name="processing_is_leased"),
        sa.CheckConstraint("(status = 'completed') = (stage = 'ended')", name="ended_is_completed"),
        sqlite_autoincrement=True,
    )
    _partial("ix_provider_batches_due", "provider_batches", ["run_at", "number"], "run_at IS NOT NULL")


def _create_requests() -> None:
    op.create_table(
        "batch_requests",
        sa.Column("call", Number, primary_key=True, autoincrement=False),
        sa.Column("batch", Number, nullable=False),
        sa.Column("state", sa.String(7), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("reserved_ticks", sa.BigInteger(), nullable=False),
        sa.Column("conversations", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text()),
        sa.CheckConstraint("state IN ('packed', 'tried', 'sent', 'settled')", name="state"),
    )
    op.create_index("ix_batch_requests_batch", "batch_requests", ["batch", "state", "call"])
    op.create_table(
        "batch_items",
        sa.Column("call", Number, primary_key=True, autoincrement=False),
        sa.Column("position", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("conversation", Number, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("message_count", sa.Integer(), nullable=False),
        sa.Column("partial", sa.Boolean(), nullable=False),
        sa.Column("cache_key", sa.LargeBinary(33)),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_batch_items_conversation", "batch_items", ["conversation"])
