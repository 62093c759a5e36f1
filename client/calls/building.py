"""What calls are built from: paths, bodies, and the functions that read answers."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import BaseModel

from ..wire import Call, Encoded, encoded

Answer = TypeVar("Answer")
Model = TypeVar("Model", bound=BaseModel)
Reader = Callable[[bytes], Answer]


def reader(kind: type[Model]) -> Reader[Model]:
    """Reads an answer of this kind."""
    return kind.model_validate_json


def nothing(_body: bytes) -> None:
    """Reads an answer that has no body."""


def path_to(folder: str, name: str) -> str:
    """The path of something with an id, whatever characters that has."""
    return f"{folder}/{quote(name, safe='')}"


def getting(
    path: str, read: Reader[Answer], params: Mapping[str, object] | None = None, *, wait: float = 0
) -> Call[Answer]:
    """A GET. Parameters that are None are not sent."""
    return Call("GET", path, read, params or {}, wait=wait)


def posting(path: str, content: Encoded, read: Reader[Answer], key: str | None = None) -> Call[Answer]:
    """A POST that stores something. It is repeatable where each item, or the request, has an id."""
    headers = {} if key is None else {"idempotency-key": key}
    identified = content.identified or key is not None
    return Call("POST", path, read, body=content.content, headers=headers, repeatable=identified)


def content_of(value: Any, is_identified: Callable[[Any], bool]) -> Encoded:
    """A value as it is sent. Raises ValueError where there is no JSON for it."""
    return value if isinstance(value, Encoded) else Encoded(encoded(value), is_identified(value))
