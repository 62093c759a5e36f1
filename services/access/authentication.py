"""Authentication: from what a request carries to who sent it. Every refusal is counted and audited here."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from core.errors import BadCredential, EndedCredential
from domain.api_keys import PREFIX
from domain.roles import Caller
from rate_limiter import SlidingWindow, TokenBucket, client_of
from services.access.attempts import Attempts
from services.access.audit_log import AuditLog
from services.access.directory import Directory
from store.access.audit import AuditEntry

DENIED = "call.denied"
SILENCE = 60.0
"""Seconds in which calls of one client without a credential make one entry: they cost their sender nothing. The same
for a credential that has ended."""
ENTRIES_PER_SECOND = 5
"""Of all clients together without a credential."""


class Credential(NamedTuple):
    """What a request proves its sender with; of several the first counts."""

    bearer: str | None = None
    """After `Authorization: Bearer`: an API key or a token."""
    ticket: str | None = None
    """In the address of a socket."""
    session: str | None = None
    """A browser's cookie."""


Check = Callable[[str], Awaitable[Caller]]
"""Gives the caller who holds a credential of one kind. Raises BadCredential and NotWritable."""


@dataclass
class Authentication:
    """Says who calls. `checks` has, by name, whoever checks tokens, tickets and sessions."""

    directory: Directory
    attempts: Attempts
    audit: AuditLog
    checks: Mapping[str, Check] = field(default_factory=dict)
    _seldom: SlidingWindow = field(default_factory=lambda: SlidingWindow(1, SILENCE))
    _few: TokenBucket = field(default_factory=lambda: TokenBucket(ENTRIES_PER_SECOND))

    async def caller(self, credential: Credential, asked: AuditEntry) -> Caller:
        """Whoever holds the credential; `asked` says what for and from where.

        Raises BadCredential, TooManyAttempts and NotWritable.
        """
        try:
            return await self._holder(credential)
        except BadCredential as error:
            await self._count(error, asked)
            raise

    async def refuse(self, error: BadCredential, asked: AuditEntry) -> None:
        """Count a request whose own proof is bad, such as a signature. Raises TooManyAttempts."""
        await self._count(error, asked)

    async def _holder(self, credential: Credential) -> Caller:
        bearer = credential.bearer
        if bearer is not None and bearer.startswith(f"{PREFIX}_"):
            return self.directory.by_key(bearer)
        named = {"token": bearer, "ticket": credential.ticket, "session": credential.session}
        for name, text in named.items():
            if text is not None and (check := self.checks.get(name)) is not None:
                return await check(text)
        raise BadCredential(None if bearer is None else "malformed credential")

    async def _count(self, error: BadCredential, asked: AuditEntry) -> None:
        """Count a refusal against its client, and note it. Raises TooManyAttempts."""
        if error.reason is not None and not isinstance(error, EndedCredential):
            self.attempts.count(asked.client)
        elif not self._is_rare(asked.client):
            return
        await self.audit.record(asked._replace(action=DENIED, outcome=error.reason or "no credential"))

    def _is_rare(self, client: str) -> bool:
        return self._seldom.take(client_of(client)).allowed and self._few.take().allowed
