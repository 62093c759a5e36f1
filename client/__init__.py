"""The Python client of the Insights Platform: typed, blocking or asynchronous.

    with Client("http://localhost:8000") as service:
        service.post({"text": "My order has not arrived.", "external_id": "ticket-17"})
        for insight in service.insights(start_time="2026-11-01", end_time="2026-12-01"):
            print(insight.sentiment, insight.text)

A call waits for a busy service and for one that restarts. It is sent again only where that is safe: whatever
reads, and posts in which everything has an id of its own or that carry an Idempotency-Key (`fresh_key()`).
"""

from .api import AsyncClient, Client
from .calls import NewConversation, NewMessage, NewTurn, fresh_key
from .errors import (
    Busy,
    ClientError,
    Conflict,
    Denied,
    Failed,
    Fault,
    Invalid,
    Lost,
    NotFound,
    Refused,
    Unexpected,
    Unreachable,
    UnusableKey,
)
from .wire import Encoded

__all__ = [
    "AsyncClient",
    "Busy",
    "Client",
    "ClientError",
    "Conflict",
    "Denied",
    "Encoded",
    "Failed",
    "Fault",
    "Invalid",
    "Lost",
    "NewConversation",
    "NewMessage",
    "NewTurn",
    "NotFound",
    "Refused",
    "Unexpected",
    "Unreachable",
    "UnusableKey",
    "fresh_key",
]
