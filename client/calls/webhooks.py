"""Calls about webhooks; all of them need the role admin."""

from collections.abc import Sequence

from ..answers import CreatedWebhook, DeliveriesPage, Delivery, Webhook, Webhooks
from ..wire import Call, encoded
from .building import getting, nothing, path_to, reader

FOLDER = "/api/v1/webhooks"


def create_webhook(url: str, events: Sequence[str]) -> Call[CreatedWebhook]:
    """Have a receiver told of events of these types. Only this answer has its secret."""
    return Call("POST", FOLDER, reader(CreatedWebhook), body=encoded({"url": url, "events": [*events]}))


def webhooks() -> Call[Webhooks]:
    """All webhooks, the newest first."""
    return getting(FOLDER, reader(Webhooks))


def webhook(id_: str) -> Call[Webhook]:
    """A webhook."""
    return getting(path_to(FOLDER, id_), reader(Webhook))


def change_webhook(
    id_: str,
    *,
    url: str | None = None,
    events: Sequence[str] | None = None,
    enabled: bool | None = None,
) -> Call[Webhook]:
    """Change what is given. `enabled=True` sends at once what waits for it."""
    given = {"url": url, "events": None if events is None else [*events], "enabled": enabled}
    changed = {name: value for name, value in given.items() if value is not None}
    return Call("PATCH", path_to(FOLDER, id_), reader(Webhook), body=encoded(changed), repeatable=True)


def delete_webhook(id_: str) -> Call[None]:
    """Delete a webhook, with what waits for it."""
    return Call("DELETE", path_to(FOLDER, id_), nothing)


def deliveries_page(
    id_: str, *, state: str | None = None, limit: int = 100, cursor: str | None = None
) -> Call[DeliveriesPage]:
    """A page of 1 to 1,000 deliveries to a webhook, the newest event first."""
    given = {"state": state, "limit": limit, "cursor": cursor}
    return getting(f"{path_to(FOLDER, id_)}/deliveries", reader(DeliveriesPage), given)


def resend_event(webhook_id: str, event_id: str) -> Call[Delivery]:
    """Send an event once more, with the same id and body."""
    path = f"{path_to(path_to(FOLDER, webhook_id) + '/deliveries', event_id)}/resend"
    return Call("POST", path, reader(Delivery), repeatable=True)
