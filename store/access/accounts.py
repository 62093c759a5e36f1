"""Accounts: people who have logged in, told apart by provider and subject, never by their e-mail."""

from typing import NamedTuple

from sqlalchemy import Connection, select

from models import accounts

_a = accounts.c
COLUMNS = [_a[name] for name in ("id", "provider", "subject", "email", "role", "created_at", "last_login_at")]


class StoredAccount(NamedTuple):
    """A person who has logged in. Times in UTC microseconds."""

    id: str
    provider: str
    subject: str
    """The provider's lasting id of the person."""
    email: str
    role: str
    created_at: int
    last_login_at: int


def list_accounts(connection: Connection) -> list[StoredAccount]:
    """All accounts, in no order."""
    return [StoredAccount(*row) for row in connection.execute(select(*COLUMNS))]
