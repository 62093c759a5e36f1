"""Alerts: rules over what is counted anyway, and when one fires and resolves. Times in UTC microseconds.

An alert fires as soon as its value has reached the threshold. It resolves once the value has been back behind another
threshold, which is a tenth away by default, for some time without a break. So a value that hovers at the threshold
fires once and resolves once.
"""

from math import inf
from typing import NamedTuple

from core.clock import HOUR, SECOND

METRICS = ("negative_share", "count", "share", "surprise", "queue_age", "budget_left")
NEGATIVE_SHARE, COUNT, SHARE, SURPRISE, QUEUE_AGE, BUDGET_LEFT = METRICS
SHARES = (NEGATIVE_SHARE, SHARE)
ABOVE, BELOW = "above", "below"
BAND = 0.1
"""The part of the threshold by which a value has to be back, unless a rule says otherwise."""
SHORTEST_CALM, LONGEST_CALM = 300 * SECOND, HOUR
FEW = 20
"""Insights under which a share or a surprise says little."""


class AlertRule(NamedTuple):
    """When an alert fires and when it resolves."""

    metric: str
    direction: str
    """`above`: it fires at the threshold and over it; `below`: at it and under it."""
    threshold: float
    resolve_threshold: float
    minimum_count: int
    window: int
    topic: str | None = None
    field: str | None = None
    """A field of the operator's and a value of it, as `urgency=high`."""

    @property
    def field_and_value(self) -> tuple[str, str]:
        """Both of them; empty without a field."""
        name, _, value = (self.field or "").partition("=")
        return name, value

    @property
    def calm(self) -> int:
        """How long the value has to be back: as long as the window, but from five minutes to an hour."""
        return min(max(self.window, SHORTEST_CALM), LONGEST_CALM)

    def is_reached(self, threshold: float, value: float) -> bool:
        """Whether a value is at a threshold or beyond."""
        return value >= threshold if self.direction == ABOVE else value <= threshold


class AlertState(NamedTuple):
    """Whether an alert fires, and since when its value has been back."""

    is_firing: bool = False
    calm_since: int | None = None


class Measured(NamedTuple):
    """A value, and how many insights it is made of; no value where there is nothing to tell it from."""

    value: float | None
    n: int


class AlertStep(NamedTuple):
    """The state after a look, and whether it has just fired or resolved."""

    state: AlertState
    fired: bool = False
    resolved: bool = False


def step(rule: AlertRule, before: AlertState, measured: Measured, now: int) -> AlertStep:
    """What a look at the value makes of an alert. Of too few insights nothing is told: it does not fire by them."""
    value = measured.value if measured.n >= rule.minimum_count else None
    if not before.is_firing:
        fires = value is not None and rule.is_reached(rule.threshold, value)
        return AlertStep(AlertState(is_firing=fires), fired=fires)
    if value is not None and rule.is_reached(rule.resolve_threshold, value):
        return AlertStep(AlertState(is_firing=True))
    since = now if before.calm_since is None else before.calm_since
    if now - since >= rule.calm:
        return AlertStep(AlertState(), resolved=True)
    return AlertStep(AlertState(is_firing=True, calm_since=since))


def usual_direction(metric: str) -> str:
    """The direction of a rule that names none."""
    return BELOW if metric == BUDGET_LEFT else ABOVE


def usual_resolve_threshold(
    metric: str, threshold: float, direction: str, most: float | None = None
) -> float:
    """A tenth of the threshold behind it, or half of the way to where the value ends, if that is nearer.

    A share that ends at 1, or what is left of `most` dollars, would never be back behind a threshold beyond that.
    """
    band = BAND * abs(threshold)
    if direction == ABOVE:
        return threshold - band
    end = 1.0 if metric in SHARES else inf if most is None else most
    return min(threshold + band, (threshold + end) / 2) if threshold <= end else threshold + band


def usual_minimum(metric: str) -> int:
    """The least insights of a rule that names no number."""
    return FEW if metric in (*SHARES, SURPRISE) else 0
