"""What the fields of webhooks and their deliveries mean, for the document of the API."""

from collections.abc import Mapping

OF_WEBHOOKS: Mapping[str, str] = {
    "deliveries": "The deliveries of this page.",
    "Delivery.answer": "The HTTP status that the receiver answered last; null where there was no answer.",
    "Delivery.created_at": "When the event happened.",
    "Delivery.ended_at": "When it was delivered, or given up; null until then.",
    "Delivery.error": "What went wrong with the last try; null if nothing did.",
    "Delivery.id": "The id of the event, the same at every try: receivers get it as `webhook-id`.",
    "Delivery.outcome": "How the last try ended, such as `delivered`, `refused` or `timeout`; null before the first.",
    "Delivery.state": "`pending` until it is `delivered`, or `failed` because the receiver takes others but not this.",
    "Delivery.type": "The type of the event.",
    "disabled_at": "When it was disabled; null while it is enabled.",
    "disabled_reason": "Why it was disabled; null while it is enabled.",
    "enabled": "Whether events are noted for it and sent.",
    "events": "The types of events that it is told of.",
    "next_try_at": "When it is tried next at the earliest; null once it has ended.",
    "secret": "What deliveries are signed with. It is shown only in this answer.",
    "succeeded_at": "When the receiver took an event last; null for never.",
    "tried_at": "When it was tried last; null for never.",
    "tries": "How often it was tried; it is given up after eight.",
    "url": "Where events are sent: an https address that everybody can reach.",
    "Webhook.id": "The id of the webhook.",
    "CreatedWebhook.id": "The id of the webhook.",
    "webhooks": "All webhooks, the newest first.",
    "webhooks_disabled": "How many webhooks get nothing until an admin enables them.",
    "webhooks_oldest_seconds": "How long the oldest event has been waiting for a webhook that is enabled.",
    "webhooks_pending": "How many events wait for webhooks that are enabled.",
}
