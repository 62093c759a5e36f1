"""`/api/v1/conversations/{id}/corrections`: what people say in place of the analyzer."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import TypeAdapter

from api.access import asked
from api.dependencies import Resources, ResourcesDep
from api.errors import ApiError, documented
from api.openapi import json_body
from api.parameters.common import once_each
from api.parameters.insights import SENTIMENT_OF
from api.parsing import parse_body, read_json
from api.routes.conversations import SHARED, Id, not_found
from api.views.conversations import insight_view
from domain.corrections import Correction, FieldChanges
from schemas import Code, CorrectedOut, NewCorrection
from services.correcting import Correcting
from store.conversations import records
from store.insights.correcting import NotCorrected

router = APIRouter(
    prefix="/api/v1/conversations/{conversation_id}/corrections",
    tags=["conversations"],
    dependencies=[Depends(once_each)],
)
NEW = TypeAdapter(NewCorrection)
SENT = (Code.INVALID_SCHEMA, Code.PAYLOAD_TOO_LARGE, Code.UNSUPPORTED_MEDIA_TYPE)
REFUSED: Mapping[NotCorrected, str] = {
    NotCorrected.NOT_ANALYSED: "This conversation has no insight that could be corrected",
    NotCorrected.NOT_SUMMARISED: "outcome: there is no summary of what was analysed",
    NotCorrected.WITHOUT_FIELDS: "fields: this insight has no answers to fields",
}


@router.post(
    "",
    response_model=CorrectedOut,
    responses=documented(Code.NOT_FOUND, Code.CONFLICT, *SENT, *SHARED),
    openapi_extra=json_body(NewCorrection),
)
async def correct(resources: ResourcesDep, conversation_id: Id, request: Request) -> Response:
    """Correct sentiment, topics, outcome or fields. What a person says counts everywhere; null takes it back."""
    new = parse_body(NEW, await read_json(request)).model_dump(exclude_unset=True)
    await _change(resources, request, conversation_id, _as_stored(new))
    read = partial(records.get_conversation, id_=conversation_id)
    stored = await resources.database.read(read)
    if stored is None or stored.insight is None:  # deleted since
        raise await not_found(resources, conversation_id)
    return JSONResponse({"conversation_id": conversation_id, "insight": insight_view(stored.insight)})


@router.delete("", status_code=204, responses=documented(Code.NOT_FOUND, Code.CONFLICT, *SHARED))
async def withdraw(resources: ResourcesDep, conversation_id: Id, request: Request) -> Response:
    """Take a correction back: what the analyzer says counts again. Without one, nothing changes."""
    await _change(resources, request, conversation_id, dict.fromkeys(Correction._fields))
    return Response(status_code=204)


def _as_stored(new: Mapping[str, Any]) -> dict[str, Any]:
    changes = dict(new)
    if changes.get("sentiment") is not None:
        changes["sentiment"] = SENTIMENT_OF[changes["sentiment"]]
    said, withdrawn = changes.pop("fields", {}), changes.pop("withdrawn_fields", ())
    if said is None:
        changes["fields"] = None
    elif said or withdrawn:
        changes["fields"] = FieldChanges(said, withdrawn)
    return changes


async def _change(resources: Resources, request: Request, id_: str, changes: Mapping[str, Any]) -> None:
    correcting = Correcting(resources.database, resources.clock)
    done = await correcting.correct(id_, changes, asked(request.scope).actor)
    if done is NotCorrected.UNKNOWN:
        raise await not_found(resources, id_)
    if isinstance(done, NotCorrected) and any(value is not None for value in changes.values()):
        raise ApiError(Code.CONFLICT, REFUSED[done])
