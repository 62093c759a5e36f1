"""The envelope: what a client is told of everything that can go wrong, over a real socket."""

import errno
import json
import socket
import sqlite3
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Query
from fastapi.responses import StreamingResponse
from pydantic import AnyUrl, BaseModel, ConfigDict, Field, ValidationError, field_validator
from sqlalchemy import text
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from starlette.requests import ClientDisconnect

from api.errors import RETRYABLE, STATUS, ApiError, documented, install, to_api_error
from api.problems import MAX_DETAILS, describe
from schemas import Code
from store.engine.faults import database_fault
from tests.support.log_lines import Lines, captured
from tests.support.serving import served

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


def test_a_rate_limit_says_when_to_come_again_and_nothing_else() -> None:
    error = ApiError(Code.RATE_LIMIT_EXCEEDED, retry_after=7)

    assert error.envelope() == {"error": "rate_limit_exceeded", "retry_after": 7}
    assert error.response().headers["retry-after"] == "7"


def test_bulk_details_are_a_list() -> None:
    details = [{"index": 3, "error": "Missing required field: text"}]

    body = ApiError(Code.INVALID_SCHEMA, details).response().body

    assert json.loads(bytes(body)) == {"error": "invalid_schema", "details": details}


@pytest.mark.parametrize(
    ("body", "details"),
    [
        ({}, "Missing required field: text"),
        (None, "Missing required field: body"),
        ({"text": "a", "foo": SECRET, "bar": 1}, "Unknown field: foo; Unknown field: bar"),
        ({"text": 5}, "text: must be a valid string"),
        ([SECRET], "must be a JSON object"),
        (
            {"text": "a", "messages": [{"text": "b"}, {"text": "", "role": SECRET}]},
            "messages[1].text: must have at least 1 character; "
            "messages[1].role: must be customer or support_agent",
        ),
        ({"text": "a", "messages": [{"role": "customer"}]}, "Missing required field: messages[0].text"),
        ({"text": "a", "messages": SECRET}, "messages: must be a valid list"),
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
        (f"/items/1?start_time=now&limit={SECRET}", "limit: must be a valid integer"),
        ("/items/1?start_time=now&limit=0", "limit: must be greater than or equal to 1"),
        (f"/items/{SECRET}?start_time=now&limit=1", "number: must be a valid integer"),
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


def test_a_client_that_hangs_up_is_no_failure_of_ours() -> None:
    assert to_api_error(ClientDisconnect()).status_code == 400


def test_documented_codes_share_the_status_they_have() -> None:
    responses = documented(Code.INVALID_SCHEMA, Code.QUEUE_FULL, Code.OVERLOADED)

    assert {status: entry["description"] for status, entry in responses.items()} == {
        400: "invalid_schema",
        503: "queue_full, overloaded",
    }


class Kind(Enum):
    ONE = "one"


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


class Everything(BaseModel):
    """A field of each type whose complaint could repeat what was sent."""

    integer: int
    number: float
    flag: bool
    kind: Kind
    uuid: UUID
    url: AnyUrl
    moment: datetime
    pattern: Annotated[str, Field(pattern="^x$")]
    short: Annotated[str, Field(max_length=2)]
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    wait_at_most: int | list[int]
    asserted: str

    @field_validator("asserted")
    @classmethod
    def _asserted(cls, value: str) -> str:
        assert value == "x", f"not {value}"
        return value


def test_no_type_of_field_makes_the_details_repeat_what_was_sent() -> None:
    sent: dict[str, Any] = dict.fromkeys(Everything.model_fields, SECRET)
    for pet in (SECRET, {"kind": SECRET}):
        with pytest.raises(ValidationError) as caught:
            Everything.model_validate(sent | {"pet": pet})

        details = [describe([problem]) for problem in caught.value.errors()]

        assert len(details) > len(Everything.model_fields)
        assert not [line for line in details if "hunter" in line or "`" in line]


def test_details_stay_short_however_much_is_wrong() -> None:
    name = ("x" * 200,)
    unknown = {"type": "extra_forbidden", "loc": name, "msg": ""}
    deep = {"type": "extra_forbidden", "loc": name * 5, "msg": ""}

    assert describe([unknown]) == f"Unknown field: {'x' * 64}..."
    assert describe([unknown] * 12).endswith("; and 2 more")
    assert len(describe([deep] * 500)) < MAX_DETAILS + 50


def test_a_field_name_from_outside_cannot_break_the_answer() -> None:
    problem = {"type": "extra_forbidden", "loc": ("a\ud800\n\0",), "msg": ""}

    body = ApiError(Code.INVALID_SCHEMA, describe([problem])).response().body

    assert json.loads(bytes(body))["details"] == "Unknown field: a???"


async def error_of(url: URL | str, *statements: str, **options: Any) -> BaseException:
    """What a real database raises for the statements."""
    engine = create_async_engine(url, **options)
    try:
        async with engine.connect() as connection:
            for statement in statements:
                await connection.execute(text(statement))
    except (SQLAlchemyError, OSError) as error:
        return error
    finally:
        await engine.dispose()
    raise AssertionError("no error")


def code_of(error: BaseException) -> Code | None:
    fault = database_fault(error)
    return None if fault is None else Code(fault)


async def test_a_full_sqlite_is_storage_full(tmp_path: Path) -> None:
    error = await error_of(
        f"sqlite+aiosqlite:///{tmp_path}/a.db",
        "PRAGMA max_page_count=2",
        "CREATE TABLE a (b)",
        "INSERT INTO a VALUES (zeroblob(100000))",
    )

    assert code_of(error) is Code.STORAGE_FULL


def test_a_full_disk_is_storage_full() -> None:
    with pytest.raises(OSError, match="No space left") as caught:
        Path("/dev/full").write_text("x")

    assert code_of(caught.value) is Code.STORAGE_FULL


async def test_a_sqlite_file_that_another_program_locks_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    other = sqlite3.connect(path)
    other.execute("BEGIN EXCLUSIVE")

    error = await error_of(
        f"sqlite+aiosqlite:///{path}", "CREATE TABLE a (b)", connect_args={"timeout": 0.01}
    )
    other.close()

    assert code_of(error) is Code.DATABASE_UNAVAILABLE


async def test_a_sqlite_file_that_is_gone_or_is_none_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "junk").write_bytes(b"junk" * 1_000)

    for name in ("no/such/folder", "junk"):
        error = await error_of(f"sqlite+aiosqlite:///{tmp_path}/{name}", "SELECT * FROM sqlite_master")
        assert code_of(error) is Code.DATABASE_UNAVAILABLE


@pytest.mark.parametrize(
    "statement", ["SELECT * FROM no_such_table", "INSERT INTO a VALUES (1), (1)", "SELEC"]
)
async def test_a_defect_of_ours_is_no_outage_on_either_database(database_url: URL, statement: str) -> None:
    error = await error_of(database_url, "CREATE TABLE a (b INTEGER PRIMARY KEY)", statement)

    assert code_of(error) is None
    assert to_api_error(error).code is Code.INTERNAL_ERROR  # type: ignore[arg-type]


async def test_a_postgresql_that_cannot_be_reached_is_unavailable() -> None:
    error = await error_of("postgresql+asyncpg://nobody:nothing@127.0.0.1:1/nowhere")

    assert code_of(error) is Code.DATABASE_UNAVAILABLE


def test_a_host_whose_name_is_not_known_is_unavailable() -> None:
    with pytest.raises(socket.gaierror) as caught:
        socket.getaddrinfo("no-number", 1, flags=socket.AI_NUMERICHOST)

    assert code_of(caught.value) is Code.DATABASE_UNAVAILABLE


async def test_a_full_postgresql_is_storage_full(postgresql_server: URL) -> None:
    error = await error_of(postgresql_server, "DO $$ BEGIN RAISE EXCEPTION USING errcode = '53100'; END $$")

    assert code_of(error) is Code.STORAGE_FULL


@pytest.mark.parametrize("number", ["53300", "57P03", "40P01", "55P03", "08006"])
async def test_what_passes_on_postgresql_is_unavailable(postgresql_server: URL, number: str) -> None:
    error = await error_of(
        postgresql_server, f"DO $$ BEGIN RAISE EXCEPTION USING errcode = '{number}'; END $$"
    )

    assert code_of(error) is Code.DATABASE_UNAVAILABLE


async def test_a_connection_that_breaks_is_unavailable(postgresql_server: URL) -> None:
    error = await error_of(postgresql_server, "SELECT pg_terminate_backend(pg_backend_pid())", "SELECT 1")

    assert code_of(error) is Code.DATABASE_UNAVAILABLE


async def test_a_sqlite_connection_that_somebody_closed_is_unavailable(tmp_path: Path) -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/a.db")
    async with engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        await driver.close()
        with pytest.raises(SQLAlchemyError) as caught:
            await connection.execute(text("SELECT 1"))
    await engine.dispose()

    assert code_of(caught.value) is Code.DATABASE_UNAVAILABLE


def test_a_host_without_a_route_is_unavailable_and_a_missing_file_is_a_defect() -> None:
    assert code_of(OSError(errno.EHOSTUNREACH, "No route to host")) is Code.DATABASE_UNAVAILABLE
    assert code_of(FileNotFoundError(errno.ENOENT, "No such file")) is None


async def test_a_pool_without_a_free_connection_is_unavailable(tmp_path: Path) -> None:
    pool: dict[str, Any] = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 0.01}
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/a.db", **pool)
    async with engine.connect():
        with pytest.raises(SQLAlchemyError) as caught:
            await _connected(engine.connect())
    await engine.dispose()

    assert code_of(caught.value) is Code.DATABASE_UNAVAILABLE


async def _connected(connecting: Any) -> AsyncConnection:
    connection: AsyncConnection = await connecting
    return connection
