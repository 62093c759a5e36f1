"""The audit log as the process writes it: concurrent entries share a commit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog
from sqlalchemy import Connection

from core.clock import Clock
from core.secret_ring import PurposeKey, SecretRing
from database import Database
from services.group_commit import GroupCommit
from store.access import audit
from store.access.audit import UNSIGNED, AuditEntry
from store.access.marks import Mark

PURPOSE = "audit log"
MAX_GROUP, MAX_WAITING = 256, 8_192
log = structlog.get_logger()


def audit_key(secrets: SecretRing) -> PurposeKey:
    """The key that links are made with: the first secret's, or none that protects where there is no secret."""
    return next(iter(secrets.keys(PURPOSE)), UNSIGNED)


@dataclass
class AuditLog:
    """Writes audit entries; those that belong to a change go into its transaction.

    `failed` is called for each entry that could not be written.
    """

    database: Database
    clock: Clock
    key: PurposeKey
    failed: Callable[[], None] = lambda: None
    group: GroupCommit[AuditEntry, Mark] = field(init=False)

    def __post_init__(self) -> None:
        self.group = GroupCommit(self._commit, group=MAX_GROUP, waiting=MAX_WAITING)

    async def record(self, entry: AuditEntry) -> None:
        """Write an entry durably. Raises SQLAlchemyError and Overloaded."""
        try:
            await self.group.submit(entry)
        except Exception:
            self.failed()
            raise

    def append(self, connection: Connection, entry: AuditEntry) -> None:
        """Write an entry in the caller's transaction."""
        _say([entry], audit.append(connection, [entry], self.key))

    async def _commit(self, entries: Sequence[AuditEntry]) -> Sequence[Mark]:
        ends = await self.database.write(partial(audit.append, entries=entries, key=self.key))
        _say(entries, ends)
        return ends


def _say(entries: Sequence[AuditEntry], ends: Sequence[Mark]) -> None:
    """The log, which is kept elsewhere, has the links too: a database that was set back is found by them."""
    for entry, end in zip(entries, ends, strict=True):
        log.info(
            "audit",
            actor=entry.actor,
            action=entry.action,
            target=entry.target,
            outcome=entry.outcome,
            entry=end.number,
            link=end.link.hex(),
        )
