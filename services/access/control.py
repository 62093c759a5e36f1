"""Everything that decides who may come in, built from the settings."""

import secrets
from dataclasses import dataclass
from functools import partial

import httpx

from core.clock import Clock
from core.login_settings import LoginSettings
from database import Database
from domain.admission import Admission
from services.access.accounts import Accounts
from services.access.attempts import Attempts
from services.access.audit_log import AuditLog, audit_key
from services.access.authentication import Authentication
from services.access.directory import Directory
from services.access.keys import Keys
from services.access.login import LogIn
from services.access.providers.configured import configured
from services.access.sessions import Sessions
from services.access.standing import Standings
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
    accounts: Accounts
    tokens: Tokens
    tickets: Tickets
    sessions: Sessions
    standings: Standings
    login: LogIn


def access_control(
    database: Database, clock: Clock, settings: LoginSettings, http: httpx.AsyncClient | None = None
) -> AccessControl:
    """Put the parts together. `http` is for the log-in providers; None where there are none."""
    ring, random_hex = settings.secrets, secrets.token_hex
    directory, attempts = Directory(database, clock), Attempts()
    audit = AuditLog(database, clock, audit_key(ring))
    tokens = Tokens(ring, directory.by_actor, clock, random_hex)
    tickets = Tickets(database, directory.by_actor, clock, random_hex)
    sessions = Sessions(database, directory, clock, audit, random_hex)
    standings = Standings()
    directory.changed = partial(_heard, sessions, standings)
    checks = {"token": tokens.check, "ticket": tickets.check, "session": sessions.check}
    return AccessControl(
        authentication=Authentication(directory, attempts, audit, checks),
        attempts=attempts,
        audit=audit,
        directory=directory,
        keys=Keys(database, clock, audit, random_hex),
        accounts=Accounts(database, clock, audit),
        tokens=tokens,
        tickets=tickets,
        sessions=sessions,
        standings=standings,
        login=LogIn(
            providers={} if http is None else configured(settings, http, clock),
            public_url=settings.public_url or "",
            admission=Admission(settings.admin_emails, settings.allowed_emails, settings.allowed_domains),
            database=database,
            clock=clock,
            audit=audit,
            attempts=attempts,
            directory=directory,
            sessions=sessions,
            random_hex=random_hex,
        ),
    )


def _heard(sessions: Sessions, standings: Standings) -> None:
    sessions.forget()
    standings.look()
