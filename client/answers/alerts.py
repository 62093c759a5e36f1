"""Alerts: rules over what is counted anyway, and how they are."""

from typing import Literal

from pydantic import AwareDatetime

from .base import Answer


class Alert(Answer):
    """A rule with its state. `value` is what the last look found, of `count` insights."""

    id: str
    name: str
    metric: str
    topic: str | None
    field: str | None = None
    window: str
    direction: Literal["above", "below"]
    threshold: float
    resolve_threshold: float
    minimum_count: int
    state: Literal["ok", "firing"]
    value: float | None
    count: int | None
    looked_at: AwareDatetime | None
    fired_at: AwareDatetime | None
    resolved_at: AwareDatetime | None
    firings: int
    created_at: AwareDatetime
    created_by: str


class Alerts(Answer):
    """All alerts: those that fire first, then the newest first."""

    alerts: list[Alert]
