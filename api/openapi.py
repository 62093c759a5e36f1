"""The OpenAPI document, and the 405 answer that is derived from it."""

import json
import re
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path

from api import examples
from api.errors import ApiError, documented, to_api_error
from api.operations import OPERATIONS, SCHEMAS
from api.roles import RULES
from api.vocabulary import FIELDS, PARAMETERS
from domain.roles import Role
from schemas import (
    Acceptance,
    AlertChange,
    ChatMessage,
    ChatReference,
    Code,
    Ids,
    NewAlert,
    NewCorrection,
    NewDiscovery,
    NewKey,
    NewReanalysis,
    NewSummaries,
    NewWebhook,
    RoleChange,
    TopicChange,
    TopicMerge,
    TopicSplit,
    WebhookChange,
)

Json = dict[str, Any]
SCHEME = "credential"
CREDENTIAL: Json = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key (`ipk_...`) or a token of `POST /auth/token`.",
}
DENIED = (Code.UNAUTHORIZED, Code.FORBIDDEN, Code.RATE_LIMIT_EXCEEDED)
"""How a call is answered whose credential is missing, does not suffice, or is one of too many bad ones."""
ROLES = {(method, path.replace(":path}", "}")): rule.role for (method, path), rule in RULES.items()}
"""By method and path as the document has it."""
_ERROR: Json = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
REF = "#/components/schemas/{model}"
SENT: tuple[type[BaseModel], ...] = (
    Acceptance,
    AlertChange,
    ChatMessage,
    ChatReference,
    Ids,
    NewAlert,
    NewDiscovery,
    NewReanalysis,
    NewSummaries,
    NewKey,
    NewWebhook,
    RoleChange,
    NewCorrection,
    TopicChange,
    TopicMerge,
    TopicSplit,
    WebhookChange,
)
"""Bodies that routes read themselves, so that FastAPI does not know them."""


class InsightsApp(FastAPI):
    """A FastAPI whose document is made for readers and for generators of clients."""

    auth_required = False

    def openapi(self) -> dict[str, Any]:
        """The document; FastAPI builds it once."""
        if self.openapi_schema is None:
            self.openapi_schema = _finished(super().openapi(), self.auth_required)
        return self.openapi_schema


def json_body(model: type[BaseModel]) -> dict[str, Any]:
    """The `openapi_extra` of a route that reads its body itself: an object of this model, which is one of SENT."""
    return _json_body({"$ref": REF.format(model=model.__name__)})


def json_body_or_array(model: type[BaseModel], most: int) -> dict[str, Any]:
    """The same for one such object, or an array of 1 to `most`."""
    one = {"$ref": REF.format(model=model.__name__)}
    return _json_body({"anyOf": [one, {"type": "array", "items": one, "minItems": 1, "maxItems": most}]})


def _json_body(schema: Json) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _finished(document: Json, auth_required: bool) -> Json:
    schemas = document["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    _, sent = models_json_schema([(model, "validation") for model in SENT], ref_template=REF)
    schemas |= sent["$defs"]
    document = _renamed(document)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _finish_operation(operation, OPERATIONS.get((method, path), operation["operationId"]))
            _secure(operation, ROLES[method, path], auth_required)
    document["components"]["securitySchemes"] = {SCHEME: CREDENTIAL}
    for name, schema in document["components"]["schemas"].items():
        for field, declared in schema.get("properties", {}).items():
            _describe(declared, FIELDS.get(f"{name}.{field}", FIELDS.get(field)))
    return document


def _renamed(document: Json) -> Json:
    def rename(match: re.Match[str]) -> str:
        return f'"{REF.format(model=SCHEMAS.get(match[1], match[1]))}"'

    renamed: Json = json.loads(re.sub(r'"#/components/schemas/(\w+)"', rename, json.dumps(document)))
    schemas = renamed["components"]["schemas"]
    for name, schema in schemas.items():
        schema["title"] = SCHEMAS.get(name, name)
    renamed["components"]["schemas"] = {SCHEMAS.get(name, name): schema for name, schema in schemas.items()}
    return renamed


def _finish_operation(operation: Json, name: str) -> None:
    operation["operationId"], operation["summary"] = name, name.replace("_", " ").capitalize()
    operation["responses"].pop("422", None)  # this service answers 400 instead
    for parameter in operation.get("parameters", ()):
        _describe(parameter, PARAMETERS.get(parameter["name"]))
        if (example := _example(name, parameter["name"])) is not None:
            parameter["example"] = example
    if name in examples.BODIES:
        operation["requestBody"]["content"]["application/json"]["example"] = examples.BODIES[name]


def _secure(operation: Json, role: Role | None, auth_required: bool) -> None:
    """Say which role a call needs, and how a call without it is answered."""
    if role is None:
        operation["security"] = []
        return
    # An empty alternative: no credential is needed while the service is open.
    operation["security"] = [{SCHEME: [role.value]}, *([] if auth_required else [{}])]
    operation["description"] = f"{operation['description']}\n\nNeeds the role `{role}`."
    denied = {str(status): answer for status, answer in documented(*DENIED).items()}
    operation["responses"] |= {
        status: {"description": answer["description"], "content": _ERROR} for status, answer in denied.items()
    }


def _example(operation: str, parameter: str) -> object:
    usual = examples.CONVERSATION_ID if parameter == "conversation_id" else None
    return examples.PARAMETERS.get((operation, parameter), usual)


def _describe(declared: Json, words: str | None) -> None:
    if words is not None:
        declared.setdefault("description", words)


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
