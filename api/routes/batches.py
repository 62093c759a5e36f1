"""`/api/v1/batches`: what goes by batches at the provider, and the way to cancel one."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from api.access import asked
from api.dependencies import Resources, ResourcesDep
from api.errors import ApiError, documented
from api.parameters.common import once_each
from core.clock import iso
from llm.prices import TICKS_PER_USD
from schemas import Code, ProviderBatchesOut, ProviderBatchOut
from store.queue import batches

PATH = "/api/v1/batches"
SHOWN = 100
router = APIRouter(prefix=PATH, tags=["operations"], dependencies=[Depends(once_each)])
SHARED = (Code.INVALID_QUERY, Code.RATE_LIMIT_EXCEEDED, Code.DATABASE_UNAVAILABLE)
COPIED = ("id", "stage", "model", "requests", "answered", "conversations", "stored", "dropped")


@router.get("", response_model=ProviderBatchesOut, responses=documented(*SHARED))
async def page(resources: ResourcesDep) -> Response:
    """The hundred newest batches at the provider. One is forgotten when the provider keeps nothing of it any more."""
    found = await resources.database.read(partial(batches.list_batches, limit=SHOWN))
    return JSONResponse({"batches": [_view(each) for each in found]})


@router.post(
    "/{batch_id}/cancel",
    response_model=ProviderBatchOut,
    responses=documented(Code.NOT_FOUND, Code.CONFLICT, *SHARED),
)
async def cancel(resources: ResourcesDep, request: Request, batch_id: str) -> Response:
    """Cancel a batch: what it has not been answered goes live, behind everything fresh. What it was, is paid for."""
    by = asked(request.scope).actor
    do = partial(batches.cancel_batch, id_=batch_id, by=by, now=resources.clock())
    is_done = await resources.database.write(do)
    resources.processors.lane.wake()
    return JSONResponse(await _found(resources, batch_id, is_done=is_done))


async def _found(resources: Resources, batch_id: str, *, is_done: bool) -> dict[str, Any]:
    """Raises ApiError 404 if there is none, 409 if it cannot be cancelled any more."""
    row = await resources.database.read(partial(batches.get_batch, id_=batch_id))
    if row is None:
        raise ApiError(Code.NOT_FOUND, "No batch has this id")
    if not is_done:
        raise ApiError(Code.CONFLICT, "It is over, or cancelled already")
    return _view(row)


def _view(row: Mapping[str, Any]) -> dict[str, Any]:
    times = ("created_at", "deadline", "kept_until", "ended_at")
    return {
        **{name: row[name] for name in COPIED},
        "usd": round(row["cost_ticks"] / TICKS_PER_USD, 6),
        "cancelled_by": row["cancelled_by"],
        "error": row["error"],
        **{name: None if row[name] is None else iso(row[name]) for name in times},
    }
