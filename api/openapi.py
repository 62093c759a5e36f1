"""The OpenAPI document, and the 405 answer that is derived from it."""

from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path

from api.errors import ApiError, to_api_error
from schemas import Code


class InsightsApp(FastAPI):
    """A FastAPI whose OpenAPI document lists no 422: this service answers 400 instead."""

    def openapi(self) -> dict[str, Any]:
        """The document; FastAPI builds it once."""
        document = super().openapi()
        for operations in document["paths"].values():
            for operation in operations.values():
                operation["responses"].pop("422", None)
        for unused in ("HTTPValidationError", "ValidationError"):
            document.get("components", {}).get("schemas", {}).pop(unused, None)
        return document


async def method_not_allowed(request: Request, error: Exception) -> Response:
    """A 405 that names and allows all methods of the path: Starlette knows those of the first matching route."""
    methods = _methods(request.app.openapi()["paths"], request.url.path)
    if not methods:
        return to_api_error(error).response()
    allowed = ", ".join(methods)
    return ApiError(
        Code.METHOD_NOT_ALLOWED, f"This path takes {allowed}", headers={"Allow": allowed}
    ).response()


def _methods(paths: dict[str, dict[str, Any]], path: str) -> list[str]:
    templates = (template for template in paths if compile_path(template)[0].match(path))
    found = path if path in paths else next(templates, None)
    methods = {method.upper() for method in paths.get(found or "", ())}
    return sorted(methods | {"HEAD"} if "GET" in methods else methods)
