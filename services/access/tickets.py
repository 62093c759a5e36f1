"""Tickets: a browser cannot send a header with a socket, and what stands in an address is seen by proxies.

So a page fetches a ticket, which is good for one socket and for half a minute.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from core.clock import SECOND, Clock
from core.errors import BadCredential
from database import Database
from domain.roles import Caller
from services.access.digests import BYTES, digest_of
from store.access import tickets as store

SECONDS = 30


@dataclass
class Tickets:
    """Makes and takes tickets, for every process on the database. `random_hex` gives random bytes in hexadecimal."""

    database: Database
    holder: Callable[[str], Caller]
    """Gives whom an actor names, as `Directory.by_actor`."""
    clock: Clock
    random_hex: Callable[[int], str]

    async def create(self, actor: str) -> str:
        """A ticket for whoever an actor names."""
        text, now = self.random_hex(BYTES), self.clock()
        issue = partial(
            store.issue, digest=digest_of(text), actor=actor, expires_at=now + SECONDS * SECOND, now=now
        )
        await self.database.write(issue)
        return text

    async def check(self, text: str) -> Caller:
        """Whom a ticket stands for; it is used up then. Raises BadCredential and NotWritable."""
        digest = digest_of(text)
        # A read costs little, and a guess must not cost a commit.
        if not await self.database.read(partial(store.is_issued, digest=digest)):
            raise BadCredential("unknown or used ticket")
        taken = await self.database.write(partial(store.redeem, digest=digest))
        if taken is None:
            raise BadCredential("unknown or used ticket")
        actor, expires_at = taken
        if expires_at <= self.clock():
            raise BadCredential("expired ticket")
        return replace(self.holder(actor), means="ticket")
