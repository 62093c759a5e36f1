"""What query parameters have in common: unknown, repeated and unstorable ones are refused by name."""

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
)

from api.errors import ApiError, Code
from core import clock

# A `+` that was not percent-encoded arrives as a space.
SPACE_BEFORE_OFFSET = re.compile(r"^(\S+[T ]\S+) (\d\d(:?\d\d)?)$")
ESCAPED = re.compile("[\ud800-\udfff]")  # what parse_qsl makes of bytes that are no UTF-8


def moment(value: object) -> int:
    """UTC microseconds of a parameter. Raises ValueError."""
    return clock.parse(SPACE_BEFORE_OFFSET.sub(r"\1+\2", str(value)))


def storable(text: str) -> str:
    """The text. Raises ValueError where a database could not hold it."""
    if "\0" in text:
        raise ValueError("U+0000 is not allowed")
    return text


Asked = TypeVar("Asked", bound=BaseModel)
Moment = Annotated[int, BeforeValidator(moment), WithJsonSchema({"type": "string", "format": "date-time"})]
Word = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(storable)]
Slug = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(storable)]
Limit = Annotated[int, Field(ge=1, le=1000)]


class Parameters(BaseModel):
    """Query parameters; an unknown one is refused by its name."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def asked_by(model: type[Asked]) -> Callable[[Request], Awaitable[Asked]]:
    """A dependency that reads the query parameters of a route, for those that are asked often.

    FastAPI's `Query()` looks at the type of every field again in each request: 0.7 ms of the 1.6 that an answer of
    few rows takes, where this takes 0.1. The route documents them by `parameters_of`. The dependency
    raises what FastAPI would, and ApiError 400 as `once_each` does.
    """

    async def read(request: Request) -> Asked:
        try:
            return model.model_validate(dict(_pairs(request)))
        except ValidationError as error:
            found = [{**each, "loc": ("query", *each["loc"])} for each in error.errors(include_url=False)]
            raise RequestValidationError(found) from None

    return read


def parameters_of(model: type[BaseModel]) -> dict[str, Any]:
    """The `openapi_extra` of a route whose parameters `asked_by` reads."""
    schema = model.model_json_schema()
    return {"parameters": [_documented(name, field) for name, field in schema["properties"].items()]}


def _documented(name: str, field: dict[str, Any]) -> dict[str, Any]:
    shown = {key: value for key, value in field.items() if value is not None}
    described = {"description": field["description"]} if "description" in field else {}
    schema = {"title": name.replace("_", " ").title(), **shown}
    return {"name": name, "in": "query", "required": False, "schema": schema, **described}


async def once_each(request: Request) -> None:
    """Refuse a parameter that comes twice, or whose bytes are no UTF-8: which one was meant is a guess.

    A dependency of routes. Raises ApiError 400.
    """
    _pairs(request)


def _pairs(request: Request) -> Sequence[tuple[str, str]]:
    query = request.scope["query_string"].decode("latin-1")
    pairs = parse_qsl(query, keep_blank_values=True, errors="surrogateescape")
    times_given = Counter(name for name, _ in pairs)
    for name, value in pairs:
        if times_given[name] > 1:
            raise ApiError(Code.INVALID_QUERY, f"{_printable(name)}: was given more than once")
        if ESCAPED.search(name + value):
            raise ApiError(Code.INVALID_QUERY, f"{_printable(name)}: must be UTF-8")
    return pairs


def _printable(name: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in name[:64])
