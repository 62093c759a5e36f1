"""`POST /api/v1/conversations` and `/bulk`: validate, store durably, answer. No request waits for analysis."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, get_type_hints

from fastapi import APIRouter, Header, Request, Response
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from starlette.types import Receive, Scope, Send

from api import dependencies
from api.access import caller_of
from api.dependencies import Resources
from api.errors import ApiError, conflict_details, documented
from api.json_response import JsonAnswer
from api.parameters.chats import WHAT_FRESHNESS_SAYS
from api.parameters.common import printable
from api.parsing import first_character, parse_body, read_json
from schemas import AcceptedOut, BulkAccepted, BulkConversations, Code, Conversation
from store.conversations import intake as store

MAX_KEY = 255
REFUSALS = documented(
    Code.INVALID_SCHEMA,
    Code.INVALID_QUERY,
    Code.CONFLICT,
    Code.PAYLOAD_TOO_LARGE,
    Code.UNSUPPORTED_MEDIA_TYPE,
    Code.RATE_LIMIT_EXCEEDED,
    Code.QUEUE_FULL,
    Code.DATABASE_UNAVAILABLE,
    Code.STORAGE_FULL,
    Code.OVERLOADED,
)
ON_CONFLICT = {
    "name": "on_conflict",
    "in": "query",
    "description": "`skip`: store the others if an item's id is known with other content",
    "schema": {"enum": ["fail", "skip"], "default": "fail"},
}
FRESHNESS = {
    "name": "freshness",
    "in": "query",
    "description": WHAT_FRESHNESS_SAYS,
    "schema": {"enum": ["now", "day"], "default": "now"},
}

OTHER_DOOR = {
    "/api/v1/conversations": (
        b"[",
        "must be a JSON object; an array of conversations goes to /api/v1/conversations/bulk",
    ),
    "/api/v1/conversations/bulk": (
        b"{",
        "must be a JSON array; a single conversation goes to /api/v1/conversations",
    ),
}
"""By path: how a body begins that was meant for the other one, and what to tell its sender."""

CHOICES = {"on_conflict": ("fail", "skip"), "freshness": ("now", "day")}
"""The parameters of a bulk, each with its values, of which the first is the default."""
SENT_AS = {"id": "conversation_id", "external_id": "external_id", "idempotency_key": "Idempotency-Key"}
"""The names under which clients send the ids that make a repeated post known."""


class FromBytes(APIRoute):
    """A route that validates the bytes of its body itself; its signature only documents its arguments.

    FastAPI's own parsing costs 105 us of CPU a request, where a plain route takes 39; the database's part of a
    post is 76.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **given: Any) -> None:
        super().__init__(path, endpoint, **given)
        adapter: TypeAdapter[Any] = TypeAdapter(get_type_hints(endpoint, include_extras=True)["sent"])

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            request = Request(scope, receive)
            body = await read_json(request)
            _refuse_other_door(path, body)
            sent = parse_body(adapter, body)
            response: Response = await endpoint(request, sent, _idempotency_key(request))
            await response(scope, receive, send)

        self.app = app


def _refuse_other_door(path: str, body: bytes) -> None:
    begins, details = OTHER_DOOR[path]
    if first_character(body) == begins:
        raise ApiError(Code.INVALID_SCHEMA, details)


def _idempotency_key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not 1 <= len(key) <= MAX_KEY:
        raise ApiError(Code.INVALID_SCHEMA, f"Idempotency-Key: must have 1 to {MAX_KEY} characters")
    return key


router = APIRouter(prefix="/api/v1/conversations", tags=["conversations"], route_class=FromBytes)
Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=MAX_KEY)]


@router.post("", status_code=202, response_model=AcceptedOut, responses=REFUSALS)
async def post(request: Request, sent: Conversation, key: Key = None) -> Response:
    """Accept one conversation. 202 means: on disk."""
    _refuse_parameters(request)
    resources = dependencies.resources_of(request)
    owner = caller_of(request.scope).owner
    await refuse_when_full(resources, partial(resources.intake.is_new, sent, key, owner))
    outcome = await resources.intake.accept(sent, key, owner)
    if isinstance(outcome, store.Conflict):
        raise ApiError(Code.CONFLICT, _conflict(outcome))
    message = "Conversation queued for analysis" if outcome.created else "Conversation already accepted"
    body = {
        "status": "accepted",
        "conversation_id": outcome.id,
        "message": message,
        "enqueued": outcome.created,
    }
    return JsonAnswer(body, 202, {"Location": f"/api/v1/conversations/{outcome.id}"})


def _conflict(conflict: store.Conflict) -> str:
    names = [SENT_AS[name] for name in conflict.ids]
    if conflict.others:
        return f"{' and '.join(names)}: belong to different conversations, one of them {conflict.id}"
    return f"{' and '.join(names)}: {conflict.id} is known with other content"


@router.post(
    "/bulk",
    status_code=202,
    response_model=BulkAccepted,
    response_model_exclude_none=True,
    responses=REFUSALS,
    openapi_extra={"parameters": [ON_CONFLICT, FRESHNESS]},
)
async def bulk(request: Request, sent: BulkConversations, key: Key = None) -> Response:
    """Accept up to 500 conversations, all or none. 202 means: on disk."""
    resources = dependencies.resources_of(request)
    owner = caller_of(request.scope).owner
    if (room := _room(resources)) < len(sent):
        _refuse_without_room(await resources.intake.count_new(sent, key, owner), len(sent), room)
    asked = _asked_for(request)
    skip, can_wait = asked["on_conflict"] == "skip", asked["freshness"] == "day"
    outcomes = await resources.intake.accept_all(sent, key, owner, skip_conflicts=skip, can_wait=can_wait)
    return JsonAnswer(_bulk_view(outcomes, skip), 202)


def _bulk_view(outcomes: Sequence[store.IntakeOutcome], skip: bool) -> dict[str, object]:
    conflicts = [
        (index, outcome.id) for index, outcome in enumerate(outcomes) if isinstance(outcome, store.Conflict)
    ]
    created = sum(isinstance(outcome, store.Accepted) and outcome.created for outcome in outcomes)
    body: dict[str, object] = {
        "ingested": created,
        "enqueued": created,
        "duplicates": len(outcomes) - created - len(conflicts),
        "conversation_ids": [
            None if isinstance(outcome, store.Conflict) else outcome.id for outcome in outcomes
        ],
    }
    return {**body, "conflicts": conflict_details(conflicts)} if skip else body


def _refuse_parameters(request: Request, *known: str) -> None:
    # Most posts have none, so that there is nothing to parse.
    unknown = request.scope["query_string"] and [name for name in request.query_params if name not in known]
    if unknown:
        raise ApiError(Code.INVALID_QUERY, f"Unknown parameter: {printable(unknown[0])}")


def _asked_for(request: Request) -> Mapping[str, str]:
    """The parameters of a bulk, each as it was given or by default."""
    _refuse_parameters(request, *CHOICES)
    return {name: _choice(request, name, *values) for name, values in CHOICES.items()}


def _choice(request: Request, name: str, default: str, other: str) -> str:
    given = request.query_params.getlist(name) or [default]
    if len(given) > 1 or given[0] not in (default, other):
        raise ApiError(Code.INVALID_QUERY, f"{name}: must be {default} or {other}")
    return given[0]


def _room(resources: Resources) -> int:
    """How many more conversations the queue has room for; less than 0 where it is over its bound."""
    return resources.settings.max_queue_depth - resources.capacity.depth


def _refuse_without_room(new: int, sent: int, room: int) -> None:
    """Raises ApiError 503 if the queue has no room for those that are new; a known one takes none."""
    if new > max(0, room):
        words = f"{new} of {sent} are new, and the queue has room for {max(0, room)}; nothing was stored"
        raise ApiError(Code.QUEUE_FULL, words, retry_after=5)


async def refuse_when_full(resources: Resources, is_new: Callable[[], Awaitable[bool]]) -> None:
    """Raises ApiError 503 if the queue is full and `is_new` says that there is something to store."""
    if _room(resources) < 1 and await is_new():
        raise ApiError(Code.QUEUE_FULL, retry_after=5)
