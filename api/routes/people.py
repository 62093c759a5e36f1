"""`/api/v1/people`: what is stored of a person, exported and erased."""

from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from api.access import asked
from api.dependencies import ResourcesDep
from api.errors import ApiError, documented
from api.parameters.common import once_each
from api.routes.chats import UserId
from api.views.people import export as exported
from domain import receipts
from schemas import Code, PersonExport, ReceiptOut

router = APIRouter(prefix="/api/v1/people", tags=["people"], dependencies=[Depends(once_each)])
SHARED = (Code.INVALID_QUERY, Code.NOT_FOUND, Code.RATE_LIMIT_EXCEEDED, Code.DATABASE_UNAVAILABLE)
DOWNLOAD = {"Content-Disposition": 'attachment; filename="person.json"'}


@router.delete(
    "/{user_id:path}", response_model=ReceiptOut, responses=documented(Code.METHOD_NOT_ALLOWED, *SHARED)
)
async def erase(resources: ResourcesDep, user_id: UserId, request: Request) -> Response:
    """Erase a person: what they wrote, and all that was made of it. The answer comes when it is done."""
    # As it was sent: an id that really ends so has its slash escaped, and whoever means the export erases nobody.
    if request.scope["raw_path"].rstrip(b"/").endswith(b"/export"):
        raise ApiError(Code.METHOD_NOT_ALLOWED, "This path takes GET, HEAD", headers={"Allow": "GET, HEAD"})
    receipt: dict[str, Any] = {**await resources.people.erase(user_id, asked(request.scope))}
    return JSONResponse(receipt)


@router.get("/{user_id:path}/export", response_model=PersonExport, responses=documented(*SHARED))
async def export(resources: ResourcesDep, user_id: UserId, request: Request) -> Response:
    """All that is stored of a person: their conversations with every message, insight and summary."""
    target = receipts.person_hash(user_id, resources.people.key)
    entry = asked(request.scope)._replace(action="person.export", target=target)
    await resources.access.audit.record(entry)
    pieces = exported(resources.database, user_id, resources.clock())
    return StreamingResponse(pieces, media_type="application/json", headers=DOWNLOAD)
