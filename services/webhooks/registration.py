"""Webhooks: made, changed and deleted, each change with its entry in the audit log in the same transaction."""

from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row

from core.clock import Clock
from database import Database
from services.access.audit_log import AuditLog
from store.access.audit import AuditEntry
from store.webhooks import registry
from store.webhooks.registry import NewReceiver

SECRET_BYTES = 32
ID_BYTES = 16


@dataclass
class Webhooks:
    """Manages webhooks. `random` gives so many random bytes; `wake` has what waits for one sent at once."""

    database: Database
    clock: Clock
    audit: AuditLog
    random: Callable[[int], bytes]
    wake: Callable[[], None]

    async def create(self, url: str, events: Sequence[str], asked: AuditEntry) -> NewReceiver | None:
        """Make a webhook; only here is its secret known. None if there are MOST_WEBHOOKS."""
        id_ = f"wh_{self.random(ID_BYTES).hex()}"
        secret = f"whsec_{b64encode(self.random(SECRET_BYTES)).decode()}"
        new = NewReceiver(id_, url, secret, events, self.clock(), asked.actor)

        def create(connection: Connection) -> bool:
            return registry.add(connection, new) and self._note(connection, asked, "webhook.create", id_)

        return new if await self.database.write(create) else None

    async def change(
        self, id_: str, values: dict[str, Any], enabled: bool | None, asked: AuditEntry
    ) -> Row[Any] | None:
        """Give a webhook another `url` or other `events`, or switch it on or off; None if there is none."""

        def change(connection: Connection) -> Row[Any] | None:
            if not registry.change(connection, id_, values):
                return None
            if enabled:
                registry.enable(connection, id_, now=self.clock())
            elif enabled is not None:
                registry.disable(connection, id_, registry.BY_AN_ADMIN, now=self.clock())
            self._note(connection, asked, "webhook.change", id_)
            return registry.get(connection, id_)

        changed = await self.database.write(change)
        self.wake()
        return changed

    async def delete(self, id_: str, asked: AuditEntry) -> bool:
        """Delete a webhook; False if there is none."""

        def delete(connection: Connection) -> bool:
            deleted = registry.delete_webhook(connection, id_)
            return deleted and self._note(connection, asked, "webhook.delete", id_)

        return await self.database.write(delete)

    async def resend(self, webhook: Row[Any], event: str, asked: AuditEntry) -> Row[Any] | None:
        """Have an event sent to a webhook again; None if there is none of this id."""

        def resend(connection: Connection) -> Row[Any] | None:
            found = registry.resend(connection, webhook.number, event, now=self.clock())
            if found is not None:
                self._note(connection, asked, "webhook.resend", f"{webhook.id}:{event}")
            return found

        found = await self.database.write(resend)
        self.wake()
        return found

    async def get(self, id_: str) -> Row[Any] | None:
        """A webhook; None if there is none."""
        return await self.database.read(partial(registry.get, id_=id_))

    def _note(self, connection: Connection, asked: AuditEntry, action: str, target: str) -> bool:
        entry = asked._replace(at=self.clock(), action=action, target=f"webhook:{target}", outcome="ok")
        self.audit.append(connection, entry)
        return True
