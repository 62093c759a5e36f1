"""`/api/v1/fields`: what the operator's fields are, and how many insights have which version of them."""

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse

from api.dependencies import ResourcesDep
from api.errors import documented
from api.parameters.common import once_each
from api.views.fields import all_fields_view
from schemas import Code, FieldsOut
from store.insights.field_versions import count_versions

router = APIRouter(prefix="/api/v1/fields", tags=["insights"], dependencies=[Depends(once_each)])
SHARED = (Code.INVALID_QUERY, Code.RATE_LIMIT_EXCEEDED, Code.DATABASE_UNAVAILABLE)


@router.get("", response_model=FieldsOut, responses=documented(*SHARED))
async def asked_fields(resources: ResourcesDep) -> Response:
    """The fields that are asked for, and each version of them that there was."""
    found = await resources.database.read(count_versions)
    return JSONResponse(all_fields_view(resources.fields, found))
