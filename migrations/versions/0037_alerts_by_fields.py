"""alerts over the insights with a value of a field

Revision: 0037.
"""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("alerts", sa.Column("field", sa.String(80)))


def downgrade() -> None:
    op.execute("DELETE FROM alerts WHERE field IS NOT NULL OR metric = 'share'")
    op.drop_column("alerts", "field")
