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
from services.access.tickets import Tickets
from services.access.tokens import Tokens


@dataclass(frozen=True)
class AccessControl:
    """The parts; `api/` asks them."""

    authentication: Authentication
    attempts: Attempts
    audit: AuditLog
    directory: Directory
    keys: Keys
    tokens: Tokens
    tickets: Tickets


def access_control(database: Database, clock: Clock, ring: SecretRing) -> AccessControl:
    """Put the parts together."""
    directory, attempts = Directory(database, clock), Attempts()
    audit = AuditLog(database, clock, audit_key(ring))
    tokens = Tokens(ring, directory.by_actor, clock, secrets.token_hex)
    tickets = Tickets(database, directory.by_actor, clock, secrets.token_hex)
    checks = {"token": tokens.check, "ticket": tickets.check}
    return AccessControl(
        authentication=Authentication(directory, attempts, audit, checks),
        attempts=attempts,
        audit=audit,
        directory=directory,
        keys=Keys(database, clock, audit, secrets.token_hex),
        tokens=tokens,
        tickets=tickets,
    )
