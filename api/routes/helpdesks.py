"""`/api/v1/intake/{source}`: help desks' webhooks, signed under a secret instead of sent with a key."""

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from api.access import asked
from api.dependencies import Resources, ResourcesDep
from api.errors import ApiError, documented
from api.parameters.common import once_each
from api.routes.chats import add_messages
from core.errors import BadCredential, Conflicts
from schemas import ChatMessage, Code, HelpdeskTaken
from services.webhooks.helpdesks import HELPDESKS, mapped
from services.webhooks.signatures import signed_by
from store.conversations.chats import PlacedMessage

router = APIRouter(prefix="/api/v1/intake", tags=["webhooks"], dependencies=[Depends(once_each)])
REFUSALS = documented(
    *(Code.UNAUTHORIZED, Code.NOT_FOUND, Code.INVALID_SCHEMA, Code.CONFLICT, Code.PAYLOAD_TOO_LARGE),
    *(Code.RATE_LIMIT_EXCEEDED, Code.QUEUE_FULL, Code.STORAGE_FULL, Code.DATABASE_UNAVAILABLE),
)
BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}}


@router.post("/{source}", response_model=HelpdeskTaken, responses=REFUSALS, openapi_extra=BODY)
async def take(resources: ResourcesDep, source: str, request: Request) -> Response:
    """Take a webhook of `chatwoot`, `zendesk` or `intercom`: its messages become those of a chat."""
    body = await _signed_body(resources, source, request)
    try:
        found = mapped(source, body)
    except ValueError as error:
        raise ApiError(Code.INVALID_SCHEMA, str(error)) from None
    placed, changed = await _stored(resources, found.messages)
    created = sum(place.created for _, place in placed)
    view = {
        "conversation_ids": list(dict.fromkeys(chat for chat, _ in placed)),
        "stored": created,
        "duplicates": len(placed) - created,
        "changed": changed,
        "left_out": dict(found.left_out),
    }
    return JSONResponse(view)


async def _signed_body(resources: Resources, source: str, request: Request) -> bytes:
    """The body, once its signature fits. Raises ApiError 404, BadCredential and TooManyAttempts."""
    secret = resources.settings.helpdesk_secret(source) if source in HELPDESKS else None
    if secret is None:
        known = source in HELPDESKS
        words = (
            f"{source.upper()}_SECRET is not set" if known else f"A source is one of {', '.join(HELPDESKS)}"
        )
        raise ApiError(Code.NOT_FOUND, words)
    try:
        signed = signed_by(source, request.headers, resources.clock())
        body = await request.body()
        signed.verify(secret, body)
    except BadCredential as error:
        await resources.access.authentication.refuse(error, asked(request.scope))
        raise
    return body


async def _stored(
    resources: Resources, sent: list[ChatMessage]
) -> tuple[list[tuple[str, PlacedMessage]], int]:
    """Store messages, but for those that are known with another text; gives how many these are.

    A help desk sends what was edited under the id that it had, and would send it again and again if it was refused.
    """
    left = sent
    while left:
        try:
            return await add_messages(resources, left, many=True), len(sent) - len(left)
        except Conflicts as conflicts:
            left = [each for at, each in enumerate(left) if at not in conflicts.at]
    return [], len(sent)
