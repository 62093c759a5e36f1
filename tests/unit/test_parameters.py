"""Query parameters that the routes read themselves: documented and refused as the framework would."""

import sys
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI, Query
from pydantic import BaseModel

from api import errors
from api.parameters.common import once_each, parameters_of, query_parameters
from api.parameters.insights import InsightsParameters, RecentParameters
from api.parameters.trends import TrendsParameters, known_zone

MODELS = (InsightsParameters, RecentParameters, TrendsParameters)
ASKED = [
    "",
    "limit=5",
    "limit=0&author=",
    "limit=x&nonsense=1",
    "limit=1&limit=2",
    "author=%FF",
    "start_time=2025-01-20T10:00:00%2B01:00&end_time=2025-01-21 10:00:00+01:00&author=a%20b+c",
    "start_time=tomorrow&end_time=",
    "start_time=2025-01-20&end_time=2025-01-19",
    "days=30",
    "days=30&start_time=2025-01-20",
    "cursor=abc&limit=3",
]


def an_app(model: type[BaseModel]) -> FastAPI:
    """One route that reads the parameters itself, and one that lets the framework do it."""
    app = FastAPI()
    errors.install(app)

    @app.get("/ours", openapi_extra=parameters_of(model))
    async def ours(asked: Annotated[BaseModel, Depends(query_parameters(model))]) -> Any:
        return {"asked": repr(asked)}

    async def theirs(asked: Any) -> Any:
        return {"asked": repr(asked)}

    theirs.__annotations__["asked"] = Annotated[model, Query()]
    app.get("/theirs", dependencies=[Depends(once_each)])(theirs)
    return app


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("query", ASKED)
async def test_what_is_asked_is_understood_or_refused_as_the_framework_would(
    model: type[BaseModel], query: str
) -> None:
    transport = httpx.ASGITransport(an_app(model))
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        ours, theirs = [await client.get(f"/{whose}?{query}") for whose in ("ours", "theirs")]

    assert ours.status_code in (200, 400)
    assert (ours.status_code, ours.json()) == (theirs.status_code, theirs.json())


@pytest.mark.parametrize("model", MODELS)
def test_parameters_are_documented_as_the_framework_would(model: type[BaseModel]) -> None:
    paths = an_app(model).openapi()["paths"]

    assert paths["/ours"]["get"]["parameters"] == paths["/theirs"]["get"]["parameters"]


def test_a_zone_is_known_without_looking_through_the_systems_files_again() -> None:
    known_zone("Europe/Berlin")
    looked_at: list[str] = []
    watching = True
    # A hook stays for as long as the process.
    sys.addaudithook(lambda event, _: looked_at.append(event) if watching and event == "os.scandir" else None)
    assert known_zone("Asia/Kolkata") == "Asia/Kolkata"
    watching = False
    assert looked_at == []
