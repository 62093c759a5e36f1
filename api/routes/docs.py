"""`/docs`: the API as a page to read and to try, from files of ours; `/` leads to it."""

from importlib.resources import files

from fastapi import APIRouter, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import RedirectResponse
from starlette.responses import FileResponse

from api.dependencies import ResourcesDep
from api.errors import ApiError
from schemas import Code

router = APIRouter(include_in_schema=False)
# The package is used for its files only: its own patch would put them under the root of the service.
ASSETS = files("fastapi_swagger") / "resources"
SCRIPT, STYLE, ICON = "swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png"
A_DAY = {"Cache-Control": "public, max-age=86400"}


@router.get("/")
async def root() -> Response:
    """Lead whoever opens the service's address to something that can be read."""
    return RedirectResponse("/docs")


@router.get("/docs")
async def page(resources: ResourcesDep) -> Response:
    """The page. It needs nothing from outside: an operator's network may have no way out."""
    prefix = resources.settings.root_path
    return get_swagger_ui_html(
        openapi_url=f"{prefix}/openapi.json",
        title="Insights Platform",
        swagger_js_url=f"{prefix}/docs/{SCRIPT}",
        swagger_css_url=f"{prefix}/docs/{STYLE}",
        swagger_favicon_url=f"{prefix}/docs/{ICON}",
    )


@router.get("/docs/{name}")
async def asset(name: str) -> Response:
    """A file that the page needs."""
    if name not in (SCRIPT, STYLE, ICON):
        raise ApiError(Code.NOT_FOUND)
    return FileResponse(str(ASSETS / name), headers=A_DAY)
