"""Alerts over what is stored: measured as the API counts it, told once, by however many processes."""

from collections.abc import Sequence
from functools import partial

import pytest
from sqlalchemy import Connection, select

from core.clock import HOUR, SECOND
from database import Database
from domain.alerts import AlertRule, AlertState, AlertStep, Measured, usual_resolve_threshold
from models import alerts as table
from models import spending, webhook_deliveries
from services.alerting import Alerting
from store.insights.field_filing import declare_fields
from store.insights.topic_days import TopicDays
from store.webhooks import alerts, registry
from store.webhooks.registry import NewReceiver
from tests.support.field_data import FIELDS, SAID
from tests.support.insight_data import A_DAY, NOON, an_analysis, an_insight, store
from tests.support.rows import new, take_in

DAYS_7 = 7 * A_DAY
BAD, GOOD = an_analysis(-8_000), an_analysis(8_000)


class Moved:
    """A clock that the test moves."""

    def __init__(self, at: int = NOON) -> None:
        self.at = at

    def __call__(self) -> int:
        return self.at


async def ready(db: Database, rule: AlertRule) -> Moved:
    """A webhook and an alert."""

    def play(connection: Connection) -> None:
        types = ["alert.fired", "alert.resolved"]
        assert registry.add(connection, NewReceiver("wh_1", "https://x.test/", "whsec_", types, NOON, "me"))
        assert alerts.add(connection, "An alert", rule, by="me", now=NOON)

    await db.write(play)
    return Moved()


def rule_of(metric: str, threshold: float, **given: object) -> AlertRule:
    direction = "below" if metric == "budget_left" else "above"
    back = usual_resolve_threshold(metric, threshold, direction)
    rule = AlertRule(metric, direction, threshold, back, 0, HOUR)
    return rule._replace(**given)  # type: ignore[arg-type]


async def told(db: Database) -> Sequence[str]:
    d = webhook_deliveries.c
    return await db.read(lambda connection: connection.scalars(select(d.type).order_by(d.number)).all())


async def value(db: Database) -> float | None:
    return await db.read(lambda connection: connection.scalar(select(table.c.value)))


async def test_a_share_that_hovers_for_a_week_fires_once_and_resolves_once(db: Database) -> None:
    """Twenty conversations an hour: few are negative for two days, then two in five now more now less, then few."""
    clock = await ready(db, rule_of("negative_share", 0.4, minimum_count=20))
    bad_ones = [1] * 48 + [9 if at % 3 else 7 for at in range(72)] + [1] * 48

    def play(connection: Connection) -> None:
        said = [
            an_insight(hour * 20 + at + 1, NOON + hour * HOUR + at * 60 * SECOND, BAD if at < bad else GOOD)
            for hour, bad in enumerate(bad_ones)
            for at in range(20)
        ]
        store(connection, said)

    await db.write(play)
    alerting = Alerting(db, clock, TopicDays(), None)
    for hour in range(1, len(bad_ones) + 1):
        clock.at = NOON + hour * HOUR
        await alerting.look()
        if hour == 60:
            assert await told(db) == ["alert.fired"]

    assert clock.at == NOON + DAYS_7
    assert await told(db) == ["alert.fired", "alert.resolved"]
    [row] = await db.read(alerts.list_alerts)
    assert (row.firings, row.state) == (1, "ok")
    assert NOON + 48 * HOUR < row.fired_at < NOON + 52 * HOUR
    assert NOON + 120 * HOUR < row.resolved_at <= NOON + 123 * HOUR


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (rule_of("count", 6), 6.0),
        (rule_of("count", 4, topic="refund"), 2.0),
        (rule_of("negative_share", 0.5), 4 / 6),
        (rule_of("negative_share", 0.5, topic="refund"), 0.0),
        (rule_of("negative_share", 0.5, topic="nothing"), None),
        (rule_of("share", 0.3, topic="refund"), 2 / 6),
        (rule_of("share", 0.3, field="urgency=high"), 1 / 6),
        (rule_of("share", 0.3, field="urgency=low"), 0.0),
        (rule_of("count", 1, field="urgency=high"), 1.0),
        (rule_of("negative_share", 1, field="urgency=high"), 1.0),
        (rule_of("count", 1, field="colour=red"), None),
        (rule_of("budget_left", 4), 3.0),
        (rule_of("queue_age", 5), 90.0),
        (rule_of("surprise", 1, topic="nothing"), None),
    ],
)
async def test_what_is_measured(db: Database, rule: AlertRule, expected: float | None) -> None:
    clock = await ready(db, rule)

    def play(connection: Connection) -> None:
        declare_fields(connection, FIELDS, at=NOON)
        urgent = BAD._replace(fields=FIELDS.read(SAID))
        said = [an_insight(at, NOON - SECOND * at, BAD if at > 1 else urgent) for at in range(1, 5)]
        said += [
            an_insight(at, NOON - SECOND * at, an_analysis(5_000, clusters=["refund"])) for at in range(5, 7)
        ]
        said += [an_insight(7, NOON - 2 * HOUR, BAD)]
        store(connection, said)
        take_in(connection, new("queued", received_at=NOON - 90 * SECOND))
        connection.execute(spending.insert().values(day=NOON // A_DAY, spent=10**10, reserved=10**10))

    await db.write(play)
    await Alerting(db, clock, TopicDays(), budget=5.0).look()

    assert await value(db) == expected
    fires = expected is not None and rule.is_reached(rule.threshold, expected)
    assert await told(db) == (["alert.fired"] if fires else [])


async def test_a_topic_that_bursts_is_a_surprise(db: Database) -> None:
    rule = rule_of("surprise", 3, topic="refund", window=24 * HOUR, minimum_count=5)
    clock = await ready(db, rule)

    def play(connection: Connection) -> None:
        usual = [
            an_insight(
                day * 40 + at + 1, NOON - day * A_DAY - at * 60 * SECOND, an_analysis(clusters=[topic])
            )
            for day in range(1, 15)
            for at in range(40)
            for topic in ["refund" if at == 0 else "delay"]
        ]
        burst = [
            an_insight(1_000 + at, NOON - SECOND * (at + 1), an_analysis(clusters=["refund"]))
            for at in range(40)
        ]
        store(connection, usual + burst)

    await db.write(play)
    await Alerting(db, clock, TopicDays(), None).look()

    assert await told(db) == ["alert.fired"]


async def test_two_processes_that_look_at_once_tell_it_once(db: Database) -> None:
    await ready(db, rule_of("count", 1))
    [row] = await db.read(alerts.list_alerts)
    found, measured = AlertStep(AlertState(is_firing=True), fired=True), Measured(2.0, 2)
    store_once = partial(alerts.store_step, row=row, found=found, measured=measured, now=NOON)

    assert [await db.write(store_once) for _ in range(2)] == [True, False]
    assert await told(db) == ["alert.fired"]


async def test_an_alert_that_is_deleted_while_it_fires_is_told_as_resolved(db: Database) -> None:
    clock = await ready(db, rule_of("count", 0))
    await Alerting(db, clock, TopicDays(), None).look()
    [row] = await db.read(alerts.list_alerts)

    assert await db.write(partial(alerts.delete_alert, id_=row.id, now=NOON))
    assert not await db.write(partial(alerts.delete_alert, id_=row.id, now=NOON))
    assert await told(db) == ["alert.fired", "alert.resolved"]
