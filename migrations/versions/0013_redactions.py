"""what was redacted in a conversation, counted by kind

Revision: 0013.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # No row is rewritten, on either database.
    op.add_column("conversations", sa.Column("redactions", sa.Text()))


def downgrade() -> None:
    op.drop_column("conversations", "redactions")
