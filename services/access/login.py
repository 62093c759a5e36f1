"""Log-in at a provider: from the click to the session, bound to the browser that began.

Authlib's client keeps one log-in a browser and provider, leaves three of the four ways in which a call-back fails to
its caller, and looks neither at `iss` nor at userinfo. What is left is five calls, which joserfc and httpx make.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from sqlalchemy import Connection

from core.clock import SECOND, Clock
from core.errors import LoginFailed, NotAdmitted, TooManyAttempts
from database import Database
from domain.admission import Admission, Identity
from domain.roles import Role
from rate_limiter import SlidingWindow, client_of
from services.access.attempts import Attempts
from services.access.audit_log import AuditLog
from services.access.digests import BYTES, digest_of
from services.access.directory import Directory
from services.access.providers.contract import Challenge, IdentityProvider, Returned
from services.access.providers.web import word
from services.access.sessions import Sessions
from store.access import accounts, logins
from store.access.accounts import StoredAccount
from store.access.audit import AuditEntry
from store.access.logins import PendingLogin

LASTS = 600
"""Seconds from the click to the call-back."""
BEGUN, WINDOW = 60, 600.0
"""Log-ins that one client may begin in so many seconds: each is a row until it ends."""
ACTION = "login"


class Beginning(NamedTuple):
    """A log-in that was begun."""

    address: str
    """Where to send the browser."""
    browser: str
    """What its cookie has to hold."""


class CallBack(NamedTuple):
    """What came with a browser that a provider has sent back."""

    state: str | None
    browser: str | None
    """Its cookie."""
    code: str | None
    issuer: str | None
    error: str | None
    session: str | None
    """The browser's old session, which ends."""


@dataclass
class LogIn:
    """Lets people log in at `providers`. `public_url` is where they reach the service."""

    providers: Mapping[str, IdentityProvider]
    public_url: str
    admission: Admission
    database: Database
    clock: Clock
    audit: AuditLog
    attempts: Attempts
    directory: Directory
    sessions: Sessions
    random_hex: Callable[[int], str]
    _begun: SlidingWindow = field(default_factory=lambda: SlidingWindow(BEGUN, WINDOW))

    async def begin(self, name: str, browser: str | None, asked: AuditEntry) -> Beginning:
        """Begin a log-in. Another one of the same browser goes on: each has a state of its own.

        Raises TooManyAttempts and LoginUnavailable.
        """
        self.attempts.ensure_allowed(asked.client)
        decision = self._begun.take(client_of(asked.client))
        if not decision.allowed:
            raise TooManyAttempts(int(decision.retry_after) + 1)
        state, own = self.random_hex(BYTES), browser or self.random_hex(BYTES)
        challenge = Challenge(self.random_hex(BYTES), self.random_hex(BYTES), self._redirect_uri(name))
        address = await self.providers[name].address(state, challenge)
        now = self.clock()
        pending = PendingLogin(
            digest_of(state), name, digest_of(own), challenge.nonce, challenge.verifier, now + LASTS * SECOND
        )
        await self.database.write(partial(logins.store_login, login=pending, now=now))
        return Beginning(address, own)

    async def finish(self, name: str, back: CallBack, asked: AuditEntry) -> str:
        """End a log-in; the text of the new session's cookie. Raises LoginFailed and TooManyAttempts."""
        self.attempts.ensure_allowed(asked.client)
        try:
            person = await self._identity(name, back)
            role = self.admission.role_of(person)
            if role is None:
                raise NotAdmitted(person.email)
        except LoginFailed as error:
            await self._note(error, name, asked)
            raise
        enter = partial(self._enter, person, role, name, back.session, asked)
        text = await self.database.write(enter)
        await self.directory.refresh()
        return text

    async def _identity(self, name: str, back: CallBack) -> Identity:
        pending = await self._resumed(name, back)
        if back.error is not None:
            raise LoginFailed(f"provider says {word(back.error)}", counted=False)
        if not back.code:
            raise LoginFailed("call-back without code")
        challenge = Challenge(pending.nonce, pending.verifier, self._redirect_uri(name))
        return await self.providers[name].identity(Returned(back.code, back.issuer), challenge)

    async def _resumed(self, name: str, back: CallBack) -> PendingLogin:
        """The log-in that this browser has begun. Raises LoginFailed, without a reason if there may be none at all."""
        pending = None
        if back.state and back.browser:
            pending = await self.database.write(partial(logins.resume, state=digest_of(back.state)))
        if pending is None and back.error is not None:
            # Anybody can lead a browser here with an error. It was no log-in, so it is not one that failed.
            raise LoginFailed(None)
        if not back.browser:
            raise LoginFailed("call-back of another browser")
        if pending is None:
            raise LoginFailed("unknown or used state")
        if pending.browser != digest_of(back.browser):
            raise LoginFailed("call-back of another browser")
        if pending.provider != name:
            raise LoginFailed("call-back of another provider")
        if pending.expires_at <= self.clock():
            raise LoginFailed("log-in took too long")
        return pending

    async def _note(self, error: LoginFailed, name: str, asked: AuditEntry) -> None:
        """Count a failure against its client, and note it. Raises TooManyAttempts."""
        if error.reason is None:
            return
        if error.counted:
            self.attempts.count(asked.client)
        await self.audit.record(asked._replace(action=ACTION, target=name, outcome=error.reason))

    def _enter(
        self,
        person: Identity,
        role: Role,
        name: str,
        old: str | None,
        asked: AuditEntry,
        connection: Connection,
    ) -> str:
        now = self.clock()
        new = StoredAccount(
            self.random_hex(8), person.provider, person.subject, person.email, role.value, now, now
        )
        account = accounts.enter(connection, new)
        text = self.sessions.start(connection, account.id, old)
        entry = asked._replace(
            at=now, actor=f"account:{account.id}", action=ACTION, target=name, outcome="ok"
        )
        self.audit.append(connection, entry)
        return text

    def _redirect_uri(self, name: str) -> str:
        return f"{self.public_url}/auth/callback/{name}"
