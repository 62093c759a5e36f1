"""The OpenAPI document of what the service takes and answers, and the one answer that is read from it."""

from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path

from api.errors import ApiError, Code, to_api_error


class Documented(FastAPI):
    """A FastAPI whose document has no 422: what it would stand for is answered 400."""

    def openapi(self) -> dict[str, Any]:
        """The document; FastAPI makes it once."""
        document = super().openapi()
        for operations in document["paths"].values():
            for operation in operations.values():
                operation["responses"].pop("422", None)
        for unused in ("HTTPValidationError", "ValidationError"):
            document.get("components", {}).get("schemas", {}).pop(unused, None)
        return document


async def method_not_allowed(request: Request, error: Exception) -> Response:
    """405 with all methods of the path: Starlette names the first route's, and every operation is a route."""
    methods = _methods(request.app.openapi()["paths"], request.url.path)
    if not methods:
        return to_api_error(error).response()
    return ApiError(Code.METHOD_NOT_ALLOWED, headers={"Allow": ", ".join(methods)}).response()


def _methods(paths: dict[str, dict[str, Any]], path: str) -> list[str]:
    templates = (template for template in paths if compile_path(template)[0].match(path))
    found = path if path in paths else next(templates, None)
    return [] if found is None else sorted(method.upper() for method in paths[found])
