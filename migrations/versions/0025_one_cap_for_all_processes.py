"""when calls left last, and what is known of each provider, for all processes on a database

Revision: 0025.
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    times = sa.ARRAY(sa.BigInteger()).with_variant(sa.JSON(), "sqlite")
    op.create_table(
        "departures",
        sa.Column("provider", sa.String(20), nullable=False),
        sa.Column("times", times, nullable=False),
        sa.PrimaryKeyConstraint("provider", name=op.f("pk_departures")),
    )
    op.create_table(
        "provider_states",
        sa.Column("provider", sa.String(20), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("circuit", sa.String(10), nullable=False, server_default=sa.text("'closed'")),
        sa.Column("reason", sa.Text()),
        *(
            sa.Column(name, sa.BigInteger(), nullable=False, server_default=sa.text("0"))
            for name in ("faults", "closings", "probes", "probe_at", "paused_until")
        ),
        sa.Column("doubted_at", sa.BigInteger()),
        sa.Column("pause_reason", sa.Text()),
        sa.PrimaryKeyConstraint("provider", name=op.f("pk_provider_states")),
    )


def downgrade() -> None:
    op.drop_table("provider_states")
    op.drop_table("departures")
