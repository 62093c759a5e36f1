"""the first tables

Revision: 0001.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STORAGE = (
    # New rows are counted at the windows' edges: after a vacuum their index entries are read without the heap.
    "ALTER TABLE insights SET (autovacuum_vacuum_insert_threshold = 10000, autovacuum_vacuum_insert_scale_factor = 0)",
    "ALTER TABLE insight_topics"
    " SET (autovacuum_vacuum_insert_threshold = 10000, autovacuum_vacuum_insert_scale_factor = 0)",
    # Free space in each page, so that a count is updated in place.
    "ALTER TABLE counts SET (fillfactor = 70)",
    "ALTER TABLE totals SET (fillfactor = 70)",
    "ALTER TABLE topic_months SET (fillfactor = 70)",
)


def _tune_postgresql() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for statement in STORAGE:
            op.execute(statement)


def upgrade() -> None:
    op.create_table(
        "asking",
        sa.Column("cache_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("lease", sa.String(length=32), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("cache_key", name=op.f("pk_asking")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "conversations",
        sa.Column(
            "number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("id", sa.String(length=128), nullable=False),
        sa.Column("external_id", sa.String(length=255), nullable=True),
        sa.Column("idempotency_key", sa.String(length=270), nullable=True),
        sa.Column("content_hash", sa.LargeBinary(length=32), nullable=True),
        sa.Column("author", sa.String(length=255), nullable=True),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("is_chat", sa.Boolean(), nullable=False),
        sa.Column("raw_data", sa.Text(), nullable=True),
        sa.Column("metadata", sa.Text(), nullable=True),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("run_at", sa.BigInteger(), nullable=True),
        sa.Column("lease", sa.String(length=32), nullable=True),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("revision", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("pack_limit", sa.Integer(), nullable=True),
        sa.Column("waits_for", sa.LargeBinary(length=32), nullable=True),
        sa.Column("pass_prefilter", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("pass_cache", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(lease IS NOT NULL) = (status = 'processing')",
            name=op.f("ck_conversations_processing_is_leased"),
        ),
        sa.CheckConstraint(
            "(run_at IS NOT NULL) = (status IN ('queued', 'processing'))",
            name=op.f("ck_conversations_ended_is_never_due"),
        ),
        sa.CheckConstraint(
            "status IN ('queued', 'processing', 'completed', 'failed', 'skipped')",
            name=op.f("ck_conversations_status"),
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_conversations")),
        sa.UniqueConstraint("id", name=op.f("uq_conversations_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_conversations_author",
        "conversations",
        ["author", "number"],
        unique=False,
        sqlite_where=sa.text("author IS NOT NULL"),
        postgresql_where=sa.text("author IS NOT NULL"),
    )
    op.create_index(
        "ix_conversations_due",
        "conversations",
        ["run_at", "number"],
        unique=False,
        sqlite_where=sa.text("run_at IS NOT NULL"),
        postgresql_where=sa.text("run_at IS NOT NULL"),
    )
    op.create_index(
        "ix_conversations_external_id",
        "conversations",
        ["external_id"],
        unique=True,
        sqlite_where=sa.text("external_id IS NOT NULL"),
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    op.create_index(
        "ix_conversations_idempotency_key",
        "conversations",
        ["idempotency_key"],
        unique=True,
        sqlite_where=sa.text("idempotency_key IS NOT NULL"),
        postgresql_where=sa.text("idempotency_key IS NOT NULL"),
    )
    op.create_index(
        "ix_conversations_skipped",
        "conversations",
        ["timestamp"],
        unique=False,
        sqlite_where=sa.text("status = 'skipped'"),
        postgresql_where=sa.text("status = 'skipped'"),
    )
    op.create_index(
        "ix_conversations_status",
        "conversations",
        ["status", "number"],
        unique=False,
        sqlite_where=sa.text("status != 'completed'"),
        postgresql_where=sa.text("status != 'completed'"),
    )
    op.create_index(
        "ix_conversations_waits_for",
        "conversations",
        ["waits_for"],
        unique=False,
        sqlite_where=sa.text("waits_for IS NOT NULL"),
        postgresql_where=sa.text("waits_for IS NOT NULL"),
    )
    op.create_table(
        "counts",
        sa.Column("topic", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("level", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("bucket", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sentiment", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("confidence", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "topic", "level", "bucket", "sentiment", "confidence", name=op.f("pk_counts")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "grok_calls",
        sa.Column(
            "number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("provider", sa.String(length=20), nullable=False),
        sa.Column("model", sa.String(length=100), nullable=False),
        sa.Column("conversations", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.String(length=20), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("request_id", sa.String(length=200), nullable=True),
        sa.Column("prompt_tokens", sa.Integer(), nullable=True),
        sa.Column("cached_tokens", sa.Integer(), nullable=True),
        sa.Column("completion_tokens", sa.Integer(), nullable=True),
        sa.Column("reasoning_tokens", sa.Integer(), nullable=True),
        sa.Column("cost_ticks", sa.BigInteger(), nullable=True),
        sa.Column("reserved_ticks", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_grok_calls")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "spending",
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("spent", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("reserved", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("calls", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("cached_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("completion_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("analysed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("cached", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("skipped", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("reserved >= 0", name=op.f("ck_spending_settled_once")),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_spending")),
    )
    op.create_table(
        "switches",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("is_on", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_switches")),
    )
    op.create_table(
        "topic_months",
        sa.Column("month", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("topic", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("month", "topic", name=op.f("pk_topic_months")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "topics",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.CheckConstraint("number > 0", name=op.f("ck_topics_pseudo_topics_are_not_stored")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_topics")),
        sa.UniqueConstraint("slug", name=op.f("uq_topics_slug")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "totals",
        sa.Column("topic", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("level", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("bucket", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sentiment", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("score_sum", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("topic", "level", "bucket", "sentiment", name=op.f("pk_totals")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "insight_topics",
        sa.Column("topic", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("timestamp", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "conversation",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("sentiment", sa.SmallInteger(), nullable=False),
        sa.Column("confidence", sa.SmallInteger(), nullable=False),
        sa.Column("score", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(["topic"], ["topics.number"], name=op.f("fk_insight_topics_topic")),
        sa.PrimaryKeyConstraint("topic", "timestamp", "conversation", name=op.f("pk_insight_topics")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "insights",
        sa.Column(
            "conversation",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.Column("author", sa.String(length=255), nullable=True),
        sa.Column("score", sa.SmallInteger(), nullable=False),
        sa.Column("sentiment", sa.SmallInteger(), nullable=False),
        sa.Column("confidence", sa.SmallInteger(), nullable=False),
        sa.Column("clusters", sa.Text(), nullable=False),
        sa.Column("reasoning", sa.Text(), nullable=False),
        sa.Column("analyzer", sa.String(length=20), nullable=False),
        sa.Column("model", sa.String(length=100), nullable=False),
        sa.Column("cached", sa.Boolean(), nullable=False),
        sa.Column("partial", sa.Boolean(), nullable=False),
        sa.Column("analysed_at", sa.BigInteger(), nullable=False),
        sa.Column("call", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.Column("cache_key", sa.LargeBinary(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["conversation"],
            ["conversations.number"],
            name=op.f("fk_insights_conversation"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("conversation", name=op.f("pk_insights")),
    )
    op.create_index("ix_insights_analysed_at", "insights", ["analysed_at", "conversation"], unique=False)
    op.create_index(
        "ix_insights_author",
        "insights",
        ["author", "timestamp", "conversation", "sentiment", "confidence"],
        unique=False,
        sqlite_where=sa.text("author IS NOT NULL"),
        postgresql_where=sa.text("author IS NOT NULL"),
    )
    op.create_index(
        "ix_insights_cache_key",
        "insights",
        ["cache_key", "analysed_at"],
        unique=False,
        sqlite_where=sa.text("cache_key IS NOT NULL"),
        postgresql_where=sa.text("cache_key IS NOT NULL"),
    )
    op.create_index(
        "ix_insights_window",
        "insights",
        ["timestamp", "conversation", "sentiment", "confidence", "score"],
        unique=False,
    )
    op.create_table(
        "messages",
        sa.Column("conversation", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.String(length=255), nullable=True),
        sa.Column("author", sa.String(length=255), nullable=True),
        sa.Column("role", sa.String(length=13), nullable=True),
        sa.Column("timestamp", sa.BigInteger(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.CheckConstraint("role IN ('customer', 'support_agent')", name=op.f("ck_messages_role")),
        sa.ForeignKeyConstraint(
            ["conversation"],
            ["conversations.number"],
            name=op.f("fk_messages_conversation"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("conversation", "position", name=op.f("pk_messages")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_messages_message_id",
        "messages",
        ["conversation", "message_id"],
        unique=True,
        sqlite_where=sa.text("message_id IS NOT NULL"),
        postgresql_where=sa.text("message_id IS NOT NULL"),
    )
    _tune_postgresql()


def downgrade() -> None:
    op.drop_index(
        "ix_messages_message_id",
        table_name="messages",
        sqlite_where=sa.text("message_id IS NOT NULL"),
        postgresql_where=sa.text("message_id IS NOT NULL"),
    )
    op.drop_table("messages")
    op.drop_index("ix_insights_window", table_name="insights")
    op.drop_index(
        "ix_insights_cache_key",
        table_name="insights",
        sqlite_where=sa.text("cache_key IS NOT NULL"),
        postgresql_where=sa.text("cache_key IS NOT NULL"),
    )
    op.drop_index(
        "ix_insights_author",
        table_name="insights",
        sqlite_where=sa.text("author IS NOT NULL"),
        postgresql_where=sa.text("author IS NOT NULL"),
    )
    op.drop_index("ix_insights_analysed_at", table_name="insights")
    op.drop_table("insights")
    op.drop_table("insight_topics")
    op.drop_table("totals")
    op.drop_table("topics")
    op.drop_table("topic_months")
    op.drop_table("switches")
    op.drop_table("spending")
    op.drop_table("grok_calls")
    op.drop_table("counts")
    op.drop_index(
        "ix_conversations_waits_for",
        table_name="conversations",
        sqlite_where=sa.text("waits_for IS NOT NULL"),
        postgresql_where=sa.text("waits_for IS NOT NULL"),
    )
    op.drop_index(
        "ix_conversations_status",
        table_name="conversations",
        sqlite_where=sa.text("status != 'completed'"),
        postgresql_where=sa.text("status != 'completed'"),
    )
    op.drop_index(
        "ix_conversations_skipped",
        table_name="conversations",
        sqlite_where=sa.text("status = 'skipped'"),
        postgresql_where=sa.text("status = 'skipped'"),
    )
    op.drop_index(
        "ix_conversations_idempotency_key",
        table_name="conversations",
        sqlite_where=sa.text("idempotency_key IS NOT NULL"),
        postgresql_where=sa.text("idempotency_key IS NOT NULL"),
    )
    op.drop_index(
        "ix_conversations_external_id",
        table_name="conversations",
        sqlite_where=sa.text("external_id IS NOT NULL"),
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    op.drop_index(
        "ix_conversations_due",
        table_name="conversations",
        sqlite_where=sa.text("run_at IS NOT NULL"),
        postgresql_where=sa.text("run_at IS NOT NULL"),
    )
    op.drop_index(
        "ix_conversations_author",
        table_name="conversations",
        sqlite_where=sa.text("author IS NOT NULL"),
        postgresql_where=sa.text("author IS NOT NULL"),
    )
    op.drop_table("conversations")
    op.drop_table("asking")
