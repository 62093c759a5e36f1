"""Calls about alerts. Everybody may read them, admins may change them."""

from typing import Any, Literal

from ..answers import Alert, Alerts
from ..wire import Call, encoded
from .building import getting, nothing, path_to, reader

FOLDER = "/api/v1/alerts"
Metric = Literal["negative_share", "count", "share", "surprise", "queue_age", "budget_left"]


def create_alert(
    name: str,
    metric: Metric,
    threshold: float,
    *,
    topic: str | None = None,
    field: str | None = None,
    window: str | None = None,
    resolve_threshold: float | None = None,
    direction: Literal["above", "below"] | None = None,
    minimum_count: int | None = None,
) -> Call[Alert]:
    """Have an alert fire at a threshold. `window` is such as `15m` or `7d`, and `field` such as `urgency=high`."""
    given = {
        "name": name,
        "metric": metric,
        "threshold": threshold,
        "topic": topic,
        "field": field,
        "window": window,
        "resolve_threshold": resolve_threshold,
        "direction": direction,
        "minimum_count": minimum_count,
    }
    return Call("POST", FOLDER, reader(Alert), body=encoded(_without_none(given)))


def alerts() -> Call[Alerts]:
    """All alerts: those that fire first, then the newest first."""
    return getting(FOLDER, reader(Alerts))


def alert(id_: str) -> Call[Alert]:
    """An alert, and how it is."""
    return getting(path_to(FOLDER, id_), reader(Alert))


def change_alert(
    id_: str,
    *,
    name: str | None = None,
    window: str | None = None,
    threshold: float | None = None,
    resolve_threshold: float | None = None,
    minimum_count: int | None = None,
) -> Call[Alert]:
    """Change what is given."""
    given = {
        "name": name,
        "window": window,
        "threshold": threshold,
        "resolve_threshold": resolve_threshold,
        "minimum_count": minimum_count,
    }
    return Call(
        "PATCH", path_to(FOLDER, id_), reader(Alert), body=encoded(_without_none(given)), repeatable=True
    )


def delete_alert(id_: str) -> Call[None]:
    """Delete an alert."""
    return Call("DELETE", path_to(FOLDER, id_), nothing)


def _without_none(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}
