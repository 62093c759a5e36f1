"""The queue of deliveries. Its jobs are webhooks: whoever holds one sends what waits for it.

So a webhook that does not answer is one job, however much waits for it, and takes nobody's turn. Of each subject only
the first event that waits may be sent, so that those of a conversation arrive in their order. Times are UTC
microseconds.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, select, update

from core.errors import DoesNotOpen
from core.priority import BATCHES
from domain.receivers import Outcome, Tried, fate_of
from models import DISABLED, webhook_deliveries, webhooks
from store.engine.vault import Vault, at, vault_of
from store.queue.jobs import JobKind, JobQueue

TURN = 16
"""Deliveries of a turn, which are sent at the same time."""
UNREADABLE = Tried(Outcome.REFUSED, error="what was to be sent does not open")
_d, _w, _first = webhook_deliveries.c, webhooks.c, webhook_deliveries.alias("first").c
_earlier = select(_first.number).where(
    _first.webhook == _d.webhook,
    _first.subject == _d.subject,
    _first.next_at.is_not(None),
    _first.number < _d.number,
)
IS_DUE = _d.next_at.is_not(None) & (_d.next_at <= bindparam("now")) & ~_earlier.exists()
_waiting = select(_d.number).where(_d.webhook == _w.number, IS_DUE).correlate(webhooks)
QUEUE = JobQueue(
    JobKind(
        table=webhooks,
        key=_w.number,
        lane=BATCHES,
        reads=(_w.number, _w.id, _w.url, _w.secret, _w.failures),
        only=_waiting.exists(),
        holds=(_w.succeeded_at,),
        end_columns=("disabled_at", "disabled_reason"),
        requeue_columns=("succeeded_at",),
    )
)


class Delivery(NamedTuple):
    """An event that is to be sent to a webhook."""

    number: int
    id: str
    created_at: int
    tries: int
    body: str | None
    """None if it does not open."""


class DeliveryTurn(NamedTuple):
    """A webhook that is held, with what is sent to it now."""

    webhook: int
    id: str
    url: str
    secret: str
    failures: int
    """How many turns before this one brought nothing but failures."""
    lease: str
    deliveries: Sequence[Delivery]


def is_due(connection: Connection, *, now: int) -> bool:
    """Whether there may be something to send."""
    due = select(_w.number).where(_w.run_at <= bindparam("now"), _waiting.exists()).limit(1)
    return connection.scalar(due, {"now": now}) is not None


def claim(connection: Connection, *, now: int, token: str, until: int, limit: int) -> list[DeliveryTurn]:
    """Hold up to `limit` webhooks for which something waits, each with the first that waits."""
    found = QUEUE.due(connection, limit=limit, now=now)
    QUEUE.lease(connection, [row[0] for row in found], token=token, until=until)
    vault = vault_of(connection)
    return [_turn(connection, vault, row, token, now) for row in found]


def _turn(connection: Connection, vault: Vault, row: Sequence[Any], token: str, now: int) -> DeliveryTurn:
    number, id_, url, secret, failures = row
    try:
        url, secret = (
            vault.open(f"webhooks.{name}", at(id_), value)
            for name, value in (("url", url), ("secret", secret))
        )
    except DoesNotOpen:
        url = ""
    # One that has failed is tried with the oldest alone: with each of thousands in turn, none would ever be given up.
    waiting = _next(connection, number, now, 1 if failures else TURN)
    return DeliveryTurn(number, id_, url, secret, failures, token, [_opened(vault, each) for each in waiting])


def _next(connection: Connection, webhook: int, now: int, limit: int) -> Sequence[Any]:
    columns = _d.number, _d.webhook, _d.id, _d.created_at, _d.tries, _d.body
    first = select(*columns).where(_d.webhook == webhook, IS_DUE).order_by(_d.number).limit(limit)
    return connection.execute(first, {"now": now}).all()


def _opened(vault: Vault, row: Any) -> Delivery:
    try:
        body = vault.open("webhook_deliveries.body", at(row.webhook, row.id), row.body)
    except DoesNotOpen:
        body = None
    return Delivery(row.number, row.id, row.created_at, row.tries, body)


def settle(connection: Connection, turn: DeliveryTurn, tried: Mapping[int, Tried], *, now: int) -> str | None:
    """Store how each delivery of a turn went, by its number. Gives why the webhook is disabled by it, if it is.

    Nothing is stored if the webhook is not held any more.
    """
    held = QUEUE.held(connection, {turn.webhook: turn.lease}).get(turn.webhook)
    if held is None:
        return None
    is_working = any(each.is_delivered for each in tried.values())
    succeeded_at: int | None = now if is_working else held[2]
    reasons = [_end(connection, each, tried[each.number], succeeded_at, now) for each in turn.deliveries]
    reason = next((each for each in reasons if each is not None), None)
    if reason is not None:
        ending = {"status": DISABLED, "failures": 0, "disabled_at": now, "disabled_reason": reason[:300]}
        QUEUE.end(connection, [(turn.webhook, ending)])
        return reason
    is_dead = bool(tried) and not is_working
    again = {
        "run_at": _pause_until(connection, turn) if is_dead else now,
        "failures": turn.failures + 1 if is_dead else 0,
        "succeeded_at": succeeded_at,
    }
    QUEUE.requeue(connection, [(turn.webhook, again)])
    return None


def _end(
    connection: Connection, delivery: Delivery, tried: Tried, succeeded_at: int | None, now: int
) -> str | None:
    """Store how one went; gives why the webhook is to be disabled, if it is."""
    tries = delivery.tries + 1
    fate = fate_of(tried, tries, works=(succeeded_at or 0) > delivery.created_at)
    values = {
        "tries": tries,
        "tried_at": now,
        "outcome": tried.outcome.value,
        "answer": tried.status,
        "error": None if tried.error is None else tried.error[:300],
        "state": fate.state,
        "next_at": None if fate.wait is None else now + fate.wait,
        "ended_at": now if fate.wait is None else None,
    }
    mine = _d.number == delivery.number, _d.next_at.is_not(None)
    connection.execute(update(webhook_deliveries).where(*mine).values(values))
    return f"try {tries} of {delivery.id} ended as {tried}" if fate.disables else None


def _pause_until(connection: Connection, turn: DeliveryTurn) -> int:
    """When the oldest is tried next: until then a receiver that takes nothing is left alone."""
    oldest = min(each.number for each in turn.deliveries)
    return connection.scalar(select(_d.next_at).where(_d.number == oldest)) or 0


def give_back(connection: Connection, turn: DeliveryTurn, *, now: int) -> None:
    """Let somebody else send what a turn has not."""
    held = QUEUE.held(connection, {turn.webhook: turn.lease}).get(turn.webhook)
    if held is not None:
        back = {"run_at": now, "failures": turn.failures, "succeeded_at": held[2]}
        QUEUE.requeue(connection, [(turn.webhook, back)])


def recover(connection: Connection, *, now: int) -> int:
    """Give back what this process held before it was started again; gives how much. Only without other processes."""
    return QUEUE.recover(connection, now=now)
