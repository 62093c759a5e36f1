"""Erasing a person: everything that they wrote and what was made of it, in steps, to the end, with a receipt."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from core.clock import SECOND, Clock, iso
from core.secret_ring import PurposeKey, SecretRing
from core.waiters import wait_at_most
from database import Database
from domain import receipts
from domain.receipts import Receipt
from services.access.audit_log import AuditLog
from store.access import audit
from store.access.audit import AuditEntry
from store.conversations import erasures, people, records
from store.conversations.erasures import Asker, Counts, PersonErasure
from store.conversations.people import Shortened
from store.queue import renewal
from store.queue.renewal import Made

log = structlog.get_logger()

SHARE = 0.5
"""Of the writer's time while a person is being erased."""
ABANDONED = 60 * SECOND
"""An erasure that made no step for so long is taken over."""
HELD = 60 * SECOND
"""How long a chat is not due for analysis after a step that was not its last."""
LOOK_SECONDS = 5.0
Result = TypeVar("Result")


class Step(NamedTuple):
    """What a step has made of a chat."""

    id: str
    is_gone: bool
    after: int | None
    """The position after which to go on; None if the person is not in it any more."""


class Request(NamedTuple):
    """Somebody waits for an erasure."""

    asked: AuditEntry
    receipt: "asyncio.Future[Receipt]"


@dataclass
class People:
    """Erases people. `deleted` and `changed` are called with the id of each conversation that is gone, or has lost
    messages.
    """

    database: Database
    clock: Clock
    audit: AuditLog
    secrets: SecretRing
    deleted: Callable[[str], None] = lambda _: None
    changed: Callable[[str], None] = lambda _: None
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _waiting: dict[str, Request] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def key(self) -> PurposeKey | None:
        """What receipts are signed with; None while there is no secret."""
        return next(iter(self.secrets.keys(receipts.PURPOSE)), None)

    async def erase(self, person: str, asked: AuditEntry) -> Receipt:
        """Erase everything that is stored of a person now. It goes on to its end though the caller be cancelled.

        Raises SQLAlchemyError if the database fails; the erasure is then taken up again later.
        """
        await self._begin(person, asked)
        waiting = self._waiting.get(person)
        if waiting is None:
            waiting = Request(asked, asyncio.get_running_loop().create_future())
            self._waiting[person] = waiting
        self._news.set()
        return await asyncio.shield(waiting.receipt)

    async def _begin(self, person: str, asked: AuditEntry) -> None:
        who = Asker(asked.actor, asked.client, asked.request_id)
        await self.database.write(partial(erasures.note_asked, person=person, who=who, now=self.clock()))

    async def run(self) -> None:
        """Erase whoever is to be erased until cancelled."""
        while True:
            self._news.clear()
            await self.round(self.clock() - ABANDONED)
            await wait_at_most(self._news, LOOK_SECONDS)

    async def round(self, before: int) -> None:
        """Erase those that were asked for here, and those whose last step was made before a moment."""
        for person in list(self._waiting):
            await self._answer(person)
        try:
            found = await self.database.read(partial(erasures.abandoned, before=before))
        except (SQLAlchemyError, OSError) as error:
            log.warning("erasures_not_read", exc_info=error)
            return
        for person in found:
            await self._answer(person)

    async def _answer(self, person: str) -> None:
        try:
            receipt = await self._erased(person)
        except Exception as error:
            log.error("person_not_erased", exc_info=error)
            if (waiting := self._waiting.pop(person, None)) is not None:
                waiting.receipt.set_exception(error)
            return
        if receipt is not None and (waiting := self._waiting.pop(person, None)) is not None:
            waiting.receipt.set_result(receipt)

    async def _erased(self, person: str) -> Receipt | None:
        """Erase a person to the end; None if another process has done it and nobody waits for it here."""
        while True:
            erasure = await self.database.read(partial(erasures.get, person=person))
            if erasure is None and person not in self._waiting:
                return None
            if erasure is None:
                await self._begin(person, self._waiting[person].asked)
                continue
            await self._remove(erasure)
            receipt = await self.database.write(partial(self._end, erasure))
            if receipt is not None:
                log.info("person_erased", receipt=receipt)
                return receipt

    def _end(self, erasure: PersonErasure, connection: Connection) -> Receipt | None:
        ended = erasures.end_erasure(connection, erasure)
        if ended is None:
            return None
        receipt = self._receipt(ended)
        target = receipts.audit_target(receipt)
        who = ended.who
        entry = AuditEntry(self.clock(), who.actor, audit.ERASURE, target, "ok", who.client, who.request_id)
        self.audit.append(connection, entry)
        return receipt

    def _receipt(self, ended: PersonErasure) -> Receipt:
        until = None if ended.kept_until is None else iso(ended.kept_until)
        counts, at = ended.counts._asdict(), iso(self.clock())
        return receipts.receipt(ended.person, counts, at, ended.who.actor, self.key, until)

    async def _remove(self, erasure: PersonErasure) -> None:
        while ids := await self._timed(partial(self._remove_texts, erasure)):
            for id_ in ids:
                self.deleted(id_)
        number, find = 0, partial(people.next_chat, person=erasure.person, through=erasure.through)
        while (found := await self.database.read(partial(find, after=number))) is not None:
            number = found
            await self._remove_from(erasure, number)

    def _remove_texts(self, erasure: PersonErasure, connection: Connection) -> list[str]:
        rows = people.lock_texts(connection, erasure.person, through=erasure.through)
        ids = [row.id for row in rows]
        if not rows:
            return []
        numbers = [row.number for row in rows]
        erasures.note_kept(connection, erasure.person, numbers)
        made = renewal.made_of(connection, numbers)
        records.delete_conversations(connection, ids)
        removed = Counts(deleted=len(ids), messages=len(ids), **made._asdict())
        erasures.count(connection, erasure.person, removed, now=self.clock())
        return ids

    async def _remove_from(self, erasure: PersonErasure, number: int) -> None:
        after: int | None = 0
        while after is not None:
            step = await self._timed(partial(self._shorten, erasure, number, after))
            if step is None:
                return
            (self.deleted if step.is_gone else self.changed)(step.id)
            after = step.after

    def _shorten(
        self, erasure: PersonErasure, number: int, after: int, connection: Connection
    ) -> Step | None:
        """Make one step of a chat; None if the chat is gone already."""
        found = people.shorten(connection, erasure.person, number, after=after)
        if found is None:
            return None
        erasures.note_kept(connection, erasure.person, [number])
        is_gone = not (found.more or found.others)
        made = self._remake(erasure.person, found, connection)
        changed = int(found.others and not found.more)
        removed = Counts(int(is_gone), changed, found.removed, made.insights, made.summaries)
        erasures.count(connection, erasure.person, removed, now=self.clock())
        return Step(found.row.id, is_gone, found.last if found.more else None)

    def _remake(self, person: str, found: Shortened, connection: Connection) -> Made:
        """Drop what was made of a chat that has lost messages, and the chat itself if nothing else is left in it."""
        row, now = found.row, self.clock()
        if found.more:
            return renewal.renew(connection, row, now=now, due=now + HELD)
        if found.others:
            people.leave(connection, person, row)
            return renewal.renew(connection, row, now=now, due=now)
        made = renewal.made_of(connection, [row.number])
        records.delete_conversations(connection, [row.id])
        return made

    async def _timed(self, step: Callable[[Connection], Result]) -> Result:
        started = time.perf_counter()
        result = await self.database.write(step)
        await self.sleep((time.perf_counter() - started) * (1 / SHARE - 1))
        return result
