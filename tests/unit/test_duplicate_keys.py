"""A name that stands twice in an object is refused by its path, wherever the object is."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from api.duplicate_keys import duplicate_keys, has_duplicate_keys
from api.errors import ApiError
from api.parsing import parse_body
from schemas import BulkConversations, ChatMessage, Conversation, SocketFrame

ONE: TypeAdapter[Any] = TypeAdapter(Conversation)
MANY: TypeAdapter[Any] = TypeAdapter(BulkConversations)


@pytest.mark.parametrize(
    ("adapter", "body", "details"),
    [
        (ONE, '{"text": "one", "text": "two"}', "text: appears twice"),
        (ONE, '{"text": "one", "te\\u0078t": "one"}', "text: appears twice"),
        (ONE, '{"text": "a", "raw_data": {"x": 1, "x": 1}}', "raw_data.x: appears twice"),
        (
            ONE,
            '{"text": "a", "metadata": {"list": [{}, {"y": 1, "z": 2, "y": 3}]}}',
            "metadata.list[1].y: appears twice",
        ),
        (
            ONE,
            '{"messages": [{"text": "a"}, {"text": "b", "role": "user", "text": "b"}]}',
            "messages[1].text: appears twice",
        ),
        (
            MANY,
            '[{"text": "a"}, {"text": "b", "text": "b"}]',
            [{"index": 1, "error": "text: appears twice"}],
        ),
        (
            TypeAdapter(ChatMessage),
            '{"user_id": "u", "user_type": "customer", "user_id": "v", "message_content": "a"}',
            "user_id: appears twice",
        ),
        (TypeAdapter(SocketFrame), '{"type": "ping", "ref": 1, "ref": 2}', "ref: appears twice"),
    ],
)
def test_it_is_named_and_no_value_is(adapter: TypeAdapter[Any], body: str, details: object) -> None:
    with pytest.raises(ApiError) as refused:
        parse_body(adapter, body.encode())

    assert (refused.value.status_code, refused.value.details) == (400, details)


@pytest.mark.parametrize(
    "body",
    [
        b'{"text": "a", "raw_data": {"text": 1, "raw_data": {"text": 2}}}',
        b'{"text": "\\"text\\": \\"text\\": {", "metadata": {"n": 1e400, "m": -0.0}}',
        b'{"text": "a", "raw_data": {"n": ' + b"9" * 5_000 + b"}}",
        b' \n{"text": "\xf0\x9f\x98\x80"}\r\n ',
    ],
)
def test_the_same_name_elsewhere_is_none(body: bytes) -> None:
    assert not has_duplicate_keys(body)


class Pairs(list[tuple[str, Any]]):
    """An object that may have a name twice."""


def written(value: Any) -> str:
    if isinstance(value, Pairs):
        return "{" + ", ".join(f"{json.dumps(name)}: {written(inner)}" for name, inner in value) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    return json.dumps(value)


def repeats(value: Any) -> bool:
    if isinstance(value, Pairs):
        names = [name for name, _ in value]
        return len({*names}) < len(names) or any(repeats(inner) for _, inner in value)
    return isinstance(value, list) and any(map(repeats, value))


NAMES = st.sampled_from(["a", "b", '"', "\\", "\u00e9", ""])
DOCUMENTS = st.recursive(
    st.none() | st.integers() | st.floats(allow_nan=False) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(NAMES, inner), max_size=3).map(Pairs),
)


@given(DOCUMENTS)
def test_it_is_found_wherever_it_is(document: Any) -> None:
    body = written(document).encode()

    assert has_duplicate_keys(body) == repeats(document)
    shown = [*duplicate_keys(body)]
    assert bool(shown) >= repeats(document) or not repeats(document)
    assert len({*shown}) == len(shown)
