"""Webhooks, and how their deliveries go."""

from typing import Literal

from pydantic import AwareDatetime

from .base import Answer


class Webhook(Answer):
    """A receiver of events. `disabled_reason` says why it gets nothing, if it is disabled."""

    id: str
    url: str
    events: list[str]
    enabled: bool
    disabled_reason: str | None
    disabled_at: AwareDatetime | None
    created_at: AwareDatetime
    created_by: str
    succeeded_at: AwareDatetime | None


class CreatedWebhook(Webhook):
    """A new webhook, with the secret that deliveries are signed with; it is shown this once."""

    secret: str


class Webhooks(Answer):
    """All webhooks, the newest first."""

    webhooks: list[Webhook]


class Delivery(Answer):
    """An event for a webhook. `outcome`, `answer` (the HTTP status) and `error` are of the last try."""

    id: str
    type: str
    state: Literal["pending", "delivered", "failed"]
    created_at: AwareDatetime
    tries: int
    tried_at: AwareDatetime | None
    next_try_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    outcome: str | None
    answer: int | None
    error: str | None


class DeliveriesPage(Answer):
    """A page of deliveries, the newest event first."""

    deliveries: list[Delivery]
    next_cursor: str | None
