"""API keys: made, listed and revoked, each with its entry in the audit log in the same transaction."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection

from core.clock import Clock
from database import Database
from domain.api_keys import ApiKey, new_key
from domain.roles import Role
from services.access.audit_log import AuditLog
from store.access import keys as store
from store.access.audit import AuditEntry
from store.access.keys import StoredKey


@dataclass
class Keys:
    """Manages API keys. `random_hex` gives so many random bytes in hexadecimal."""

    database: Database
    clock: Clock
    audit: AuditLog
    random_hex: Callable[[int], str]

    async def create(
        self, name: str, role: Role, expires_at: int | None, asked: AuditEntry
    ) -> tuple[ApiKey, StoredKey]:
        """Make a key. `asked` says who asked for it; only here is its text known."""
        key = new_key(self.random_hex)
        stored = StoredKey(key.id, name, role.value, key.digest, self.clock(), asked.actor, expires_at)
        entry = asked._replace(at=stored.created_at, action="key.create", target=f"key:{key.id}")
        await self.database.write(partial(self._add, stored, entry))
        return key, stored

    def _add(self, stored: StoredKey, entry: AuditEntry, connection: Connection) -> None:
        store.add(connection, stored)
        self.audit.append(connection, entry)

    async def list(self) -> list[StoredKey]:
        """All keys, the newest first."""
        return await self.database.read(store.list_keys)

    async def revoke(self, id_: str, asked: AuditEntry) -> bool:
        """Revoke a key for good; False if there is no such key, or it is revoked already."""
        entry = asked._replace(at=self.clock(), action="key.revoke", target=f"key:{id_}")
        return await self.database.write(partial(self._revoke, id_, entry))

    def _revoke(self, id_: str, entry: AuditEntry, connection: Connection) -> bool:
        if not store.revoke(connection, id_, entry.at):
            return False
        self.audit.append(connection, entry)
        return True
