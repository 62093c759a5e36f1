"""Accounts: listed, given another role, and taken out, each with its entry in the audit log."""

from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection

from core.clock import Clock
from database import Database
from domain.roles import Role
from services.access.audit_log import AuditLog
from store.access import accounts as store
from store.access.accounts import StoredAccount
from store.access.audit import AuditEntry


@dataclass
class Accounts:
    """Manages the accounts of people who have logged in."""

    database: Database
    clock: Clock
    audit: AuditLog

    async def list(self) -> list[StoredAccount]:
        """All accounts, the last to log in first."""
        found = await self.database.read(store.list_accounts)
        return sorted(found, key=lambda each: (-each.last_login_at, each.id))

    async def set_role(self, id_: str, role: Role, asked: AuditEntry) -> StoredAccount | None:
        """Give an account a role, which a log-in does not change any more; None if there is none."""
        entry = asked._replace(at=self.clock(), action="role.change", target=f"account:{id_}")
        return await self.database.write(partial(self._set_role, id_, role, entry))

    def _set_role(
        self, id_: str, role: Role, entry: AuditEntry, connection: Connection
    ) -> StoredAccount | None:
        found = store.set_role(connection, id_, role.value, entry.actor)
        if found is None:
            return None
        before, account = found
        self.audit.append(connection, entry._replace(outcome=f"{before} to {role}"))
        return account

    async def forget(self, id_: str, asked: AuditEntry) -> bool:
        """Take out an account, and end its sessions; False if there is none."""
        entry = asked._replace(
            at=self.clock(), action="account.delete", target=f"account:{id_}", outcome="ok"
        )
        return await self.database.write(partial(self._forget, id_, entry))

    def _forget(self, id_: str, entry: AuditEntry, connection: Connection) -> bool:
        if not store.forget(connection, id_):
            return False
        self.audit.append(connection, entry)
        return True
