"""what there is of a summary while it is being written, for listeners that other processes have

Revision: 0027.
"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("summaries", sa.Column("draft", sa.Text()))


def downgrade() -> None:
    op.drop_column("summaries", "draft")
