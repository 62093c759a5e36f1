"""A request's body becomes what it stands for, or a 400 that names the field."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request

from errors import ApiError, Code, Details, describe

Parsed = TypeVar("Parsed")
NUL_ESCAPE = b"\\u0000"


async def read_json(request: Request) -> bytes:
    """The body. Raises ApiError where it is not said to be JSON."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not (
        media_type.startswith("application/") and media_type.endswith("+json")
    ):
        raise ApiError(Code.UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/json")
    return await request.body()


def parse(adapter: TypeAdapter[Parsed], body: bytes) -> Parsed:
    """The value of a JSON body.

    Raises ApiError: `details` is one line, or where an array's items are bad a list of `{"index", "error"}`.
    """
    try:
        parsed = adapter.validate_json(body)
    except ValidationError as error:
        raise ApiError(Code.INVALID_SCHEMA, _unstorable(body) or _problems(error)) from None
    if NUL_ESCAPE in body and (where := _unstorable(body)):
        raise ApiError(Code.INVALID_SCHEMA, where)
    return parsed


def _problems(error: ValidationError) -> Details:
    whole: list[Mapping[str, Any]] = []
    items: dict[int, list[Mapping[str, Any]]] = {}
    for problem in error.errors(include_url=False, include_input=False):
        match problem["loc"]:
            case (int(index), *field):
                items.setdefault(index, []).append({**problem, "loc": tuple(field)})
            case _:
                whole.append({**problem})
    if whole:
        return describe(whole)
    return [{"index": index, "error": describe(found)} for index, found in sorted(items.items())]


def _unstorable(body: bytes) -> Details | None:
    """Where a text is that no database can hold, or None."""
    document = _loads(body)
    if not isinstance(document, list):
        return _where(document)
    found = ((index, _where(item)) for index, item in enumerate(document))
    return [{"index": index, "error": where} for index, where in found if where] or None


def _loads(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _where(document: object) -> str | None:
    for path, text in _texts(document, ""):
        if "\0" in text:
            return f"{path}: U+0000 is not allowed"
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            return f"{path}: lone surrogates are not allowed"
    return None


def _texts(value: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path or "body", value
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, f"{path}[{index}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            name = f"{path}.{key}" if path else key
            yield f"a key of {path or 'the body'}", key
            yield from _texts(item, name)
