"""Every call and every credential: 401, 403 or its answer, as docs/SECURITY.md says."""

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import httpx
import pytest
from fastapi import APIRouter
from sqlalchemy.engine import URL
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from api import guard
from api.roles import RULES, SOCKET
from benchmarks.support.process import ROOT, client
from core.settings import Settings
from domain.roles import Role
from main import create_app
from tests.support.access import Closed, bearer, closed

MANUAL = ROOT / "docs" / "SECURITY.md"
BEGIN, END = "<!-- roles: begin -->", "<!-- roles: end -->"
BAD = ("none", "bad", "expired", "revoked")
OTHER_SCHEME = {"Authorization": "Basic dTpw"}


def operations() -> list[tuple[str, str]]:
    """Method and path of every operation of the document, and of every socket."""
    paths = create_app(Settings.model_construct()).openapi()["paths"]
    found = [(method, path) for path, methods in paths.items() for method in methods]
    return [*found, *((method, path) for method, path in RULES if method == SOCKET)]


def role_of(method: str, path: str) -> Role | None:
    by_path = {(verb, template.replace(":path}", "}")): rule.role for (verb, template), rule in RULES.items()}
    return by_path[method, path]


def expected(method: str, path: str, name: str) -> set[int]:
    needed = role_of(method, path)
    if needed is None:
        return set()
    if name not in [*Role]:
        return {401}
    return set() if Role(name).includes(needed) else {403}


async def status(stranger: httpx.AsyncClient, method: str, path: str, headers: Mapping[str, str]) -> int:
    """The status of a call without a body. What is not there is a 404, what lacks a body a 415: both are let in."""
    address = re.sub(r"\{\w+\}", "nothing", path)
    if method == SOCKET:
        return await socket_status(
            str(stranger.base_url).replace("http", "ws").rstrip("/") + address, headers
        )
    stranger.cookies.clear()
    return (await stranger.request(method, address, headers=headers)).status_code


async def socket_status(address: str, headers: Mapping[str, str]) -> int:
    try:
        async with connect(address, additional_headers=dict(headers), proxy=None):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


def credentials(service: Closed) -> Iterator[tuple[str, dict[str, str]]]:
    yield "none", {}
    yield "bad", bearer("ipk_000000000000_" + "0" * 72)
    for name in ("expired", "revoked", *Role):
        yield name, service.bearing(name)


@pytest.fixture
async def service(database_url: URL) -> AsyncIterator[Closed]:
    async with closed(database_url) as running:
        yield running


@pytest.fixture
async def stranger(service: Closed) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a credential of its own."""
    async with client(service.url) as made:
        yield made


async def test_every_call_wants_the_role_that_is_declared(
    service: Closed, stranger: httpx.AsyncClient
) -> None:
    wrong = {}
    for method, path in operations():
        for name, headers in credentials(service):
            seen = await status(stranger, method, path, headers)
            if name in BAD and role_of(method, path) is not None:
                allowed = {401, 429}  # after ten bad ones, see test_access.py
            else:
                allowed = expected(method, path, name) or {*range(100, 600)} - {401, 403, 429}
            if seen not in allowed:
                wrong[method, path, name] = seen

    assert wrong == {}


async def test_what_is_not_there_is_not_told_to_strangers(
    service: Closed, stranger: httpx.AsyncClient
) -> None:
    assert await status(stranger, "GET", "/api/v1/nothing", {}) == 401
    assert await status(stranger, "PUT", "/health", {}) == 401
    assert await status(stranger, "GET", "/api/v1/nothing", service.bearing("viewer")) == 404
    assert await status(stranger, "GET", "/health", OTHER_SCHEME) == 401


def test_a_route_without_a_role_does_not_start() -> None:
    app = create_app(Settings.model_construct())
    router = APIRouter()
    router.add_api_route("/forgotten", lambda: None)
    app.router.routes.append(router.routes[0])

    with pytest.raises(LookupError, match="get /forgotten declares no role"):
        guard.install(app)


def table() -> str:
    """The rows of docs/SECURITY.md."""
    heads = ("call", "nobody", *(f"{role}" for role in Role), "in the audit log as")
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for (method, path), rule in sorted(RULES.items(), key=lambda item: (item[0][1], item[0][0])):
        call = f"`{'WebSocket' if method == SOCKET else method.upper()} {path.replace(':path}', '}')}`"
        roles = ["yes" if rule.role is None or role.includes(rule.role) else "403" for role in Role]
        nobody = "yes" if rule.role is None else "401"
        lines.append(
            "| " + " | ".join([call, nobody, *roles, f"`{rule.action}`" if rule.action else ""]) + " |"
        )
    return "\n".join(lines)


def test_the_manual_has_the_table() -> None:
    """A failure shows what has to stand between the two marks."""
    written = MANUAL.read_text().partition(BEGIN)[2].partition(END)[0].strip()

    assert written == table()


def documented_roles() -> dict[tuple[str, str], Any]:
    paths = create_app(Settings.model_construct()).openapi()["paths"]
    return {
        (method, path): operation["security"]
        for path, methods in paths.items()
        for method, operation in methods.items()
    }


def test_the_document_says_which_role_each_call_needs() -> None:
    for (method, path), security in documented_roles().items():
        needed = role_of(method, path)
        assert security == ([] if needed is None else [{"credential": [needed.value]}, {}])
