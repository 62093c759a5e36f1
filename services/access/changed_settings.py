"""Settings that differ from those of the last start are noted in the audit log, by name."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from functools import partial

from sqlalchemy import Connection

from core.secret_ring import PurposeKey, SecretRing
from database import Database
from services.access.audit_log import AuditLog
from store.access import seen_settings
from store.access.audit import UNSIGNED, AuditEntry
from store.access.seen_settings import SeenSetting

PURPOSE = "settings"


async def note_changes(
    database: Database, audit: AuditLog, ring: SecretRing, settings: Mapping[str, str]
) -> None:
    """Compare the values, by name, with those of the last start. Raises SQLAlchemyError."""
    await database.write_at_start(partial(_note, audit, [*ring.keys(PURPOSE), UNSIGNED], settings))


def _note(
    audit: AuditLog, keys: Sequence[PurposeKey], settings: Mapping[str, str], connection: Connection
) -> None:
    seen_settings.hold_alone(connection)
    before = seen_settings.get(connection)
    changed = sorted(
        name for name in {*before, *settings} if _differs(before.get(name), keys, settings.get(name))
    )
    fresh = {name: SeenSetting(keys[0].id, _digest(keys[0], value)) for name, value in settings.items()}
    if fresh == before:
        return
    seen_settings.replace_all(connection, fresh)
    if before and changed:
        entry = AuditEntry(audit.clock(), "operator", "settings.change", ",".join(changed), client="start")
        audit.append(connection, entry)


def _differs(seen: SeenSetting | None, keys: Sequence[PurposeKey], value: str | None) -> bool:
    if seen is None or value is None:
        return True
    key = next((key for key in keys if key.id == seen.secret), None)
    # Under a secret that is not listed any more nothing can be compared; the secret itself is told of then.
    return key is not None and seen.digest != _digest(key, value)


def _digest(key: PurposeKey, value: str) -> bytes:
    return hmac.digest(key.key, value.encode(), hashlib.sha256)
