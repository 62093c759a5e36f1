"""`/api/v1/quality`: how good the analyses are, measured on what people checked, and what is to be checked."""

from functools import partial
from random import SystemRandom
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import JSONResponse
from sqlalchemy import Connection

from api.dependencies import ResourcesDep
from api.errors import documented
from api.parameters.common import once_each
from api.parameters.quality import QualityParameters, SampleParameters
from api.views.insights import listed_insight_view
from api.views.quality import quality_view
from schemas import Code, QualityOut, SampleOut
from store.insights import quality
from store.insights.entries import InsightEntry
from store.insights.listing import insights_of
from store.insights.quality import Evidence, Window

router = APIRouter(prefix="/api/v1/quality", tags=["quality"], dependencies=[Depends(once_each)])
SHARED = (Code.INVALID_QUERY, Code.RATE_LIMIT_EXCEEDED, Code.DATABASE_UNAVAILABLE)


@router.get("", response_model=QualityOut, responses=documented(*SHARED))
async def measured(resources: ResourcesDep, query: Annotated[QualityParameters, Query()]) -> Response:
    """How often the analyses are right, by confidence, analyzer and topic, with intervals."""
    found, waiting = await resources.database.read(partial(_evidence, window=query.window))
    return JSONResponse(quality_view(found, waiting, query.target))


def _evidence(connection: Connection, window: Window) -> tuple[Evidence, int]:
    return quality.evidence(connection, window), len(quality.pending(connection))


@router.get("/sample", response_model=SampleOut, responses=documented(*SHARED))
async def sample(resources: ResourcesDep, query: Annotated[SampleParameters, Query()]) -> Response:
    """Insights to check, drawn at random: those that wait first, and as many new ones as are missing.

    A conversation is checked by a correction of its sentiment, be it the same that the analyzer says.
    """
    waiting = await resources.database.read(quality.pending)
    if (missing := query.limit - len(waiting)) > 0:
        draw = partial(
            quality.draw_sample,
            window=query.window,
            wanted=missing,
            dice=SystemRandom(),
            now=resources.clock(),
        )
        await resources.database.write(draw)
    listed, pending = await resources.database.read(partial(_to_check, limit=query.limit))
    return JSONResponse({"insights": [*map(listed_insight_view, listed)], "pending": pending})


def _to_check(connection: Connection, limit: int) -> tuple[list[InsightEntry], int]:
    numbers = quality.pending(connection)
    return insights_of(connection, numbers[:limit]), len(numbers)
