"""Keys and audit entries as clients see them."""

from typing import Any

from core.clock import iso, iso_or_none
from store.access.audit import AuditEntry
from store.access.keys import StoredKey

AUDIT_COLUMNS = ("at", "actor", "action", "target", "outcome", "client", "request_id")


def key_view(key: StoredKey) -> dict[str, Any]:
    """A key, without what would let anybody use it."""
    return {
        "id": key.id,
        "name": key.name,
        "role": key.role,
        "created_at": iso(key.created_at),
        "created_by": key.created_by,
        "expires_at": iso_or_none(key.expires_at),
        "revoked_at": iso_or_none(key.revoked_at),
        "last_used_at": iso_or_none(key.last_used_at),
    }


def entry_view(entry: AuditEntry) -> dict[str, str]:
    """An entry, its fields in the order of AUDIT_COLUMNS."""
    return {**entry._asdict(), "at": iso(entry.at)}
