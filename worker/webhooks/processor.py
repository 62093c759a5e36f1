"""The loop of the deliveries: holds each webhook for which something waits, and sends it what is next."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from core.clock import SECOND
from core.tasks import TaskSet, grace_period, uninterrupted
from core.waiters import wait_at_most
from database import Database
from domain.receivers import Outgoing, Send, Tried
from store.queue import deliveries
from store.queue.clock import ProcessClock
from store.queue.deliveries import UNREADABLE, Delivery, DeliveryTurn
from store.webhooks.registry import MOST_WEBHOOKS

log = structlog.get_logger()

LEASE = 60 * SECOND
"""For how long a webhook is held: longer than its deliveries, which are sent side by side, can take."""
POLL_SECONDS = 1.0
"""How long an event may wait that another process has noted."""


@dataclass
class DeliveryProcessor:
    """Delivers until it is cancelled. `token` makes the token of a lease; `tried` is told how each try ended.

    Every webhook has a turn of its own, so that none waits for another.
    """

    database: Database
    clock: ProcessClock
    send: Send
    token: Callable[[], str]
    tried: Callable[[str], None] = lambda _: None
    _under_way: TaskSet = field(default_factory=TaskSet)
    _due: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        """Something was noted: look now instead of at the next poll."""
        self._due.set()

    async def run(self) -> None:
        """Claim and send until cancelled. What is under way is left to `finish`."""
        while True:
            self._due.clear()
            turns = await self._claim()
            for turn in turns:
                self._under_way.start(self._take(turn))
            if not turns:
                await wait_at_most(self._due, POLL_SECONDS)

    async def finish(self, grace: float) -> None:
        """Wait `grace` seconds for what is under way; give back what is not answered by then."""
        await self._under_way.cancel_after(grace)
        async with grace_period():
            await self._under_way.ended()

    async def _claim(self) -> list[DeliveryTurn]:
        # Asked first, because a commit for nothing each second would keep disks awake.
        if not await self.database.read(partial(deliveries.is_due, now=self.clock())):
            return []

        def claim(connection: Connection) -> list[DeliveryTurn]:
            now = self.clock.now(connection)
            token, until = self.token(), now + LEASE
            return deliveries.claim(connection, now=now, token=token, until=until, limit=MOST_WEBHOOKS)

        return await self.database.write(claim)

    async def _take(self, turn: DeliveryTurn) -> None:
        try:
            sent = await asyncio.gather(*(self._send(turn, each) for each in turn.deliveries))
            await uninterrupted(self._settle(turn, sent))
        except asyncio.CancelledError:
            await uninterrupted(self._give_back(turn))
            raise
        except (SQLAlchemyError, OSError) as error:
            # It is held until its lease ends, and sent again then.
            log.warning("deliveries_not_stored", webhook=turn.id, exc_info=error)
        finally:
            self.wake()

    async def _send(self, turn: DeliveryTurn, delivery: Delivery) -> Tried:
        if delivery.body is None or not turn.url:
            return UNREADABLE
        return await self.send(Outgoing(turn.url, turn.secret, delivery.id, delivery.body))

    async def _settle(self, turn: DeliveryTurn, sent: list[Tried]) -> None:
        tried = {each.number: how for each, how in zip(turn.deliveries, sent, strict=True)}

        def settle(connection: Connection) -> str | None:
            return deliveries.settle(connection, turn, tried, now=self.clock.now(connection))

        disabled = await self.database.write(settle)
        for each in sent:
            self.tried(each.outcome.value)
        if disabled is not None:
            log.warning("webhook_disabled", webhook=turn.id, reason=disabled)

    async def _give_back(self, turn: DeliveryTurn) -> None:
        """If the database does not answer, the lease ends by itself."""

        def give_back(connection: Connection) -> None:
            deliveries.give_back(connection, turn, now=self.clock.now(connection))

        with suppress(SQLAlchemyError, OSError):
            await self.database.write(give_back)
