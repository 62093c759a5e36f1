"""The intake and status calls of the service, kept in memory and failing on command."""

import json
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

Item = dict[str, Any]
BULK = "/api/v1/conversations/bulk"
TIME = "2026-11-03T10:00:00.000000Z"
TURN = ("text", "author", "role", "timestamp", "message_id")
NEW: Item = {
    "status": "queued",
    "external_id": None,
    "author": None,
    "timestamp": TIME,
    "metadata": None,
    "error": None,
    "skip_reason": None,
    "attempts": 0,
    "due_at": None,
    "received_at": TIME,
    "finished_at": None,
    "raw_data": None,
    "insight": None,
}


HEALTH: Item = {
    "queue_size": 1,
    "summary_queue_size": 0,
    "worker_running": True,
    "db_ok": True,
    "analyzer": "grok",
    "model": "grok-4.3",
    "circuit": "closed",
    "oldest_queued_seconds": 1.0,
    "drain_seconds": None,
    "started_at": TIME,
}


class FakePlatform:
    """What it has stored, by conversation id, and what it was asked.

    `next_answers` are given to the next bulk posts: a response in the place of storing them, DROPPED, or None
    for what it does by itself. `refuses` says why an item is invalid, `stages` are the statuses a conversation
    goes through, one an asking, `reasons` what `/health` says; the last one of each stays.
    """

    def __init__(
        self,
        *next_answers: Response | None,
        refuses: Callable[[Item], str | None] = lambda _item: None,
        most_bytes: int = 16_000_000,
        stages: Sequence[str] = ("completed",),
        reasons: Sequence[Sequence[str]] = ((),),
    ) -> None:
        self.next_answers = deque(next_answers)
        self.refuses = refuses
        self.most_bytes = most_bytes
        self.stages = stages
        self.reasons = deque(reasons)
        self.stored: dict[str, Item] = {}
        self.bulks: list[tuple[int, int]] = []
        """Items and bytes of each bulk post."""
        self.freshness: list[str] = []
        """How soon each of them has to be analysed."""
        self.checks = 0
        self.asked: list[list[str]] = []
        """The ids of each status post."""
        self._askings: Counter[str] = Counter()
        routes = [
            Route("/healthz", self._health),
            Route("/health", self._state),
            Route(BULK, self._bulk, methods=["POST"]),
            Route("/api/v1/conversations/status", self._status, methods=["POST"]),
            Route("/api/v1/conversations/{name}", self._conversation),
        ]
        self._app = Starlette(routes=routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    async def _health(self, request: Request) -> Response:
        self.checks += 1
        return JSONResponse({"status": "ok"})

    async def _state(self, request: Request) -> Response:
        reasons = self.reasons.popleft() if len(self.reasons) > 1 else self.reasons[0]
        return JSONResponse({**HEALTH, "status": "degraded" if reasons else "ok", "reasons": reasons})

    async def _bulk(self, request: Request) -> Response:
        assert request.query_params["on_conflict"] == "skip"
        body = await request.body()
        items = json.loads(body)
        self.freshness.append(request.query_params.get("freshness", "now"))
        self.bulks.append((len(items), len(body)))
        answer = self.next_answers.popleft() if self.next_answers else None
        if answer is not None:
            return self._dropped(items) if answer is DROPPED else answer
        if len(body) > self.most_bytes:
            return problem(413, "payload_too_large")
        reasons = {index: self.refuses(item) for index, item in enumerate(items)}
        details = [{"index": index, "error": reason} for index, reason in reasons.items() if reason]
        return problem(400, "invalid_schema", details) if details else JSONResponse(self._store(items), 202)

    def _dropped(self, items: Sequence[Item]) -> Response:
        """Stored, but the connection is gone before the answer is whole."""
        self._store(items)
        return Response(b"", 202, {"content-length": "100"})

    def _store(self, items: Sequence[Item]) -> Mapping[str, object]:
        ids = [item.get("conversation_id") or f"conv_{item['external_id']}" for item in items]
        new = 0
        conflicts = []
        for index, (name, item) in enumerate(zip(ids, items, strict=True)):
            new += name not in self.stored
            if self.stored.setdefault(name, item) != item:
                conflicts.append({"index": index, "error": "conflict", "conversation_id": name})
        clashing = {clash["index"] for clash in conflicts}
        return {
            "ingested": new,
            "enqueued": new,
            "duplicates": len(items) - new - len(conflicts),
            "conversation_ids": [None if index in clashing else name for index, name in enumerate(ids)],
            "conflicts": conflicts,
        }

    async def _status(self, request: Request) -> Response:
        ids = (await request.json())["ids"]
        self.asked.append(ids)
        known = [self._progress(name) for name in ids if name in self.stored]
        return JSONResponse(
            {"conversations": known, "unknown": [id_ for id_ in ids if id_ not in self.stored]}
        )

    def _progress(self, name: str) -> Mapping[str, object]:
        status = self.stages[min(self._askings[name], len(self.stages) - 1)]
        self._askings[name] += 1
        analysis = {"sentiment_score": -0.5, "confidence": 0.8, "clusters": ["delay"], "reasoning": "late"}
        insight = {
            "grok_analysis": analysis,
            "sentiment": "negative",
            "analyzer": "offline",
            "model": "offline",
            "cached": False,
            "partial": False,
            "analysed_at": TIME,
        }
        return {
            "conversation_id": name,
            "status": status,
            "error": "no answer" if status == "failed" else None,
            "insight": insight if status == "completed" else None,
        }

    async def _conversation(self, request: Request) -> Response:
        name = request.path_params["name"]
        item = self.stored.get(name)
        if item is None:
            return problem(404, "not_found", "No conversation has this id")
        return JSONResponse({**NEW, "conversation_id": name, **item, "messages": self._turns(item)})

    def _turns(self, item: Item) -> list[Item] | None:
        if "messages" not in item:
            return None
        return [{**dict.fromkeys(TURN), **message} for message in item["messages"]]


DROPPED = Response()
"""In `next_answers`: stored, and the connection closed before the answer is whole."""


def problem(status: int, error: str, details: object = None, retry_after: str | None = None) -> Response:
    """The error envelope."""
    headers = None if retry_after is None else {"Retry-After": retry_after}
    return JSONResponse({"error": error, "details": details}, status, headers)
