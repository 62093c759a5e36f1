"""Accounts: people who have logged in, told apart by provider and subject, never by their e-mail."""

from typing import NamedTuple

from sqlalchemy import Connection, delete, select, update

from models import accounts, tickets
from store.access import marks
from store.engine.dialect import insert_on_conflict

_a = accounts.c
COLUMNS = [
    _a[name]
    for name in ("id", "provider", "subject", "email", "role", "created_at", "last_login_at", "role_by")
]


class StoredAccount(NamedTuple):
    """A person who has logged in. Times in UTC microseconds."""

    id: str
    provider: str
    """Its name; of one that OIDC_ISSUER names, `oidc:` and what tells that issuer from others."""
    subject: str
    """The provider's lasting id of the person."""
    email: str
    role: str
    created_at: int
    last_login_at: int
    role_by: str | None = None
    """The admin who gave the role; None if the settings did."""


def list_accounts(connection: Connection) -> list[StoredAccount]:
    """All accounts, in no order."""
    return [StoredAccount(*row) for row in connection.execute(select(*COLUMNS))]


def enter(connection: Connection, person: StoredAccount) -> StoredAccount:
    """Store a log-in, and give the account as it is then.

    It is the one of this provider and subject, and new if there is none. A role that an admin gave stays.
    """
    absent = insert_on_conflict(connection.dialect.name, accounts).values(person._asdict())
    connection.execute(absent.on_conflict_do_nothing(index_elements=["provider", "subject"]))
    known = (_a.provider == person.provider) & (_a.subject == person.subject)
    changed = {"email": person.email, "last_login_at": person.last_login_at}
    connection.execute(update(accounts).where(known).values(changed))
    connection.execute(update(accounts).where(known & _a.role_by.is_(None)).values(role=person.role))
    marks.changed(connection)
    return StoredAccount(*connection.execute(select(*COLUMNS).where(known)).one())


def set_role(connection: Connection, id_: str, role: str, by: str) -> tuple[str, StoredAccount] | None:
    """Give an account a role by hand; the role it had and the account as it is then. None if there is none."""
    own = _a.id == id_
    before = connection.execute(select(_a.role).where(own).with_for_update()).scalar_one_or_none()
    if before is None:
        return None
    connection.execute(update(accounts).where(own).values(role=role, role_by=by))
    marks.changed(connection)
    return before, StoredAccount(*connection.execute(select(*COLUMNS).where(own)).one())


def forget(connection: Connection, id_: str) -> bool:
    """Take out an account with its sessions and tickets. False if there is none."""
    if not connection.execute(delete(accounts).where(_a.id == id_)).rowcount:
        return False
    connection.execute(delete(tickets).where(tickets.c.actor == f"account:{id_}"))
    marks.changed(connection)
    return True
