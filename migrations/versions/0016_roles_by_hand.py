"""who gave an account its role, where it was an admin and not the settings

Revision: 0016.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("accounts", sa.Column("role_by", sa.String(100)))


def downgrade() -> None:
    op.drop_column("accounts", "role_by")
