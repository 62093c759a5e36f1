"""Alerts as they are stored: a rule with its state. Times in UTC microseconds.

The state is changed by whoever finds it as it was, so that two processes that look at once fire an alert once.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from core.clock import iso, iso_or_none
from domain.alerts import AlertRule, AlertState, AlertStep, Measured
from domain.events import ALERT_FIRED, ALERT_RESOLVED, WebhookEvent
from models import alerts
from store.webhooks.outbox import note_events, subscribers

MOST_ALERTS = 200
FIRING, OK = "firing", "ok"
DELETED = "the alert was deleted"
_a = alerts.c


def add(connection: Connection, name: str, rule: AlertRule, *, by: str, now: int) -> Row[Any] | None:
    """Store a new alert; None where there are MOST_ALERTS already."""
    if (connection.scalar(select(func.count()).select_from(alerts)) or 0) >= MOST_ALERTS:
        return None
    new = {"id": f"al_{uuid.uuid4().hex}", "name": name, "created_at": now, "created_by": by[:100]}
    connection.execute(insert(alerts).values({**new, **rule._asdict()}))
    return get(connection, str(new["id"]))


def get(connection: Connection, id_: str) -> Row[Any] | None:
    """An alert; None if there is none."""
    return connection.execute(select(alerts).where(_a.id == id_)).one_or_none()


def list_alerts(connection: Connection) -> Sequence[Row[Any]]:
    """All alerts: those that fire first, then the newest first."""
    return connection.execute(select(alerts).order_by(_a.state, _a.number.desc())).all()


def change_alert(connection: Connection, id_: str, values: Mapping[str, Any]) -> Row[Any] | None:
    """Change the name or the rule of an alert, whose state stays until the next look; None if there is none."""
    if values:
        connection.execute(update(alerts).where(_a.id == id_).values(values))
    return get(connection, id_)


def delete_alert(connection: Connection, id_: str, *, now: int) -> bool:
    """Delete an alert; one that fires is told as resolved. False if there is none."""
    row = connection.execute(select(alerts).where(_a.id == id_).with_for_update()).one_or_none()
    if row is None:
        return False
    connection.execute(delete(alerts).where(_a.id == id_))
    if row.state == FIRING:
        _tell(connection, row, ALERT_RESOLVED, Measured(row.value, row.n or 0), now, reason=DELETED)
    return True


def stored_rule(row: Row[Any]) -> AlertRule:
    """The rule of a stored alert."""
    return AlertRule(**{name: getattr(row, name) for name in AlertRule._fields})


def stored_state(row: Row[Any]) -> AlertState:
    """The state of a stored alert."""
    return AlertState(row.state == FIRING, row.calm_since)


def store_step(
    connection: Connection, row: Row[Any], found: AlertStep, measured: Measured, *, now: int
) -> bool:
    """Store what a look has made of an alert, and tell webhooks; False if it is not as it was read any more."""
    values: dict[str, Any] = {
        "state": FIRING if found.state.is_firing else OK,
        "calm_since": found.state.calm_since,
        "value": measured.value,
        "n": measured.n,
        "looked_at": now,
    }
    if found.fired:
        values |= {"fired_at": now, "resolved_at": None, "firings": _a.firings + 1}
    elif found.resolved:
        values |= {"resolved_at": now}
    unchanged = _a.number == row.number, _a.state == row.state, _a.firings == row.firings
    if not connection.execute(update(alerts).where(*unchanged).values(values)).rowcount:
        return False
    if found.fired or found.resolved:
        fresh = connection.execute(select(alerts).where(_a.number == row.number)).one()
        _tell(connection, fresh, ALERT_FIRED if found.fired else ALERT_RESOLVED, measured, now)
    return True


def _tell(
    connection: Connection, row: Row[Any], type_: str, measured: Measured, now: int, reason: str | None = None
) -> None:
    data = {
        "id": row.id,
        "name": row.name,
        "metric": row.metric,
        "topic": row.topic,
        "field": row.field,
        "direction": row.direction,
        "threshold": row.threshold,
        "value": measured.value,
        "count": measured.n,
        "fired_at": iso_or_none(row.fired_at),
        "resolved_at": iso(now) if type_ == ALERT_RESOLVED else None,
        "reason": reason,
    }
    note_events(
        connection, subscribers(connection), [WebhookEvent(type_, now, {"alert": data}, f"alert:{row.id}")]
    )
