"""A closed service: what it does before it lets anybody in, and what it writes down."""

import asyncio
import csv
import io
import json
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy.engine import URL
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from benchmarks.support import databases
from benchmarks.support.locks import locked
from benchmarks.support.process import POSTS
from benchmarks.support.waiting import eventually
from services.access.attempts import ALLOWED
from tests.support.access import SECRET, Closed, bearer, closed
from tests.support.service import running

Json = dict[str, Any]


@pytest.fixture
async def service(database_url: URL) -> AsyncIterator[Closed]:
    async with closed(database_url) as running_:
        yield running_


@pytest.fixture(scope="module")
async def shared(shared_database_url: URL) -> AsyncIterator[Closed]:
    """For tests that change nothing, or all the same."""
    async with closed(shared_database_url) as made:
        yield made


async def entries(service: Closed, **filters: str) -> list[Json]:
    found: list[Json] = (await service.get("/api/v1/audit", **filters))["entries"]
    return found


async def denied(service: Closed) -> list[tuple[str, str]]:
    return [(each["target"], each["outcome"]) for each in await entries(service, action="call.denied")]


def stranger(service: Closed) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=service.url)


# --- coming in ----------------------------------------------------------------------------------------------


async def test_a_stranger_is_told_how_to_come_in(service: Closed) -> None:
    async with stranger(service) as http:
        answer = await http.get("/health")

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json() == {
        "error": "unauthorized",
        "details": "This call needs a credential: an API key or a token, after Authorization: Bearer",
    }


@pytest.mark.parametrize("name", ["expired", "revoked"])
async def test_why_a_key_is_refused_is_for_the_audit_log_alone(service: Closed, name: str) -> None:
    async with stranger(service) as http:
        answer = await http.get("/health", headers=service.bearing(name))

    assert answer.json() == {"error": "unauthorized", "details": "The credential is not valid"}
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    key = service.keys[name].split("_")[1]
    assert await denied(service) == [("GET /health", f"{name} key {key}")]


async def test_no_byte_of_a_strangers_body_is_read(service: Closed) -> None:
    """The answer comes though the body never does."""
    host, _, port = service.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /api/v1/conversations/bulk HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n[")
    first = await asyncio.wait_for(reader.readline(), 10)
    writer.close()

    assert first.startswith(b"HTTP/1.1 401")


async def test_what_everybody_may_see(service: Closed) -> None:
    async with stranger(service) as http:
        seen = {
            path: (await http.get(path)).status_code for path in ("/healthz", "/", "/docs", "/openapi.json")
        }
        head = (await http.head("/healthz")).status_code

    assert seen == {"/healthz": 200, "/": 307, "/docs": 200, "/openapi.json": 200}
    assert head == 200


async def test_the_scheme_may_be_written_in_any_case(service: Closed) -> None:
    async with stranger(service) as http:
        for scheme in ("bearer", "BEARER"):
            header = {"Authorization": f"{scheme} {service.keys['viewer']}"}
            assert (await http.get("/auth/me", headers=header)).json()["name"] == "viewer"


@pytest.mark.parametrize("other", ["Bearer x", ""])
async def test_of_several_credentials_none_counts(service: Closed, other: str) -> None:
    good = ("Authorization", f"Bearer {service.keys['viewer']}")
    async with stranger(service) as http:
        for headers in ([good, ("Authorization", other)], [("Authorization", other), good]):
            assert (await http.get("/health", headers=headers)).status_code == 401


async def test_me(service: Closed) -> None:
    async with stranger(service) as http:
        seen = (await http.get("/auth/me", headers=service.bearing("agent"))).json()

    assert seen == {
        "actor": f"key:{service.keys['agent'].split('_')[1]}",
        "name": "agent",
        "role": "agent",
        "means": "key",
    }


async def test_an_open_service_takes_everybody_for_anonymous(database_url: URL) -> None:
    async with running(database_url) as open_:
        me = {"actor": "anonymous", "name": "anonymous", "role": "admin", "means": "none"}
        assert await open_.get("/auth/me") == me
        answer = await open_.http.post("/api/v1/keys", json={"name": "x", "role": "admin"})

        assert answer.status_code == 403
        assert "python -m access" in answer.json()["details"]


# --- too many bad ones --------------------------------------------------------------------------------------


async def test_a_client_with_too_many_bad_keys_is_held_off_and_its_good_key_is_not(service: Closed) -> None:
    async with stranger(service) as http:
        bad = [await http.get("/health", headers=bearer(f"ipk_{number}")) for number in range(ALLOWED + 1)]
        good = await http.get("/health", headers=service.bearing("viewer"))
        without = await http.get("/health")

    assert [answer.status_code for answer in bad] == [401] * ALLOWED + [429]
    assert 800 < int(bad[-1].headers["Retry-After"]) <= 900
    assert bad[-1].json()["error"] == "rate_limit_exceeded"
    assert (good.status_code, without.status_code) == (200, 401)
    assert len([reason for _, reason in await denied(service) if reason == "malformed key"]) == ALLOWED


async def test_a_scan_of_keys_gets_ten_answers_a_second(service: Closed) -> None:
    async with stranger(service) as http:
        for number in range(ALLOWED):
            await http.get("/health", headers=bearer(f"ipk_{number}"))
        began = time.monotonic()
        refused = await asyncio.gather(
            *(http.get("/health", headers=bearer(f"ipk_{number}")) for number in range(15))
        )
        took = time.monotonic() - began

    assert {answer.status_code for answer in refused} == {429}
    assert took >= 1.4


async def test_calls_without_a_credential_are_one_entry_a_minute(service: Closed) -> None:
    async with stranger(service) as http:
        for _ in range(20):
            await http.get("/health")

    assert await denied(service) == [("GET /health", "no credential")]


@pytest.mark.parametrize("database_url", [databases.SQLITE], indirect=True)
async def test_a_refusal_that_cannot_be_noted_is_a_503_and_in_the_log(service: Closed) -> None:
    async with stranger(service) as http, locked(service.database):
        answer = await http.get("/health", headers=bearer("ipk_x"))

    assert (answer.status_code, answer.json()["error"]) == (503, "database_unavailable")
    failed = [line for line in service.logged.events() if line["event"] == "request_failed"]
    assert [line["code"] for line in failed] == ["database_unavailable"]


# --- keys ---------------------------------------------------------------------------------------------------


async def made(service: Closed, **fields: Any) -> Json:
    answer = await service.http.post("/api/v1/keys", json={"name": "importer", "role": "agent", **fields})
    assert answer.status_code == 201, answer.text
    key: Json = answer.json()
    return key


async def works(service: Closed, text: str) -> bool:
    async with stranger(service) as http:
        return (await http.get("/auth/me", headers=bearer(text))).status_code == 200


async def test_a_key_is_shown_once_and_works_until_it_is_revoked(service: Closed) -> None:
    key = await made(service)
    assert await eventually(lambda: works(service, key["key"]))
    listed = (await service.get("/api/v1/keys"))["keys"]

    assert listed[0] == {name: value for name, value in key.items() if name != "key"}
    assert key["key"] not in json.dumps(listed)
    assert (await service.http.delete(f"/api/v1/keys/{key['id']}")).status_code == 204
    assert not await works(service, key["key"])
    assert (await service.http.delete(f"/api/v1/keys/{key['id']}")).status_code == 404
    changes = [
        (each["action"], each["target"]) for each in await entries(service, actor=listed[0]["created_by"])
    ]
    assert changes == [("key.revoke", f"key:{key['id']}"), ("key.create", f"key:{key['id']}")]


async def test_nothing_that_would_let_anybody_in_is_stored(service: Closed) -> None:
    key = await made(service)

    rows = await service.rows("SELECT * FROM api_keys")

    assert key["key"].split("_")[2] not in str(rows)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "name: must be 1 to 100 printable characters"),
        ({"name": "a "}, "name: must be 1 to 100 printable characters"),
        ({"name": "a\u202eb"}, "name: must be 1 to 100 printable characters"),
        ({"name": "x" * 101}, "name"),
        ({"role": "owner"}, "role"),
        ({"expires_at": "2020-01-01"}, "expires_at: must be in the future"),
        ({"expires_at": "soon"}, "expires_at"),
        ({"scope": "all"}, "Unknown field: scope"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
async def test_a_key_that_cannot_be_made_is_refused_by_field(
    shared: Closed, fields: Json, named: str
) -> None:
    body = {"name": "importer", "role": "agent", **fields}

    answer = await shared.http.post("/api/v1/keys", json=body)

    assert answer.status_code == 400
    assert named in answer.json()["details"]


@pytest.mark.parametrize("database_url", [databases.POSTGRESQL], indirect=True)
async def test_a_revoked_key_is_refused_by_every_process_within_a_second(database_url: URL) -> None:
    async with (
        closed(database_url) as one,
        running(database_url, auth_required=True, auth_secret=SECRET) as other,
    ):
        key = await made(one)
        second = Closed(other.url, other.http, other.database, other.logged, one.keys)
        assert await eventually(lambda: works(second, key["key"]))
        began = time.monotonic()
        await one.http.delete(f"/api/v1/keys/{key['id']}")

        async def refused() -> bool:
            return not await works(second, key["key"])

        assert await eventually(refused)
        assert time.monotonic() - began < 5  # one is promised, on a machine that does nothing else


# --- sockets ------------------------------------------------------------------------------------------------


def socket(service: Closed, name: str) -> Any:
    address = f"{service.url.replace('http', 'ws')}/ws/chats/talk"
    return connect(address, additional_headers=service.bearing(name), proxy=None)


async def said(live: ClientConnection) -> Json:
    await live.send(json.dumps({"type": "message", "ref": 7, **MESSAGE}))
    answer: Json = json.loads(await live.recv())
    return answer


MESSAGE = {"user_id": "u", "user_type": "customer", "message_content": "Where is my parcel?"}


async def test_a_viewer_listens_and_an_agent_writes(service: Closed) -> None:
    async with socket(service, "viewer") as viewer, socket(service, "agent") as agent:
        refused = await said(viewer)
        written = await said(agent)
        heard = json.loads(await viewer.recv())

    assert refused == {
        "type": "error",
        "ref": 7,
        "error": "forbidden",
        "details": "This call needs the role agent",
    }
    assert written["type"] in ("ack", "message"), written
    assert heard["message"]["message_content"] == MESSAGE["message_content"]


async def test_a_stranger_gets_no_socket_and_no_error_in_the_log(
    service: Closed, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connect(f"{service.url.replace('http', 'ws')}/ws/chats/talk", proxy=None):
            pass

    assert refused.value.response.status_code == 401
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


# --- the audit log ------------------------------------------------------------------------------------------


async def test_what_is_deleted_is_noted_before_its_sender_is_told(service: Closed) -> None:
    id_ = await service.post("Where is my parcel?")
    await service.ended(id_)

    answer = await service.http.delete(f"{POSTS}/{id_}", headers={"X-Request-ID": "the-deletion"})
    again = await service.http.delete(f"{POSTS}/{id_}")

    assert (answer.status_code, again.status_code) == (204, 404)
    missing, done = await entries(service, action="conversation.delete")
    assert (missing["outcome"], done["outcome"]) == ("404", "204")
    assert done["target"] == id_
    assert done["request_id"] == "the-deletion"
    assert done["client"] == "127.0.0.1"


async def test_a_denied_call_is_noted_with_whom(service: Closed) -> None:
    async with stranger(service) as http:
        await http.post("/api/v1/analysis/pause", headers=service.bearing("agent"))

    (entry,) = await entries(service, action="call.denied")
    assert entry["actor"] == f"key:{service.keys['agent'].split('_')[1]}"
    assert (entry["target"], entry["outcome"]) == ("POST /api/v1/analysis/pause", "needs admin")


@pytest.mark.parametrize("path", ["insights", "insights/recent"])
@pytest.mark.parametrize("form", ["text/csv", "application/x-ndjson"])
async def test_an_export_is_noted_with_who_took_it(service: Closed, path: str, form: str) -> None:
    window = {} if path.endswith("recent") else {"start_time": "2026-01-01", "end_time": "2027-01-01"}
    async with stranger(service) as http:
        viewer = {**service.bearing("viewer"), "Accept": form}
        answer = await http.get(f"/api/v1/{path}", params=window, headers=viewer)
        await http.get(f"/api/v1/{path}", params=window, headers=service.bearing("viewer"))

    assert answer.status_code == 200
    (entry,) = await entries(service, action="insights.export")
    assert entry["actor"] == f"key:{service.keys['viewer'].split('_')[1]}"
    assert entry["target"] == f"GET /api/v1/{path}"


async def test_the_audit_log_in_pages_and_as_csv(service: Closed) -> None:
    for paused in ("pause", "resume") * 3:
        await service.http.post(f"/api/v1/analysis/{paused}")
    whole = await entries(service)
    paged, cursor = [], None
    while True:
        page = await service.get("/api/v1/audit", limit=4, **({} if cursor is None else {"cursor": cursor}))
        paged += page["entries"]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert paged == whole
    lines = (await service.http.get("/api/v1/audit", headers={"Accept": "text/csv"})).text
    table = [*csv.DictReader(io.StringIO(lines))]
    assert [row for row in table if row["action"] != "audit.export"] == whole
    assert [row["outcome"] for row in table if row["action"] == "audit.export"] == ["ok"]


async def test_the_log_line_has_the_link_and_no_secret(service: Closed) -> None:
    key = await made(service)
    (line,) = [
        line
        for line in service.logged.events()
        if line["event"] == "audit" and line["action"] == "key.create"
    ]

    (row,) = await service.rows(
        "SELECT number, link FROM audit_entries WHERE target = :id", id=f"key:{key['id']}"
    )
    assert (line["entry"], line["link"]) == (row.number, bytes(row.link).hex())
    assert key["key"] not in str(service.logged)


# --- pages of other origins ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listed", "told"), [("https://app.example.com", True), ("", False)], ids=["listed", "not"]
)
async def test_a_page_may_read_answers_where_its_origin_is_listed(
    database_url: URL, listed: str, told: bool
) -> None:
    asks = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "GET"}
    wants = {**asks, "Access-Control-Request-Headers": "Authorization"}
    async with closed(database_url, cors_origins=listed) as service, stranger(service) as http:
        before = await http.options("/health", headers=wants)
        answer = await http.get("/health", headers={**asks, **service.bearing("viewer")})
        refused = await http.get("/health", headers=asks)

    assert (before.status_code == 200) == told
    for each in (answer, refused):
        assert (each.headers.get("Access-Control-Allow-Origin") == asks["Origin"]) == told
