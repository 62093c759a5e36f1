"""Looks at every alert now and then, fires and resolves them. One process at a time does it, and any may."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection, Row

from core.clock import SECOND, Clock
from database import Database
from domain.alerts import (
    BUDGET_LEFT,
    COUNT,
    NEGATIVE_SHARE,
    QUEUE_AGE,
    SHARE,
    SURPRISE,
    AlertRule,
    Measured,
    step,
)
from llm.prices import TICKS_PER_USD
from models import ALL_TOPICS
from store.insights.field_filing import known_values
from store.insights.topic_changes import Comparison, compared_topic
from store.insights.topic_days import TopicDays
from store.insights.windows import Selection, count_insights, topic_number
from store.money import spending
from store.queue.depth import depth
from store.webhooks import alerts

log = structlog.get_logger()

LOOK_SECONDS = 15.0
NEGATIVE = -1
NOTHING = Measured(None, 0)


@dataclass
class Alerting:
    """Looks until it is cancelled. `budget` is DAILY_BUDGET_USD."""

    database: Database
    clock: Clock
    days: TopicDays
    budget: float | None
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def run(self) -> None:
        """Look at all alerts, again and again."""
        while True:
            await self.look()
            await self.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Look at all alerts once. Raises SQLAlchemyError."""
        for row in await self.database.read(alerts.list_alerts):
            now = self.clock()
            measure = partial(self.measured, rule=alerts.stored_rule(row), now=now)
            measured = await self.database.read_in_background(measure)
            await self._store(row, measured, now)

    async def _store(self, row: Row[Any], measured: Measured, now: int) -> None:
        found = step(alerts.stored_rule(row), alerts.stored_state(row), measured, now)
        store = partial(alerts.store_step, row=row, found=found, measured=measured, now=now)
        if await self.database.write(store) and (found.fired or found.resolved):
            log.warning(
                "alert_fired" if found.fired else "alert_resolved", alert=row.id, value=measured.value
            )

    def measured(self, connection: Connection, rule: AlertRule, now: int) -> Measured:
        """The value of a rule in the window that ends now. Raises SQLAlchemyError."""
        measures: Mapping[str, Callable[[Connection, AlertRule, int], Measured]] = {
            NEGATIVE_SHARE: _counted,
            COUNT: _counted,
            SHARE: _share,
            SURPRISE: self._surprise,
            QUEUE_AGE: _queue_age,
            BUDGET_LEFT: self._budget_left,
        }
        return measures[rule.metric](connection, rule, now)

    def _budget_left(self, connection: Connection, _rule: AlertRule, now: int) -> Measured:
        if self.budget is None:
            return NOTHING
        ticks = round(self.budget * TICKS_PER_USD)
        left = spending.remaining(connection, spending.day_of(now), ticks)
        return Measured(left / TICKS_PER_USD, 0)

    def _surprise(self, connection: Connection, rule: AlertRule, now: int) -> Measured:
        start = max(0, now - rule.window)
        asked = Comparison(Selection(start, now), max(0, start - rule.window), start)
        found = compared_topic(connection, self.days, asked, rule.topic or "")
        return NOTHING if found is None else Measured(found.surprise, found.now.n)


def _queue_age(connection: Connection, _rule: AlertRule, now: int) -> Measured:
    waiting, oldest = depth(connection, now=now)
    return Measured(0.0 if oldest is None else max(0, now - oldest) / SECOND, waiting)


def _counted_under(connection: Connection, rule: AlertRule) -> int | None:
    """The number of the rule's topic or value; None if no insight ever had it."""
    if rule.field is None:
        return topic_number(connection, rule.topic)
    return known_values(connection, [rule.field_and_value]).get(rule.field_and_value)


def _share(connection: Connection, rule: AlertRule, now: int) -> Measured:
    topic = _counted_under(connection, rule)
    window = Selection(max(0, now - rule.window), now)
    whole = count_insights(connection, ALL_TOPICS, window)
    if topic is None or not whole:
        return NOTHING
    return Measured(count_insights(connection, topic, window) / whole, whole)


def _counted(connection: Connection, rule: AlertRule, now: int) -> Measured:
    topic = _counted_under(connection, rule)
    if topic is None:
        return NOTHING
    window = Selection(max(0, now - rule.window), now)
    whole = count_insights(connection, topic, window)
    if rule.metric == COUNT:
        return Measured(float(whole), whole)
    if not whole:
        return NOTHING
    negative = count_insights(connection, topic, Selection(window.start, now, sentiment=NEGATIVE))
    return Measured(negative / whole, whole)
