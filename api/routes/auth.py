"""`/auth`: who the service takes a caller for, the log-out, and tokens and tickets in place of a key or a log-in."""

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from api.access import SESSION_COOKIE, asked, caller_of, cookies, drop_cookie, ensure_closed
from api.dependencies import Resources, ResourcesDep
from api.errors import ApiError, documented
from api.parameters.common import once_each
from domain.roles import Caller
from schemas import Code, Me, TicketOut, TokenOut
from services.access.tokens import SECONDS

router = APIRouter(prefix="/auth", tags=["access"], dependencies=[Depends(once_each)])
UNSEEN = {"Cache-Control": "no-store"}
SHARED = documented(
    Code.INVALID_QUERY, Code.RATE_LIMIT_EXCEEDED, Code.DATABASE_UNAVAILABLE, Code.STORAGE_FULL
)


@router.get("/me", response_model=Me, responses=documented(Code.INVALID_QUERY, Code.RATE_LIMIT_EXCEEDED))
async def me(request: Request) -> Response:
    """Who you are to the service, and what you may do."""
    caller = caller_of(request.scope)
    return JSONResponse(
        {"actor": caller.actor, "name": caller.name, "role": caller.role, "means": caller.means}
    )


@router.post("/token", response_model=TokenOut, responses=SHARED)
async def token(resources: ResourcesDep, request: Request) -> Response:
    """Get a token of a quarter of an hour with a key or a log-in. It ends at once where they do."""
    caller = _known(resources, request)
    if caller.means == "token":
        raise ApiError(Code.FORBIDDEN, "A token cannot get another: send the key, or log in")
    text = resources.access.tokens.create(caller.actor)
    body = {"access_token": text, "token_type": "Bearer", "expires_in": SECONDS}
    return JSONResponse(body, headers=UNSEEN)


@router.post("/ticket", response_model=TicketOut, responses=SHARED)
async def ticket(resources: ResourcesDep, request: Request) -> Response:
    """Get a ticket, which opens one socket within half a minute: a browser sends no header with a socket."""
    caller = _known(resources, request)
    return JSONResponse({"ticket": await resources.access.tickets.create(caller.actor)}, headers=UNSEEN)


@router.post("/logout", status_code=204, responses={**documented(Code.NOT_FOUND), **SHARED})
async def logout(resources: ResourcesDep, request: Request) -> Response:
    """End your browser's session, for every process within a second."""
    text = cookies(request.scope).get(SESSION_COOKIE)
    if caller_of(request.scope).means != "session" or text is None:
        raise ApiError(
            Code.NOT_FOUND, "There is no session to end: keys are revoked, and tokens end by themselves"
        )
    await resources.access.sessions.end(text, asked(request.scope))
    answer = Response(status_code=204)
    drop_cookie(answer, SESSION_COOKIE)
    return answer


def _known(resources: Resources, request: Request) -> Caller:
    ensure_closed(resources)
    return caller_of(request.scope)
