"""Webhooks: made, listed, changed and deleted. Times in UTC microseconds."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from models import DISABLED, PENDING, QUEUED, webhook_deliveries, webhooks
from store.engine.dialect import insert_on_conflict
from store.engine.vault import vault_of

MOST_WEBHOOKS = 50
"""Each has a turn of its own at the same time as the others."""
BY_AN_ADMIN = "disabled by an admin"
_w, _d = webhooks.c, webhook_deliveries.c


class NewReceiver(NamedTuple):
    """A webhook that is to be made."""

    id: str
    url: str
    secret: str
    events: Sequence[str]
    created_at: int
    created_by: str


class Figures(NamedTuple):
    """What waits for webhooks, and how they are."""

    pending: int
    oldest_at: int | None
    """When the oldest event was noted that waits for a webhook that is enabled."""
    enabled: int
    disabled: int
    """Those that the service has disabled itself."""


def add(connection: Connection, new: NewReceiver) -> bool:
    """Store a webhook; False where there are MOST_WEBHOOKS already."""
    if (connection.scalar(select(func.count()).select_from(webhooks)) or 0) >= MOST_WEBHOOKS:
        return False
    row = new._asdict() | {"events": json.dumps(new.events), "created_by": new.created_by[:100]}
    due = {"status": QUEUED, "run_at": new.created_at}
    connection.execute(insert(webhooks).values(vault_of(connection).sealed(webhooks, row | due)))
    return True


def declare_receiver(connection: Connection, id_: str, url: str, events: Sequence[str], *, now: int) -> None:
    """Have a receiver of the service's own, unless it is there already."""
    row = {"id": id_, "url": url, "secret": "", "events": json.dumps(events), "created_at": now}
    due = {"created_by": "settings", "status": QUEUED, "run_at": now}
    new = insert_on_conflict(connection.dialect.name, webhooks).values(
        vault_of(connection).sealed(webhooks, row | due)
    )
    connection.execute(new.on_conflict_do_nothing())


def list_webhooks(connection: Connection) -> Sequence[Row[Any]]:
    """All webhooks, the newest first."""
    rows = connection.execute(select(webhooks).order_by(_w.number.desc())).all()
    return vault_of(connection).all_opened(webhooks, rows)


def get(connection: Connection, id_: str) -> Row[Any] | None:
    """A webhook; None if there is none."""
    row = connection.execute(select(webhooks).where(_w.id == id_)).one_or_none()
    return None if row is None else vault_of(connection).opened(webhooks, row)


def change(connection: Connection, id_: str, values: dict[str, Any]) -> bool:
    """Give a webhook another `url` or other `events`; False if there is none."""
    stored = vault_of(connection).sealed(webhooks, {**values, "id": id_})
    if "events" in stored:
        stored["events"] = json.dumps(stored["events"])
    return bool(connection.execute(update(webhooks).where(_w.id == id_).values(stored)).rowcount)


def disable(connection: Connection, id_: str, reason: str, *, now: int) -> None:
    """Send nothing more to a webhook. What waits for it stays, for when it is enabled again."""
    off = {"status": DISABLED, "run_at": None, "lease": None, "failures": 0}
    noted = {"disabled_at": now, "disabled_reason": reason[:300]}
    connection.execute(update(webhooks).where(_w.id == id_, _w.run_at.is_not(None)).values({**off, **noted}))


def enable(connection: Connection, id_: str, *, now: int) -> None:
    """Send to a webhook, now and with all tries before it: what waits for it first."""
    on = {"status": QUEUED, "run_at": now, "lease": None, "failures": 0}
    noted = {"disabled_at": None, "disabled_reason": None}
    number = select(_w.number).where(_w.id == id_).scalar_subquery()
    connection.execute(update(webhooks).where(_w.id == id_).values({**on, **noted}))
    waiting = update(webhook_deliveries).where(_d.webhook == number, _d.next_at.is_not(None))
    connection.execute(waiting.values(tries=0, next_at=now))


def delete_webhook(connection: Connection, id_: str) -> bool:
    """Delete a webhook; False if there is none. `sweep` deletes what was noted for it."""
    return bool(connection.execute(delete(webhooks).where(_w.id == id_)).rowcount)


def page(
    connection: Connection, webhook: int, *, limit: int, before: int | None = None, state: str | None = None
) -> Sequence[Row[Any]]:
    """Up to `limit` deliveries to a webhook, by its number, the newest first, without their bodies."""
    columns = (column for column in webhook_deliveries.c if column.name != "body")
    found = select(*columns).where(_d.webhook == webhook)
    if before is not None:
        found = found.where(_d.number < before)
    if state is not None:
        found = found.where(_d.state == state)
    return connection.execute(found.order_by(_d.number.desc()).limit(limit)).all()


def resend(connection: Connection, webhook: int, id_: str, *, now: int) -> Row[Any] | None:
    """Deliver an event again, with all tries; None if there is none of this id for this webhook."""
    anew = {"state": PENDING, "tries": 0, "next_at": now, "ended_at": None}
    mine = _d.webhook == webhook, _d.id == id_
    connection.execute(update(webhook_deliveries).where(*mine).values(anew))
    columns = (column for column in webhook_deliveries.c if column.name != "body")
    return connection.execute(select(*columns).where(*mine)).one_or_none()


def figures(connection: Connection) -> Figures:
    """How much waits, and how many webhooks there are of each kind."""
    is_on, by_itself = _w.run_at.is_not(None), _w.disabled_reason != BY_AN_ADMIN
    of_each = select(func.count().filter(is_on), func.count().filter(by_itself)).select_from(webhooks)
    on, off = connection.execute(of_each).one()
    if not on:
        return Figures(0, None, 0, off)
    live = select(_w.number).where(_w.run_at.is_not(None))
    waits = select(func.count(), func.min(_d.created_at)).where(_d.next_at.is_not(None), _d.webhook.in_(live))
    pending, oldest = connection.execute(waits).one()
    return Figures(pending, oldest, on, off)


def sweep(connection: Connection, *, before: int, limit: int) -> int:
    """Delete up to `limit` deliveries that ended before then, or whose webhook is gone; gives how many."""
    ended = select(_d.number).where(_d.ended_at < before).limit(limit)
    orphans = select(_d.number).where(_d.webhook.not_in(select(_w.number))).limit(limit)
    gone = 0
    for chosen in (ended, orphans):
        numbers = connection.scalars(chosen).all()
        gone += connection.execute(delete(webhook_deliveries).where(_d.number.in_(numbers))).rowcount
    return gone
