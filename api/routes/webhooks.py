"""`/api/v1/webhooks`: who is told of events, for admins."""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import TypeAdapter
from sqlalchemy import Row

from api.access import asked
from api.dependencies import Resources, ResourcesDep
from api.errors import OF_ALL, OF_BODIES, ApiError, documented
from api.openapi import json_body
from api.parameters.common import once_each
from api.parameters.webhooks import DeliveriesParameters
from api.parsing import parse_body, read_json
from api.views.webhooks import delivery_view, webhook_view
from domain.receivers import url_complaint
from schemas import (
    Code,
    CreatedWebhook,
    DeliveriesOut,
    DeliveryOut,
    NewWebhook,
    WebhookChange,
    WebhookOut,
    WebhooksOut,
)
from services.webhooks.chatwoot import SIDE
from store.webhooks import registry
from store.webhooks.registry import MOST_WEBHOOKS

router = APIRouter(prefix="/api/v1/webhooks", tags=["webhooks"], dependencies=[Depends(once_each)])
NEW, CHANGE = TypeAdapter(NewWebhook), TypeAdapter(WebhookChange)
NOT_FOUND = "No webhook has this id"


def _check_url(resources: Resources, url: str | None) -> None:
    allow_private = resources.settings.webhook_allow_private
    if url is not None and (complaint := url_complaint(url, allow_private=allow_private)):
        raise ApiError(Code.INVALID_SCHEMA, f"url: {complaint}")


async def _found(resources: Resources, id_: str) -> Row[Any]:
    row = None if "\0" in id_ else await resources.webhooks.get(id_)
    if row is None:
        raise ApiError(Code.NOT_FOUND, NOT_FOUND)
    return row


@router.post(
    "",
    status_code=201,
    response_model=CreatedWebhook,
    responses=documented(*OF_BODIES, Code.CONFLICT, *OF_ALL),
    openapi_extra=json_body(NewWebhook),
)
async def create(resources: ResourcesDep, request: Request) -> Response:
    """Have a receiver told of events. Only this answer shows the secret that deliveries are signed with."""
    new = parse_body(NEW, await read_json(request))
    _check_url(resources, new.url)
    made = await resources.webhooks.create(new.url, new.events, asked(request.scope))
    if made is None:
        raise ApiError(Code.CONFLICT, f"There are {MOST_WEBHOOKS} webhooks already")
    view = webhook_view(await _found(resources, made.id))
    return JSONResponse({**view, "secret": made.secret}, 201)


@router.get("", response_model=WebhooksOut, responses=documented(*OF_ALL))
async def page(resources: ResourcesDep) -> Response:
    """All webhooks without their secrets, the newest first."""
    found = await resources.database.read(registry.list_webhooks)
    return JSONResponse({"webhooks": [webhook_view(each) for each in found]})


@router.get("/{webhook_id}", response_model=WebhookOut, responses=documented(Code.NOT_FOUND, *OF_ALL))
async def one(resources: ResourcesDep, webhook_id: str) -> Response:
    """A webhook without its secret."""
    return JSONResponse(webhook_view(await _found(resources, webhook_id)))


@router.patch(
    "/{webhook_id}",
    response_model=WebhookOut,
    responses=documented(Code.NOT_FOUND, Code.CONFLICT, *OF_BODIES, *OF_ALL),
    openapi_extra=json_body(WebhookChange),
)
async def change(resources: ResourcesDep, webhook_id: str, request: Request) -> Response:
    """Change a webhook, or switch it on or off. Switched on, it is sent at once what waits for it."""
    new = parse_body(CHANGE, await read_json(request))
    _check_url(resources, new.url)
    if (await _found(resources, webhook_id)).id == SIDE and (new.url or new.events):
        raise ApiError(
            Code.CONFLICT, "CHATWOOT_URL says where this one leads: it can be switched on and off only"
        )
    values = {name: value for name in ("url", "events") if (value := getattr(new, name)) is not None}
    changed = await resources.webhooks.change(webhook_id, values, new.enabled, asked(request.scope))
    if changed is None:
        raise ApiError(Code.NOT_FOUND, NOT_FOUND)
    return JSONResponse(webhook_view(changed))


@router.delete("/{webhook_id}", status_code=204, responses=documented(Code.NOT_FOUND, *OF_ALL))
async def delete(resources: ResourcesDep, webhook_id: str, request: Request) -> Response:
    """Delete a webhook, with all that was noted for it."""
    await _found(resources, webhook_id)
    if not await resources.webhooks.delete(webhook_id, asked(request.scope)):
        raise ApiError(Code.NOT_FOUND, NOT_FOUND)
    return Response(status_code=204)


@router.get(
    "/{webhook_id}/deliveries", response_model=DeliveriesOut, responses=documented(Code.NOT_FOUND, *OF_ALL)
)
async def deliveries(
    resources: ResourcesDep, webhook_id: str, query: Annotated[DeliveriesParameters, Query()]
) -> Response:
    """What was noted for a webhook, the newest first, and how its delivery goes. Kept for three days after it ended."""
    number = (await _found(resources, webhook_id)).number
    read = partial(
        registry.page, webhook=number, limit=query.limit + 1, before=query.before, state=query.state
    )
    found = await resources.database.read(read)
    shown = found[: query.limit]
    cursor = str(shown[-1].number) if len(found) > len(shown) else None
    return JSONResponse({"deliveries": [delivery_view(each) for each in shown], "next_cursor": cursor})


@router.post(
    "/{webhook_id}/deliveries/{event_id}/resend",
    status_code=202,
    response_model=DeliveryOut,
    responses=documented(Code.NOT_FOUND, *OF_ALL),
)
async def resend(resources: ResourcesDep, webhook_id: str, event_id: str, request: Request) -> Response:
    """Send an event once more, with the same id and body, whatever became of it."""
    webhook = await _found(resources, webhook_id)
    found = (
        None if "\0" in event_id else await resources.webhooks.resend(webhook, event_id, asked(request.scope))
    )
    if found is None:
        raise ApiError(Code.NOT_FOUND, "No event of this id was noted for this webhook")
    return JSONResponse(delivery_view(found), 202)
