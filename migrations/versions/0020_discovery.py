"""discovery: its runs, and the groups of conversations that it proposes as topics

Revision: 0020.
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

COUNTED = ("size", "people", "now", "before")


def upgrade() -> None:
    op.create_table(
        "discovery_runs",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("scope", sa.String(64), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("start_time", "end_time")),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("conversations", "ended_at")),
        sa.PrimaryKeyConstraint("number", name="pk_discovery_runs"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_discovery_runs_scope", "discovery_runs", ["scope", "number"])
    op.create_table(
        "topic_proposals",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("scope", sa.String(64), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("name", "description")),
        sa.Column("named_by", sa.String(20), nullable=True),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("words", "centroid")),
        sa.Column("members", sa.LargeBinary(), nullable=False),
        sa.Column("examples", sa.Text(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in COUNTED),
        sa.Column("p", sa.Float(), nullable=False),
        sa.Column("grew", sa.Boolean(), nullable=False),
        sa.Column("part_of", sa.Integer(), nullable=True),
        sa.Column("came_from", sa.Text(), nullable=False),
        sa.Column("went_to", sa.Text(), nullable=True),
        sa.Column("topic", sa.Integer(), nullable=True),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("first_seen", "last_seen")),
        sa.Column("decided_by", sa.String(100), nullable=True),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "state IN ('proposed', 'accepted', 'rejected', 'unlisted')", name=op.f("ck_topic_proposals_state")
        ),
        sa.ForeignKeyConstraint(["topic"], ["topics.number"], name="fk_topic_proposals_topic"),
        sa.PrimaryKeyConstraint("number", name="pk_topic_proposals"),
        sa.UniqueConstraint("id", name="uq_topic_proposals_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_topic_proposals_run", "topic_proposals", ["scope", "run"])
    op.create_index("ix_topic_proposals_state", "topic_proposals", ["state", "size", "number"])


def downgrade() -> None:
    op.drop_table("topic_proposals")
    op.drop_table("discovery_runs")
