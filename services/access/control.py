"""Everything that decides who may come in, built from the settings."""

import secrets
from dataclasses import dataclass

from core.clock import Clock
from core.secret_ring import SecretRing
from database import Database
from services.access.attempts import Attempts
from services.access.audit_log import AuditLog, audit_key
from services.access.authentication import Authentication
from services.access.directory import Directory
from services.access.keys import Keys


@dataclass(frozen=True)
class AccessControl:
    """The parts; `api/` asks them."""

    authentication: Authentication
    attempts: Attempts
    audit: AuditLog
    directory: Directory
    keys: Keys


def access_control(database: Database, clock: Clock, ring: SecretRing) -> AccessControl:
    """Put the parts together."""
    directory, attempts = Directory(database, clock), Attempts()
    audit = AuditLog(database, clock, audit_key(ring))
    keys = Keys(database, clock, audit, secrets.token_hex)
    return AccessControl(Authentication(directory, attempts, audit), attempts, audit, directory, keys)
