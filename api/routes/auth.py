"""`/auth`: who the service takes a caller for."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from api.access import caller_of
from api.errors import documented
from schemas import Code, Me

router = APIRouter(prefix="/auth", tags=["access"])


@router.get("/me", response_model=Me, responses=documented(Code.RATE_LIMIT_EXCEEDED))
async def me(request: Request) -> Response:
    """Who you are to the service, and what you may do."""
    caller = caller_of(request.scope)
    return JSONResponse(
        {"actor": caller.actor, "name": caller.name, "role": caller.role, "means": caller.means}
    )
