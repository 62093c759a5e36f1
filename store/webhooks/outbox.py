"""The outbox: whoever makes an event true notes it here in the same transaction, once for each webhook that wants it.

So what is told is true and what is true is told, whenever the process dies. An event has an id and a body, which are
the same for every webhook and at every try.
"""

import json
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlalchemy import Connection, delete, insert, select

from domain.events import WebhookEvent, body_of
from domain.write_back import CHATWOOT, CONVERSATION
from models import webhook_deliveries, webhooks
from store.engine.prepared import Prepared
from store.engine.vault import vault_of

Subscribers = Mapping[str, Sequence[int]]
"""The numbers of the webhooks that want each type of event."""
_d, _w = webhook_deliveries.c, webhooks.c
ENABLED = Prepared(select(_w.number, _w.events).where(_w.run_at.is_not(None)))


def subscribers(connection: Connection) -> Subscribers:
    """Who wants which events. Asked for in every settlement, so that events nobody wants cost this one look."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for number, types in ENABLED.rows(connection, {}):
        for type_ in json.loads(types):
            found[type_].append(number)
    return found


def wants(wanted: Subscribers, type_: str) -> bool:
    """Whether anybody wants events of a type."""
    return type_ in wanted or f"{CHATWOOT}/{type_}" in wanted


def note_events(connection: Connection, wanted: Subscribers, events: Iterable[WebhookEvent]) -> None:
    """Write events into the outbox, in order. Those of a conversation while its row is locked."""
    rows = [row for event in events for row in _rows(event, _wanting(wanted, event))]
    if rows:
        vault = vault_of(connection)
        connection.execute(insert(webhook_deliveries), [*vault.all_sealed(webhook_deliveries, rows)])


def _wanting(wanted: Subscribers, event: WebhookEvent) -> Sequence[int]:
    """Chatwoot is told of its own conversations only."""
    found = wanted.get(event.type, ())
    if CONVERSATION.fullmatch(event.data.get("conversation_id", "")) is None:
        return found
    return [*found, *wanted.get(f"{CHATWOOT}/{event.type}", ())]


def _rows(event: WebhookEvent, numbers: Sequence[int]) -> list[dict[str, object]]:
    if not numbers:
        return []
    row = {
        "id": f"evt_{uuid.uuid4().hex}",
        "type": event.type,
        "subject": event.subject,
        "conversation": event.conversation,
        "body": body_of(event),
        "created_at": event.at,
        "next_at": event.at,
    }
    return [{**row, "webhook": number} for number in numbers]


def forget_events(connection: Connection, conversations: Collection[int]) -> None:
    """Delete what the outbox says of these conversations, delivered or not."""
    if conversations:
        connection.execute(delete(webhook_deliveries).where(_d.conversation.in_(conversations)))
