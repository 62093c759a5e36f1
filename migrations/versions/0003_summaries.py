"""summaries: a second queue, the parts of long chats, and what summaries cost

Revision: 0003.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SPENDING = ("summary_calls", "summary_spent")


def upgrade() -> None:
    op.create_table(
        "summaries",
        sa.Column(
            "conversation",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("run_at", sa.BigInteger(), nullable=True),
        sa.Column("lease", sa.String(length=32), nullable=True),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("revision", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("made_from", sa.Integer(), nullable=True),
        sa.Column("message_count", sa.Integer(), nullable=True),
        sa.Column("content", sa.Text(), nullable=True),
        sa.Column("analyzer", sa.String(length=20), nullable=True),
        sa.Column("model", sa.String(length=100), nullable=True),
        sa.Column("raw", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "status IN ('queued', 'processing', 'completed', 'failed')", name=op.f("ck_summaries_status")
        ),
        sa.CheckConstraint(
            "(run_at IS NOT NULL) = (status IN ('queued', 'processing'))",
            name=op.f("ck_summaries_ended_is_never_due"),
        ),
        sa.CheckConstraint(
            "(lease IS NOT NULL) = (status = 'processing')", name=op.f("ck_summaries_processing_is_leased")
        ),
        sa.CheckConstraint(
            "(made_from IS NULL) = (content IS NULL)", name=op.f("ck_summaries_made_from_something")
        ),
        sa.ForeignKeyConstraint(
            ["conversation"],
            ["conversations.number"],
            name=op.f("fk_summaries_conversation"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("conversation", name=op.f("pk_summaries")),
    )
    op.create_index(
        "ix_summaries_due",
        "summaries",
        ["run_at", "conversation"],
        unique=False,
        sqlite_where=sa.text("run_at IS NOT NULL"),
        postgresql_where=sa.text("run_at IS NOT NULL"),
    )
    op.create_table(
        "summary_parts",
        sa.Column(
            "conversation",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("first", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.String(length=200), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("analyzer", sa.String(length=20), nullable=False),
        sa.Column("model", sa.String(length=100), nullable=False),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation"],
            ["summaries.conversation"],
            name=op.f("fk_summary_parts_conversation"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("conversation", "first", "last", name=op.f("pk_summary_parts")),
    )
    for name in SPENDING:
        op.add_column(
            "spending", sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False)
        )


def downgrade() -> None:
    for name in reversed(SPENDING):
        op.drop_column("spending", name)
    op.drop_table("summary_parts")
    op.drop_index(
        "ix_summaries_due",
        table_name="summaries",
        sqlite_where=sa.text("run_at IS NOT NULL"),
        postgresql_where=sa.text("run_at IS NOT NULL"),
    )
    op.drop_table("summaries")
