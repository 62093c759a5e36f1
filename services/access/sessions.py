"""Sessions: what a browser has after a log-in, until half an hour without use, twelve hours, or the log-out.

A session is remembered between requests, until the directory hears of any change; its end is heard by every process
within a second.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from core.bounded import Bounded
from core.clock import HOUR, SECOND, Clock
from core.errors import BadCredential, EndedCredential
from database import Database
from domain.roles import Caller
from services.access.audit_log import AuditLog
from services.access.digests import BYTES, digest_of
from services.access.directory import Directory
from store.access import sessions as store
from store.access.audit import AuditEntry
from store.access.sessions import StoredSession

IDLE = 1_800 * SECOND
LONGEST = 12 * HOUR
EXTEND_AFTER = 300 * SECOND
"""Microseconds between two writes of one session's use: a write for each request would be its most costly part."""
REMEMBERED = 10_000
log = structlog.get_logger()


@dataclass
class Sessions:
    """Starts, checks and ends sessions. `random_hex` gives so many random bytes in hexadecimal."""

    database: Database
    directory: Directory
    clock: Clock
    audit: AuditLog
    random_hex: Callable[[int], str]
    _known: Bounded[bytes, StoredSession] = field(default_factory=lambda: Bounded(REMEMBERED))
    _changes: int = 0

    def start(self, connection: Connection, account: str, replaced: str | None) -> str:
        """Start a session in the caller's transaction, in place of the browser's old one; its cookie's text."""
        text, now = self.random_hex(BYTES), self.clock()
        store.store_session(connection, StoredSession(digest_of(text), account, now, now + IDLE))
        if replaced is not None:
            store.end_session(connection, digest_of(replaced))
        return text

    async def check(self, text: str) -> Caller:
        """Whose session a cookie's text is. Raises BadCredential and NotWritable."""
        session = await self._session(digest_of(text))
        actor = f"account:{session.account}"
        try:
            return self.directory.by_actor(actor)
        except BadCredential:
            # Another process has just let this person in.
            await self.directory.refresh()
            return self.directory.by_actor(actor)

    async def end(self, text: str, asked: AuditEntry) -> None:
        """Log out. `asked` says who."""
        entry = asked._replace(at=self.clock(), action="logout", outcome="ok")
        await self.database.write(partial(self._end, digest_of(text), entry))
        await self.directory.refresh()

    def _end(self, digest: bytes, entry: AuditEntry, connection: Connection) -> None:
        store.end_session(connection, digest)
        self.audit.append(connection, entry)

    def forget(self) -> None:
        """Look everything up again: a session may have ended."""
        self._changes += 1
        self._known.clear()

    async def _session(self, digest: bytes) -> StoredSession:
        now = self.clock()
        session = self._known.get(digest)
        if session is None or session.expires_at <= now:
            session = await self._found(digest)
        if session is None or min(session.expires_at, session.created_at + LONGEST) <= now:
            raise EndedCredential("unknown or ended session")
        if now + IDLE - session.expires_at >= EXTEND_AFTER:
            await self._extend(session, now + IDLE)
        return session

    async def _found(self, digest: bytes) -> StoredSession | None:
        before = self._changes
        session = await self.database.read(partial(store.session_of, digest=digest))
        # What was read before a change, and comes after it, may have ended by that change.
        if session is not None and before == self._changes:
            self._known[digest] = session
        return session

    async def _extend(self, session: StoredSession, until: int) -> None:
        if session.digest in self._known:
            self._known[session.digest] = session._replace(expires_at=until)
        try:
            await self.database.write(partial(store.prolong, digest=session.digest, until=until))
        except (SQLAlchemyError, OSError) as error:
            # It must not end a session that the disk is full.
            log.info("session_not_extended", error=type(error).__name__)
