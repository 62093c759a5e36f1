"""topics by what they are counted as, with all that `/trends` shows of one: it reads no row of the table

Revision: 0024.
"""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_topics_shown", "topics", ["counted_as", "state", "slug"])


def downgrade() -> None:
    op.drop_index("ix_topics_shown", "topics")
