"""which long job asked for a summary, so that the job says what its summaries cost

Revision: 0023.
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("summaries", sa.Column("job", sa.BigInteger()))


def downgrade() -> None:
    op.drop_column("summaries", "job")
