"""`/api/v1/keys`: API keys, for admins."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import TypeAdapter

from api.access import asked
from api.dependencies import Resources, ResourcesDep
from api.errors import OF_ALL, OF_BODIES, ApiError, documented
from api.openapi import json_body
from api.parameters.common import once_each
from api.parsing import parse_body, read_json
from api.views.access import key_view
from domain.roles import Role
from schemas import Code, CreatedKey, KeysOut, NewKey

router = APIRouter(prefix="/api/v1/keys", tags=["access"], dependencies=[Depends(once_each)])
NEW = TypeAdapter(NewKey)
NOT_FOUND = "No key has this id, or it is revoked already"


async def _closed(resources: ResourcesDep) -> Resources:
    # A key that anybody could make while the service is open would still be good once it is closed.
    if not resources.settings.auth_required:
        words = "Keys are managed here once AUTH_REQUIRED=true; until then with python -m access"
        raise ApiError(Code.FORBIDDEN, words)
    return resources


Closed = Annotated[Resources, Depends(_closed)]


@router.post(
    "",
    status_code=201,
    response_model=CreatedKey,
    responses=documented(*OF_BODIES, *OF_ALL),
    openapi_extra=json_body(NewKey),
)
async def create(resources: Closed, request: Request) -> Response:
    """Make a key. Only this answer shows it."""
    new = parse_body(NEW, await read_json(request))
    if new.expires_at is not None and new.expires_at <= resources.clock():
        raise ApiError(Code.INVALID_SCHEMA, "expires_at: must be in the future")
    key, stored = await resources.access.keys.create(
        new.name, Role(new.role), new.expires_at, asked(request.scope)
    )
    return JSONResponse({**key_view(stored), "key": key.text}, 201)


@router.get("", response_model=KeysOut, responses=documented(*OF_ALL))
async def page(resources: ResourcesDep) -> Response:
    """All keys without their secrets, the newest first."""
    return JSONResponse({"keys": [key_view(each) for each in await resources.access.keys.list()]})


@router.delete("/{key_id}", status_code=204, responses=documented(Code.NOT_FOUND, *OF_ALL))
async def revoke(resources: Closed, key_id: str, request: Request) -> Response:
    """Revoke a key for good. Within a second no process accepts it, nor a token that was made with it."""
    if "\0" in key_id or not await resources.access.keys.revoke(key_id, asked(request.scope)):
        raise ApiError(Code.NOT_FOUND, NOT_FOUND)
    await resources.access.directory.refresh()
    return Response(status_code=204)
