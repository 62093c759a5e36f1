"""The directory: every key and account in memory, as they were a quarter of a second ago at most.

Authenticating a request therefore reads nothing from the database, and a key that any process revokes is refused by
all of them within a second, or at once where notifications arrive.
"""

import asyncio
import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from core.clock import SECOND, Clock
from core.errors import BadCredential, NotWritable
from core.waiters import wait_at_most
from database import Database
from domain.api_keys import parse_key
from domain.roles import ANONYMOUS, Caller, Role
from store.access import accounts, keys, marks
from store.access.accounts import StoredAccount
from store.access.keys import StoredKey

EVERY_SECONDS = 0.25
STALE_AFTER = 5 * SECOND
"""Microseconds after which the directory is not believed any more: a key may have been revoked since."""
NOTE_USES_EVERY = 60 * SECOND
log = structlog.get_logger()


class KnownKey(NamedTuple):
    """A key, with the caller that whoever presents it is."""

    stored: StoredKey
    caller: Caller


class Contents(NamedTuple):
    """What the database holds, read in one transaction."""

    changes: int
    keys: list[StoredKey]
    accounts: list[StoredAccount]


@dataclass
class Directory:
    """Keys and accounts by id. `changed` is called when something of them, or a session, has changed."""

    database: Database
    clock: Clock
    every: float = EVERY_SECONDS
    changed: Callable[[], None] = lambda: None
    _changes: int = -1
    _read_at: int = 0
    _keys: dict[str, KnownKey] = field(default_factory=dict)
    _accounts: dict[str, Caller] = field(default_factory=dict)
    _uses: dict[str, int] = field(default_factory=dict)
    _noted_at: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def look(self) -> None:
        """Read soon: a process has told of a change."""
        self._news.set()

    async def run(self) -> None:
        """Follow the database until cancelled."""
        while True:
            self._news.clear()
            try:
                await self.refresh()
                await self._note_uses()
            except (SQLAlchemyError, OSError) as error:
                log.info("access_not_read", error=type(error).__name__)
            await wait_at_most(self._news, self.every)

    async def refresh(self) -> None:
        """Read what has changed. Raises SQLAlchemyError."""
        asked_at = self.clock()
        contents = await self.database.read(self._contents)
        if contents is not None:
            self._changes = contents.changes
            self._keys = {each.id: KnownKey(each, _holder(each)) for each in contents.keys}
            self._accounts = {each.id: _person(each) for each in contents.accounts}
            self.changed()
        self._read_at = asked_at

    def _contents(self, connection: Connection) -> Contents | None:
        changes = marks.get(connection, marks.CHANGES).number
        if changes == self._changes:
            return None
        return Contents(changes, keys.list_keys(connection), accounts.list_accounts(connection))

    def by_key(self, text: str) -> Caller:
        """The holder of a key. Raises BadCredential and NotWritable."""
        key = parse_key(text)
        if key is None:
            raise BadCredential("malformed key")
        now = self._now()
        known = self._keys.get(key.id)
        if known is None or not hmac.compare_digest(known.stored.digest, key.digest):
            raise BadCredential("unknown key")
        self._refuse_ended(known.stored, now)
        self._uses[key.id] = now
        return known.caller

    def by_actor(self, actor: str) -> Caller:
        """The key's holder or the account that an actor names. Raises BadCredential and NotWritable."""
        return self._holder_of(actor, self._now())

    def is_shut_out(self, actor: str) -> bool:
        """Whether a caller who was let in would be refused by now, as far as the database has been heard of."""
        if actor == ANONYMOUS.actor:
            return False
        try:
            self._holder_of(actor, self.clock())
        except BadCredential:
            return True
        return False

    def _holder_of(self, actor: str, now: int) -> Caller:
        kind, _, id_ = actor.partition(":")
        if kind == "key" and (known := self._keys.get(id_)) is not None:
            self._refuse_ended(known.stored, now)
            return known.caller
        if kind == "account" and (person := self._accounts.get(id_)) is not None:
            return person
        raise BadCredential("unknown actor")

    def _now(self) -> int:
        """The time. Raises NotWritable if the database has not been heard of for too long."""
        now = self.clock()
        if now - self._read_at > STALE_AFTER:
            raise NotWritable("database_unavailable", "credentials cannot be checked at present", 5)
        return now

    def _refuse_ended(self, key: StoredKey, now: int) -> None:
        if key.revoked_at is not None:
            raise BadCredential(f"revoked key {key.id}")
        if key.expires_at is not None and key.expires_at <= now:
            raise BadCredential(f"expired key {key.id}")

    async def _note_uses(self) -> None:
        """Store when keys were last used, once a minute: a write for each request would be its most costly part."""
        if not self._uses or self.clock() - self._noted_at < NOTE_USES_EVERY:
            return
        uses, self._uses, self._noted_at = self._uses, {}, self.clock()
        await self.database.write(lambda connection: keys.note_uses(connection, uses))


def _holder(key: StoredKey) -> Caller:
    return Caller(f"key:{key.id}", key.name, Role(key.role), owner=key.name, means="key")


def _person(account: StoredAccount) -> Caller:
    actor = f"account:{account.id}"
    return Caller(actor, account.email, Role(account.role), owner=actor, means="session")


def live(found: Iterable[StoredKey], now: int) -> list[StoredKey]:
    """Those that are neither revoked nor expired."""
    return [
        key for key in found if key.revoked_at is None and (key.expires_at is None or key.expires_at > now)
    ]
