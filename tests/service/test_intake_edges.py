"""Edges of intake over a real socket: packed bodies, the wrong door, and ids that are not what they seem."""

import gzip
import json
import zlib
from collections.abc import AsyncIterator, Iterator
from functools import cache
from typing import Any

import httpx
import pytest
from sqlalchemy.engine import URL

from benchmarks.support.process import POSTS
from tests.support.service import Service, faked, running

BULK = f"{POSTS}/bulk"
LATE = "My parcel is three days late and nobody answers"
JSON = {"Content-Type": "application/json"}
PACKED = {**JSON, "Content-Encoding": "gzip"}
BOM = b"\xef\xbb\xbf"
MEGABYTE = 1024 * 1024


@pytest.fixture(scope="module")
async def service(shared_database_url: URL) -> AsyncIterator[Service]:
    """One for all: no test posts with an id of another's."""
    with faked() as grok:
        async with running(shared_database_url, grok) as made:
            yield made


async def send(
    service: Service, body: bytes, headers: dict[str, str] = PACKED, path: str = POSTS
) -> httpx.Response:
    return await service.http.post(path, content=body, headers=headers)


def one(**fields: Any) -> bytes:
    return json.dumps({"text": LATE, **fields}).encode()


async def problem(
    service: Service, body: bytes, headers: dict[str, str] = PACKED, path: str = POSTS
) -> tuple[int, str, object]:
    answer = await send(service, body, headers, path)
    return answer.status_code, answer.json()["error"], answer.json().get("details")


# --- packed bodies ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip", "identity"])
@pytest.mark.parametrize("mark", [b"", BOM], ids=["plain", "bom"])
async def test_a_packed_body_is_read_like_any_other(service: Service, encoding: str, mark: bytes) -> None:
    body = mark + one(external_id=f"{encoding} {len(mark)}")
    sent = body if encoding == "identity" else gzip.compress(body, mtime=0)

    packed = await send(service, sent, {**JSON, "Content-Encoding": encoding})
    again = await send(service, body, JSON)

    assert packed.status_code == again.status_code == 202
    assert again.json() == {**packed.json(), "enqueued": False, "message": "Conversation already accepted"}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (BULK, json.dumps([{"text": LATE}] * 3).encode(), 202),
        ("/chats", b'\n[{"user_id": "u", "user_type": "user", "message_content": "hi"}]', 201),
        (f"{POSTS}/status", b'{"ids": ["a"]}', 200),
    ],
)
async def test_every_body_may_be_packed(service: Service, path: str, body: bytes, status: int) -> None:
    for sent, headers in ((gzip.compress(BOM + body, mtime=0), PACKED), (BOM + body, JSON)):
        assert (await send(service, sent, headers, path)).status_code == status


async def test_a_body_may_have_several_members_and_come_in_pieces(service: Service) -> None:
    whole = one()
    packed = b"".join(gzip.compress(whole[at : at + 10], mtime=0) for at in range(0, len(whole), 10))

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(packed), 7):
            yield packed[at : at + 7]

    answer = await service.http.post(POSTS, content=pieces(), headers=PACKED)

    assert answer.status_code == 202


@cache
def a_bomb() -> bytes:
    """200 MB in one."""
    return gzip.compress(b" " * (200 * MEGABYTE), compresslevel=1, mtime=0)


async def test_the_limit_holds_for_what_a_body_unpacks_to(service: Service) -> None:
    fits, larger = (one() + b" " * (size - len(one())) for size in (MEGABYTE, MEGABYTE + 1))
    bomb = a_bomb()

    assert (await send(service, gzip.compress(fits, mtime=0))).status_code == 202
    for sent in (
        gzip.compress(larger, mtime=0),
        bomb,
        gzip.compress(one(), mtime=0) + bomb,
        gzip.compress(b"", mtime=0) * 1_001,
    ):
        answer = await send(service, sent)
        assert (answer.status_code, answer.json()["error"]) == (413, "payload_too_large")


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "zstd"])
async def test_no_other_encoding_is_read(service: Service, encoding: str) -> None:
    answer = await send(service, zlib.compress(one()), {**JSON, "Content-Encoding": encoding})

    assert (answer.status_code, answer.json()["error"]) == (415, "unsupported_media_type")
    assert answer.headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize(
    "body",
    [
        one(),
        gzip.compress(one(), mtime=0)[:-1],
        gzip.compress(one(), mtime=0) + b"more",
        b"",
        zlib.compress(one()),
    ],
    ids=["plain", "cut", "more", "empty", "zlib"],
)
async def test_what_is_not_gzip_is_a_400(service: Service, body: bytes) -> None:
    details = "The body is not valid gzip, which Content-Encoding says it is"

    assert await problem(service, body) == (400, "invalid_schema", details)


NUL, LONE = "\\u0000", "\\ud800"


def unstorable() -> Iterator[tuple[str, str]]:
    """Bodies with a string that not both databases can store, each with the path of that string."""
    for bad in (NUL, LONE):
        yield f'{{"text": "late{bad}"}}', "text"
        yield f'{{"text": "late", "raw": {{"a": [1, "{bad}"]}}}}', "raw.a[1]"
        yield f'{{"text": "late", "raw_data": {{"a{bad}": 1}}}}', "raw_data"
        yield f'{{"text": "late", "metadata": {{"a": {{"{bad}b": null}}}}}}', "metadata.a"
        yield f'{{"text": "late", "external_id": "{bad}"}}', "external_id"
        yield f'{{"messages": [{{"content": "{bad}", "user_id": "u"}}]}}', "messages[0].content"


@pytest.mark.parametrize("packed", [False, True])
async def test_what_a_database_cannot_store_is_a_400_that_names_the_field(
    service: Service, packed: bool
) -> None:
    for text, path in unstorable():
        body = gzip.compress(text.encode(), mtime=0) if packed else text.encode()
        status, code, details = await problem(service, body, PACKED if packed else JSON)
        assert (status, code) == (400, "invalid_schema")
        assert str(details).startswith(f"{path}: ")
        assert "not allowed" in str(details)


# --- the wrong door -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"[]", b" \r\n\t[{}]", BOM + b"[1", json.dumps([{"text": LATE}]).encode()])
async def test_an_array_at_the_single_door_is_told_of_the_other(service: Service, body: bytes) -> None:
    details = "must be a JSON object; an array of conversations goes to /api/v1/conversations/bulk"

    assert await problem(service, body, JSON) == (400, "invalid_schema", details)


@pytest.mark.parametrize("body", [b"{}", b"\n {", BOM + one(), gzip.compress(one(), mtime=0)])
async def test_an_object_at_the_bulk_door_is_told_of_the_other(service: Service, body: bytes) -> None:
    headers = PACKED if body[:1] == b"\x1f" else JSON
    details = "must be a JSON array; a single conversation goes to /api/v1/conversations"

    assert await problem(service, body, headers, BULK) == (400, "invalid_schema", details)


# --- ids ----------------------------------------------------------------------------------------------------


async def test_a_conflict_says_which_id_it_is_and_whose(service: Service) -> None:
    keyed = {**JSON, "Idempotency-Key": "key-1"}
    by_external = (await send(service, one(external_id="ticket-0"), JSON)).json()["conversation_id"]
    by_key = (await send(service, one(), keyed)).json()["conversation_id"]
    await send(service, one(conversation_id="chosen"), JSON)

    other = {"text": LATE + "!"}
    for fields, headers, details in (
        ({"external_id": "ticket-0"}, JSON, f"external_id: {by_external} is known with other content"),
        ({}, keyed, f"Idempotency-Key: {by_key} is known with other content"),
        ({"conversation_id": "chosen"}, JSON, "conversation_id: chosen is known with other content"),
        (
            {"conversation_id": "chosen", "external_id": "ticket-0"},
            JSON,
            "conversation_id and external_id: belong to different conversations, one of them chosen",
        ),
    ):
        assert await problem(service, one(**{**other, **fields}), headers) == (409, "conflict", details)


@pytest.mark.parametrize("external", ["ticket-1", "Ticket 7 ä", "-x"])
async def test_a_404_for_an_external_id_says_whose_it_is(service: Service, external: str) -> None:
    id_ = await service.post(LATE, external_id=external)
    told = f"No conversation has this id; it is the external_id of {id_}"

    answers = [
        await service.http.get(f"{POSTS}/{external}"),
        await service.http.delete(f"{POSTS}/{external}"),
        await service.http.post(f"{POSTS}/{external}/retry"),
        await service.http.get(f"/chats/{external}"),
        await service.http.delete(f"/chats/{external}"),
        await service.http.get(f"/chats/{external}/summary"),
        await service.http.post("/chats/summarize", json={"conversation_id": external}),
    ]

    assert [(answer.status_code, answer.json()["details"]) for answer in answers] == [(404, told)] * 7


@pytest.mark.parametrize("id_", ["unknown", "a%00b", "%ED%A0%80", "x" * 300])
async def test_any_other_404_does_not(service: Service, id_: str) -> None:
    answer = await service.http.get(f"{POSTS}/{id_}")

    assert (answer.status_code, answer.json()["details"]) == (404, "No conversation has this id")
