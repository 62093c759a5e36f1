"""an index of the answers that could not be read, by which a deletion finds them

Revision: 0005.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    only = sa.text("body IS NOT NULL")
    op.create_index(
        "ix_grok_calls_body", "grok_calls", ["started_at"], sqlite_where=only, postgresql_where=only
    )


def downgrade() -> None:
    op.drop_index("ix_grok_calls_body", table_name="grok_calls")
