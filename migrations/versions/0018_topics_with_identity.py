"""topics with an identity: names, unions, changes and moves; and jobs of any kind

Revision: 0018.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# As SQL, because Alembic cannot add constraints to a table of SQLite.
COLUMNS = {
    "label": "VARCHAR(100)",
    "label_slug": "VARCHAR(64)",
    "description": "TEXT DEFAULT '' NOT NULL",
    "parent": "INTEGER CONSTRAINT fk_topics_parent REFERENCES topics (number)",
    "state": "VARCHAR(6) DEFAULT 'active' NOT NULL CONSTRAINT ck_topics_state"
    " CHECK (state IN ('active', 'hidden', 'merged'))",
    "origin": "VARCHAR(10) DEFAULT 'proposed' NOT NULL CONSTRAINT ck_topics_origin"
    " CHECK (origin IN ('built_in', 'proposed', 'discovered', 'human'))",
    "edited": "BOOLEAN DEFAULT false NOT NULL",
    "counted_as": "INTEGER",
    "merged_into": "INTEGER CONSTRAINT fk_topics_merged_into REFERENCES topics (number)",
    "created_at": "BIGINT",
}


def upgrade() -> None:
    for name, definition in COLUMNS.items():
        op.execute(f"ALTER TABLE topics ADD COLUMN {name} {definition}")
    op.execute("UPDATE topics SET counted_as = number")
    op.create_index("ix_topics_counted_as", "topics", ["counted_as"], unique=True)
    op.create_index("ix_topics_label_slug", "topics", ["label_slug"])
    op.create_index("ix_topics_merged_into", "topics", ["merged_into"])
    _names()
    _unions()
    _changes()
    _moves()
    _jobs()


def downgrade() -> None:
    """What was merged is apart again. Insights that were filed under an alias go by the slug of today."""
    op.drop_table("jobs")
    _without_aliases()
    for table in ("topic_moves", "topic_change_topics", "topic_changes", "union_topics"):
        op.drop_table(table)
    for table in ("counts", "totals", "topic_months", "topic_years"):
        op.execute(f"DELETE FROM {table} WHERE topic >= 1000000000")  # noqa: S608  our own names
    op.drop_table("topic_unions")
    op.drop_table("topic_names")
    for index in ("ix_topics_merged_into", "ix_topics_label_slug", "ix_topics_counted_as"):
        op.drop_index(index, table_name="topics")
    for name in reversed(COLUMNS):
        op.execute(f"ALTER TABLE topics DROP COLUMN {name}")


def _without_aliases() -> None:
    """A pass over all insights for each alias in use."""
    connection = op.get_bind()
    used = "SELECT n.name, t.slug FROM topic_names n JOIN topics t ON t.number = n.topic"
    aliases = connection.execute(sa.text(f"{used} WHERE n.is_filed AND n.name <> t.slug")).all()
    renamed = sa.text("UPDATE insights SET clusters = replace(clusters, :alias, :slug)")
    for alias, slug in aliases:
        connection.execute(renamed, {"alias": f'"{alias}"', "slug": f'"{slug}"'})


def _names() -> None:
    op.create_table(
        "topic_names",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("topic", sa.Integer(), nullable=False),
        sa.Column("is_filed", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["topic"], ["topics.number"], name=op.f("fk_topic_names_topic")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_topic_names")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_topic_names_topic", "topic_names", ["topic"])
    op.execute("INSERT INTO topic_names (name, topic, is_filed) SELECT slug, number, true FROM topics")


def _unions() -> None:
    op.create_table(
        "topic_unions",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("built_at", sa.BigInteger()),
        sa.Column("built_number", sa.BigInteger()),
        sa.CheckConstraint(
            "state IN ('building', 'live', 'dropped', 'gone')", name=op.f("ck_topic_unions_state")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_topic_unions")),
    )
    op.create_table(
        "union_topics",
        sa.Column("whole", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("topic", sa.Integer(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["whole"], ["topic_unions.number"], name=op.f("fk_union_topics_whole")),
        sa.ForeignKeyConstraint(["topic"], ["topics.number"], name=op.f("fk_union_topics_topic")),
        sa.PrimaryKeyConstraint("whole", "topic", name=op.f("pk_union_topics")),
        sqlite_with_rowid=False,
    )


def _changes() -> None:
    op.create_table(
        "topic_changes",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(100), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("topic", sa.Integer(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("undone_at", sa.BigInteger()),
        sa.Column("undone_by", sa.String(100)),
        sa.ForeignKeyConstraint(["topic"], ["topics.number"], name=op.f("fk_topic_changes_topic")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_topic_changes")),
        sqlite_autoincrement=True,
    )
    standing = sa.text("undone_at IS NULL")
    op.create_index(
        "ix_topic_changes_standing",
        "topic_changes",
        ["number"],
        sqlite_where=standing,
        postgresql_where=standing,
    )
    op.create_table(
        "topic_change_topics",
        sa.Column("topic", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("change", sa.Integer(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["topic"], ["topics.number"], name=op.f("fk_topic_change_topics_topic")),
        sa.ForeignKeyConstraint(
            ["change"], ["topic_changes.number"], name=op.f("fk_topic_change_topics_change")
        ),
        sa.PrimaryKeyConstraint("topic", "change", name=op.f("pk_topic_change_topics")),
        sqlite_with_rowid=False,
    )


def _moves() -> None:
    op.create_table(
        "topic_moves",
        sa.Column("change", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("conversation", NUMBER, autoincrement=False, nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["change"], ["topic_changes.number"], name=op.f("fk_topic_moves_change")),
        sa.ForeignKeyConstraint(
            ["conversation"],
            ["conversations.number"],
            name=op.f("fk_topic_moves_conversation"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("change", "conversation", name=op.f("pk_topic_moves")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_topic_moves_conversation", "topic_moves", ["conversation"])


def _jobs() -> None:
    statuses = "'queued', 'processing', 'paused', 'completed', 'capped', 'cancelled', 'failed'"
    due = sa.text("run_at IS NOT NULL")
    op.create_table(
        "jobs",
        sa.Column("number", NUMBER, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(30), nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("run_at", sa.BigInteger()),
        sa.Column("lease", sa.String(32)),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("revision", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("parameters", sa.Text(), nullable=False),
        sa.Column("state", sa.Text()),
        sa.Column("done", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("total", sa.BigInteger()),
        sa.Column("cost_ticks", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("conversations", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(100), nullable=False),
        sa.Column("ended_at", sa.BigInteger()),
        sa.CheckConstraint(f"status IN ({statuses})", name=op.f("ck_jobs_status")),
        sa.CheckConstraint(
            "(run_at IS NOT NULL) = (status IN ('queued', 'processing'))",
            name=op.f("ck_jobs_only_open_ones_are_due"),
        ),
        sa.CheckConstraint(
            "(lease IS NOT NULL) = (status = 'processing')", name=op.f("ck_jobs_processing_is_leased")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_jobs")),
        sa.UniqueConstraint("id", name=op.f("uq_jobs_id")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_jobs_due", "jobs", ["run_at", "number"], sqlite_where=due, postgresql_where=due)
