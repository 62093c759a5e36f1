"""The envelope: what a client is told of everything that can go wrong, over a real socket."""

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Literal

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from api.errors import RETRYABLE, STATUS, ApiError, install
from benchmarks.support.serving import served
from schemas import Code
from tests.support.log_lines import Lines, captured

SECRET = "hunter2-hunter2"  # what a client sent and no answer may repeat


class Turn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, Field(min_length=1, max_length=10)]
    role: Literal["customer", "support_agent"] | None = None


class Post(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str
    messages: Annotated[list[Turn], Field(max_length=3)] = []


def app() -> FastAPI:
    """Every way to fail, one route each."""
    router = APIRouter()

    @router.post("/posts")
    async def post(sent: Post) -> str:
        return "stored"

    @router.get("/items/{number}")
    async def item(number: int, limit: Annotated[int, Query(ge=1, le=1000)], start_time: str) -> str:
        return "found"

    @router.get("/errors/{code}")
    async def known(code: Code) -> None:
        raise ApiError(code, "because", headers={"X-Extra": "yes"})

    @router.get("/broken")
    async def broken() -> None:
        raise ValueError(SECRET)

    @router.get("/refused")
    async def refused() -> None:
        raise ConnectionRefusedError("no database at 10.0.0.1")

    @router.get("/half")
    async def half() -> StreamingResponse:
        async def lines() -> AsyncIterator[bytes]:
            yield b"one"
            raise ValueError(SECRET)

        return StreamingResponse(lines())

    made = FastAPI()
    install(made)
    made.include_router(router)
    return made


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with served(app()) as server, httpx.Client(base_url=server.url, trust_env=False) as opened:
        yield opened


@pytest.fixture(scope="module", autouse=True)
def lines() -> Iterator[Lines]:
    with captured("ERROR") as logged:
        yield logged


@pytest.mark.parametrize("code", Code)
def test_each_code_has_its_status_and_the_envelope(client: httpx.Client, code: Code) -> None:
    answer = client.get(f"/errors/{code}")

    wait = {"retry_after": 1} if STATUS[code] in RETRYABLE else {}
    assert answer.status_code == STATUS[code]
    assert answer.json() == {"error": code.value, "details": "because"} | wait
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-extra"] == "yes"
    assert answer.headers.get("retry-after") == ("1" if wait else None)


@pytest.mark.parametrize(
    ("body", "details"),
    [
        ({}, "Missing required field: text"),
        (None, "Missing required field: body"),
        ({"text": "a", "foo": SECRET, "bar": 1}, "Unknown field: foo; Unknown field: bar"),
        ({"text": 5}, "text: must be a string"),
        ([SECRET], "must be a JSON object"),
        (
            {"text": "a", "messages": [{"text": "b"}, {"text": "", "role": SECRET}]},
            "messages[1].text: must have at least 1 character; "
            "messages[1].role: must be customer or support_agent",
        ),
        ({"text": "a", "messages": [{"role": "customer"}]}, "Missing required field: messages[0].text"),
        ({"text": "a", "messages": SECRET}, "messages: must be an array"),
        ({"text": "a", "messages": [{"text": SECRET}]}, "messages[0].text: must have at most 10 characters"),
    ],
)
def test_a_wrong_body_is_a_400_that_names_the_field_and_what_is_wrong(
    client: httpx.Client, body: Any, details: str
) -> None:
    answer = client.post("/posts", json=body) if body is not None else client.post("/posts")

    assert answer.status_code == 400
    assert answer.json() == {"error": "invalid_schema", "details": details}


@pytest.mark.parametrize(
    ("path", "details"),
    [
        ("/items/1?limit=5", "Missing required parameter: start_time"),
        (f"/items/1?start_time=now&limit={SECRET}", "limit: must be a whole number"),
        ("/items/1?start_time=now&limit=0", "limit: must be greater than or equal to 1"),
        (f"/items/{SECRET}?start_time=now&limit=1", "number: must be a whole number"),
    ],
)
def test_a_wrong_query_or_path_is_a_400_of_its_own(client: httpx.Client, path: str, details: str) -> None:
    answer = client.get(path)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_query")
    assert answer.json()["details"].startswith(details)
    assert SECRET not in answer.text


@pytest.mark.parametrize("body", ['{"text": ', "\xff", '{"text": hunter2-hunter2}', "[" * 100_000])
def test_what_is_no_json_is_a_400(client: httpx.Client, body: str) -> None:
    answer = client.post(
        "/posts", content=body.encode("latin-1"), headers={"content-type": "application/json"}
    )

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_schema")
    assert SECRET not in answer.text


@pytest.mark.parametrize("headers", [{"content-type": "text/plain"}, {}])
def test_a_body_that_is_not_said_to_be_json_is_a_415(client: httpx.Client, headers: dict[str, str]) -> None:
    answer = client.post("/posts", content=b'{"text": "a"}', headers=headers)

    assert (answer.status_code, answer.json()["error"]) == (415, "unsupported_media_type")


def test_what_is_not_there_is_a_404(client: httpx.Client) -> None:
    answer = client.get("/nothing")

    assert (answer.status_code, answer.json()) == (404, {"error": "not_found", "details": "Not Found"})


def test_a_wrong_method_is_a_405_that_says_which_is_right(client: httpx.Client) -> None:
    answer = client.delete("/posts")

    assert (answer.status_code, answer.json()["error"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"


def test_what_nobody_expected_is_a_500_and_one_line_in_the_log_without_a_word_of_it(
    client: httpx.Client, lines: Lines
) -> None:
    known = len(lines.events())

    answer = client.get("/broken")

    assert (answer.status_code, answer.json()) == (500, {"error": "internal_error"})
    [line] = lines.events()[known:]
    assert (line["event"], line["error"]) == ("request_failed", "ValueError")
    assert "broken" in line["where"][-1]
    assert SECRET not in str(lines)


def test_a_database_that_is_gone_is_a_503_to_come_again(client: httpx.Client) -> None:
    answer = client.get("/refused")

    assert answer.status_code == 503
    assert answer.json() == {"error": "database_unavailable", "retry_after": 1}
    assert answer.headers["retry-after"] == "1"


def test_an_answer_that_breaks_half_way_is_cut_and_not_ended(client: httpx.Client) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/half")
