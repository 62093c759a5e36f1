"""What query parameters have in common: unknown, repeated and unstorable ones are refused by name."""

import re
from collections import Counter
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Request
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

import times
from errors import ApiError, Code

# A `+` that was not percent-encoded arrives as a space.
SPACE_BEFORE_OFFSET = re.compile(r"^(\S+[T ]\S+) (\d\d(:?\d\d)?)$")


def moment(value: object) -> int:
    """UTC microseconds of a parameter. Raises ValueError."""
    return times.parse(SPACE_BEFORE_OFFSET.sub(r"\1+\2", str(value)))


def storable(text: str) -> str:
    """The text. Raises ValueError where a database could not hold it."""
    if "\0" in text:
        raise ValueError("U+0000 is not allowed")
    return text


Moment = Annotated[int, BeforeValidator(moment), WithJsonSchema({"type": "string", "format": "date-time"})]
Word = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(storable)]
Slug = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(storable)]
Limit = Annotated[int, Field(ge=1, le=1000)]


class Parameters(BaseModel):
    """Query parameters; an unknown one is refused by its name."""

    model_config = ConfigDict(extra="forbid", frozen=True)


async def once_each(request: Request) -> None:
    """Refuse a parameter that comes twice, or whose bytes are no UTF-8: which one was meant is a guess.

    A dependency of routes. Raises ApiError 400.
    """
    query = request.scope["query_string"].decode("latin-1")
    pairs = parse_qsl(query, keep_blank_values=True, errors="surrogateescape")
    times_given = Counter(name for name, _ in pairs)
    for name, value in pairs:
        shown = _printable(name)
        if times_given[name] > 1:
            raise ApiError(Code.INVALID_QUERY, f"{shown}: was given more than once")
        if any("\ud800" <= character <= "\udfff" for character in name + value):
            raise ApiError(Code.INVALID_QUERY, f"{shown}: must be UTF-8")


def _printable(name: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in name[:64])
