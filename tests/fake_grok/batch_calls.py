"""The fake Batch API over HTTP: which call is which operation, and how a call goes wrong."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote

from starlette.types import Receive, Scope, Send

from tests.fake_grok.batches import FakeBatches, Reply
from tests.fake_grok.mishaps import Mishap, refusal
from tests.fake_grok.requests import INVALID, Refused

PREFIX = "/v1/batches"
ROUTES = (
    ("POST", re.compile(r""), "create"),
    ("GET", re.compile(r""), "list"),
    ("GET", re.compile(r"/(?P<id>[^/:]+)"), "progress"),
    ("POST", re.compile(r"/(?P<id>[^/:]+)/requests"), "add"),
    ("GET", re.compile(r"/(?P<id>[^/:]+)/requests"), "requests"),
    ("GET", re.compile(r"/(?P<id>[^/:]+)/results"), "results"),
    ("POST", re.compile(r"/(?P<id>[^/:]+):cancel"), "cancel"),
)
USUAL_LIMIT, MOST_LIMIT = 100, 1_000
KEPT = {"x-zero-data-retention": "false", "x-data-retention": "general"}


class BatchCall(NamedTuple):
    """A call of the Batch API as it came in."""

    operation: str
    id: str
    query: Mapping[str, str]
    body: bytes


class Sent(NamedTuple):
    """What goes back, and whether the connection breaks before it or stays silent."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    manner: str = "whole"


def answer_to(
    fake: FakeBatches, scope: Scope, body: bytes, check_key: Callable[[], None]
) -> tuple[str, Sent]:
    """The operation, and what goes back. `check_key` raises Refused."""
    call = _call(scope, body)
    if isinstance(call, tuple) and not isinstance(call, BatchCall):
        return "none", _sent(call)
    try:
        check_key()
    except Refused as refused:
        return call.operation, _sent(refusal(refused.status, refused.code, refused.error))
    mishap = next((each for each in fake.mishaps if each.befalls(call.operation, fake.random)), None)
    if mishap is not None and mishap.kind != "lost_answer":
        return call.operation, _gone_wrong(mishap)
    if mishap is not None and scope["method"] == "GET":
        # Nobody has seen what was not delivered, so the record must not say that a row was read.
        return call.operation, _sent((200, {}))._replace(manner="lost")
    sent = _sent(_operated(fake, call))
    return call.operation, sent if mishap is None else sent._replace(manner="lost")


def _gone_wrong(mishap: Mishap) -> Sent:
    if mishap.kind == "garbage":
        return Sent(200, b"<html>upstream</html>", {"content-type": "text/html"})
    if mishap.kind == "hang":
        return Sent(200, b"", {}, "hang")
    said = mishap.text or f"This call was told to answer {mishap.status}"
    return _sent(refusal(mishap.status, "A fault that was ordered", said))._replace(headers=mishap.headers)


def _call(scope: Scope, body: bytes) -> BatchCall | Reply:
    path = scope.get("raw_path", scope["path"].encode()).decode().partition("?")[0].removeprefix(PREFIX)
    query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode()).items()}
    allowed = [(method, found, name) for method, shape, name in ROUTES if (found := shape.fullmatch(path))]
    if not allowed:
        return refusal(404, "Some requested entity was not found", "No handler for this URL")
    for method, found, name in allowed:
        if method == scope["method"]:
            return BatchCall(name, unquote(found.groupdict().get("id") or ""), query, body)
    return refusal(405, "Method not allowed", f"{scope['method']} is not known here")


def _operated(fake: FakeBatches, call: BatchCall) -> Reply:
    limit = call.query.get("limit", str(USUAL_LIMIT))
    if not limit.isdigit() or not 1 <= int(limit) <= MOST_LIMIT:
        return refusal(400, INVALID, f"limit: from 1 to {MOST_LIMIT}")
    token = call.query.get("pagination_token") or None
    match call.operation:
        case "list":
            return fake.listed(int(limit), token)
        case "progress":
            return fake.progress(call.id)
        case "requests":
            return fake.metadata(call.id, int(limit), token)
        case "results":
            return fake.results(call.id, int(limit), token)
        case "cancel":
            return fake.cancel(call.id)
    document = _document(call.body)
    if document is None:
        return refusal(400, INVALID, "the body is not a JSON object")
    return (
        fake.create(document) if call.operation == "create" else fake.add(call.id, document, len(call.body))
    )


def _document(body: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(body)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _sent(reply: Reply) -> Sent:
    return Sent(reply[0], json.dumps(reply[1]).encode(), KEPT)


async def deliver_batch(sent: Sent, receive: Receive, send: Send) -> None:
    """Send it the way it is to be sent: a lost answer is a connection that closes before the first byte of it."""
    if sent.manner == "hang":
        await receive()
        return
    pairs = {"content-type": "application/json", **sent.headers}
    length = len(sent.body) + (1 if sent.manner == "lost" else 0)
    headers = [
        (name.encode(), value.encode()) for name, value in {**pairs, "content-length": str(length)}.items()
    ]
    await send({"type": "http.response.start", "status": sent.status, "headers": headers})
    if sent.manner == "whole":
        await send({"type": "http.response.body", "body": sent.body})
