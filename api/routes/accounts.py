"""`/api/v1/accounts`: people who have logged in, for admins."""

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import TypeAdapter

from api.access import asked, ensure_closed
from api.dependencies import ResourcesDep
from api.errors import OF_ALL, OF_BODIES, ApiError, documented
from api.openapi import json_body
from api.parameters.common import once_each
from api.parsing import parse_body, read_json
from api.views.access import account_view
from domain.roles import Role
from schemas import AccountOut, AccountsOut, Code, RoleChange

router = APIRouter(prefix="/api/v1/accounts", tags=["access"], dependencies=[Depends(once_each)])
CHANGE = TypeAdapter(RoleChange)
NOT_FOUND = "No account has this id"


@router.get("", response_model=AccountsOut, responses=documented(*OF_ALL))
async def page(resources: ResourcesDep) -> Response:
    """Everybody who has logged in, the last to do so first."""
    found = await resources.access.accounts.list()
    return JSONResponse({"accounts": [account_view(each) for each in found]})


@router.patch(
    "/{account_id}",
    response_model=AccountOut,
    responses=documented(*OF_BODIES, Code.NOT_FOUND, *OF_ALL),
    openapi_extra=json_body(RoleChange),
)
async def change(resources: ResourcesDep, account_id: str, request: Request) -> Response:
    """Give somebody another role. It holds within a second, and a log-in does not change it any more."""
    ensure_closed(resources)
    role = Role(parse_body(CHANGE, await read_json(request)).role)
    account = None
    if "\0" not in account_id:
        account = await resources.access.accounts.set_role(account_id, role, asked(request.scope))
    if account is None:
        raise ApiError(Code.NOT_FOUND, NOT_FOUND)
    await resources.access.directory.refresh()
    return JSONResponse(account_view(account))


@router.delete("/{account_id}", status_code=204, responses=documented(Code.NOT_FOUND, *OF_ALL))
async def remove(resources: ResourcesDep, account_id: str, request: Request) -> Response:
    """End somebody's sessions and tokens within a second. Whoever is still on a list may log in again, as new."""
    ensure_closed(resources)
    if "\0" in account_id or not await resources.access.accounts.forget(account_id, asked(request.scope)):
        raise ApiError(Code.NOT_FOUND, NOT_FOUND)
    await resources.access.directory.refresh()
    return Response(status_code=204)
