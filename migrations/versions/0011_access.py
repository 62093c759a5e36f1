"""who may come in: API keys, accounts, sessions, tickets, log-ins that were begun, and the audit log

Revision: 0011.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _create(
        "api_keys",
        "id",
        *_words(id=16, name=100, role=10),
        _digest(),
        *_times("created_at"),
        *_words(created_by=100),
        *_times("expires_at", "revoked_at", "last_used_at", nullable=True),
    )
    _create(
        "accounts",
        "id",
        *_words(id=16, provider=20, subject=255, email=320, role=10),
        *_times("created_at", "last_login_at"),
        sa.UniqueConstraint("provider", "subject", name=op.f("uq_accounts_provider_subject")),
    )
    _create(
        "sessions",
        "digest",
        _digest(),
        *_words(account=16),
        *_times("created_at", "expires_at"),
        sa.ForeignKeyConstraint(
            ["account"], ["accounts.id"], name=op.f("fk_sessions_account"), ondelete="CASCADE"
        ),
    )
    _create("tickets", "digest", _digest(), *_words(actor=100), *_times("expires_at"))
    _create(
        "pending_logins",
        "state",
        _digest("state"),
        *_words(provider=20),
        _digest("browser"),
        *_words(nonce=100, verifier=128),
        *_times("expires_at"),
    )
    _create(
        "audit_entries",
        "number",
        sa.Column("number", NUMBER, nullable=False, autoincrement=False),
        *_times("at"),
        *_words(actor=100, action=40, target=255, outcome=100, client=100, request_id=128, secret=16),
        _digest("link"),
    )
    _create("seen_settings", "name", *_words(name=64, secret=16), _digest())
    _create(
        "access_marks", "name", *_words(name=20), *_times("number"), sa.Column("link", sa.LargeBinary(32))
    )
    for table in ("sessions", "tickets", "pending_logins"):
        op.create_index(f"ix_{table}_expires_at", table, ["expires_at"])
    op.create_index("ix_sessions_account", "sessions", ["account"])
    op.create_index("ix_audit_entries_at", "audit_entries", ["at"])
    for name in ("actor", "action"):
        op.create_index(f"ix_audit_entries_{name}", "audit_entries", [name, "number"])


def _create(table: str, key: str, *parts: sa.Column[Any] | sa.Constraint) -> None:
    op.create_table(table, *parts, sa.PrimaryKeyConstraint(key, name=op.f(f"pk_{table}")))


def _words(**lengths: int) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.String(length), nullable=False) for name, length in lengths.items()]


def _times(*names: str, nullable: bool = False) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.BigInteger(), nullable=nullable) for name in names]


def _digest(name: str = "digest") -> sa.Column[Any]:
    return sa.Column(name, sa.LargeBinary(32), nullable=False)


def downgrade() -> None:
    op.drop_table("seen_settings")
    for table in (
        "access_marks",
        "audit_entries",
        "pending_logins",
        "tickets",
        "sessions",
        "accounts",
        "api_keys",
    ):
        op.drop_table(table)
