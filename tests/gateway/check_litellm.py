"""The service behind a real gateway: fake Grok, LiteLLM's proxy, and the service, each on loopback.

Not part of `make test`, whose files are called test_*: run it with `make test-gateway`.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from signal import SIGTERM
from typing import Any

import pytest

from benchmarks.support import databases
from benchmarks.support.process import Process, client
from benchmarks.support.waiting import eventually
from tests.gateway.litellm_proxy import LIMITED_KEY, MASTER_KEY, MODEL, Proxy, litellm_proxy
from tests.support.chat_sockets import joined
from tests.support.log_lines import Lines
from tests.support.service import Grok, Service, faked

SECONDS = 60
LATE = "My parcel is late, "
SPENT = "grok says that credit or a spending limit is used up"
# As fast as the rules allow. A pause of more than a second is one that /health shows.
QUICK: dict[str, Any] = {
    "GROK_MODE": "real",
    "GROK_MODEL": MODEL,
    "OUTBOUND_RPS": 50,
    "INBOUND_RPS": 0,
    "BATCH_FLUSH_SECONDS": 0.05,
    "BACKOFF_SECONDS": 0.5,
    "COOLDOWN_SECONDS": 2,
    "ERROR_THRESHOLD": 2,
    "CHAT_QUIET_SECONDS": 0.5,
}


@pytest.fixture(scope="module")
def upstream() -> Iterator[Grok]:
    """What the gateways call: one for all tests, since a gateway's start takes half a minute."""
    with faked() as fake:
        yield fake


@pytest.fixture(scope="module")
def proxies(upstream: Grok, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Proxy]]:
    """One that knows its master key only, and one with keys that are refused, limited or spent."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(
                litellm_proxy(tmp_path_factory.mktemp(name), upstream.url, custom_auth=custom_auth)
            )
            for name, custom_auth in (("plain", False), ("keys", True))
        }


@pytest.fixture
def grok(upstream: Grok) -> Grok:
    """The upstream, as if it had just started."""
    upstream.reset()
    return upstream


@asynccontextmanager
async def behind(proxy: Proxy, folder: Path, **environ: Any) -> AsyncIterator[tuple[Process, Service]]:
    """The service as a process that calls the proxy; `environ` comes before what is right."""
    given = {"GROK_BASE_URL": proxy.url, "GROK_API_KEY": MASTER_KEY, **QUICK, **environ}
    with Process(folder, **given) as process:
        async with client(process.url) as http:
            yield process, Service(process.url, http, databases.sqlite(folder), Lines())


def some(count: int = 3) -> list[str]:
    return [f"{LATE}{number}" for number in range(count)]


async def reason(service: Service, word: str) -> str:
    """The reason of /health that says this."""

    seen: dict[str, None] = {}

    async def found() -> str | None:
        reasons = (await service.get("/health"))["reasons"]
        seen.update(dict.fromkeys(reasons))
        return next((each for each in reasons if word in each), None)

    try:
        shown: str = await eventually(found, SECONDS)
    except TimeoutError as error:
        error.add_note(f"/health said: {[*seen]}")
        raise
    return shown


async def test_conversations_complete(grok: Grok, proxies: dict[str, Proxy], tmp_path: Path) -> None:
    async with behind(proxies["plain"], tmp_path) as (_, service):
        ended = await service.all_ended(await service.post_all(some(60)), SECONDS)
        health = await service.get("/health")

    assert {each["status"] for each in ended} == {"completed"}
    assert (health["status"], health["reasons"]) == ("ok", [])
    assert grok.violations == []
    assert grok.billed_ticks > 0


async def test_a_summary_is_heard_while_it_is_written(
    grok: Grok, proxies: dict[str, Proxy], tmp_path: Path
) -> None:
    grok.misbehave("drip", pause=0.02)
    async with behind(proxies["plain"], tmp_path) as (_, service), joined(service.url, "c1") as socket:
        await socket.say(f"{LATE}where is it?")
        draft = await socket.next("summary.draft")
        told = (await socket.next("summary"))["summary"]

    assert draft["starts"]
    assert told["summary"] == "Messages 1 to 1."
    assert told["summary"].startswith(draft["text"])
    assert grok.violations == []


async def test_a_stream_that_is_cut_upstream_costs_the_draft_only(
    grok: Grok, proxies: dict[str, Proxy], tmp_path: Path
) -> None:
    grok.misbehave("cut_stream")
    async with behind(proxies["plain"], tmp_path) as (_, service), joined(service.url, "c1") as socket:
        await socket.say(f"{LATE}where is it?")
        told = (await socket.next("summary"))["summary"]

    assert told["summary"] == "Messages 1 to 1."
    assert sum(call.kind == "summary" for call in grok.calls) == 2


# What the operator set wrongly, or the gateway limits: which proxy, the outcome, and the gateway's sentence.
REFUSALS = {
    "a wrong key, no database": (
        "plain",
        {"GROK_API_KEY": "sk-wrong"},
        "GROK_API_KEY was refused: HTTP 400 Bad Request: no_db_connection No connected db.",
    ),
    "a wrong key": (
        "keys",
        {"GROK_API_KEY": "sk-wrong"},
        "GROK_API_KEY was refused: HTTP 401 Unauthorized: auth_error Authentication Error, no such key",
    ),
    "an unknown model": (
        "plain",
        {"GROK_MODEL": "nope"},
        "GROK_MODEL was refused: HTTP 400 Bad Request: invalid_request_error /chat/completions: Invalid model name",
    ),
    "a key's rate limit": (
        "keys",
        {"GROK_API_KEY": LIMITED_KEY},
        "throttling_error Rate limit exceeded for api_key",
    ),
    "a deployment's spent budget": (
        "plain",
        {"GROK_MODEL": "budgeted"},
        f"{SPENT}: HTTP 429 Too Many Requests: internal_server_error No deployments available - crossed budget",
    ),
    "a deployment's rate limit": (
        "plain",
        {"GROK_MODEL": "limited"},
        "throttling_error litellm.RateLimitError: Model rate limit exceeded. RPM limit=1",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_a_refusal_is_named_and_ends_with_the_right_settings(
    grok: Grok, proxies: dict[str, Proxy], tmp_path: Path, case: str
) -> None:
    which, environ, sentence = REFUSALS[case]
    # The limits let one call pass. The gateway counts what a call has cost a moment after its answer.
    small = {"START_BATCH": 1, "MAX_BATCH": 1, "OUTBOUND_RPS": 5}
    async with behind(proxies[which], tmp_path, **small, **environ) as (process, service):
        ids = await service.post_all(some(20))
        told = await reason(service, sentence)
        statuses = {each["status"] for each in await service.all_of(ids)}
        process.end(SIGTERM)
        process.start(GROK_API_KEY=MASTER_KEY, GROK_MODEL=MODEL)
        ended = await service.all_ended(ids, SECONDS)

    assert ("rate limited" in told) == ("rate limit" in case)
    assert "failed" not in statuses
    assert {each["status"] for each in ended} == {"completed"}


async def test_a_spent_budget_of_a_key_counts_as_credits(
    grok: Grok, proxies: dict[str, Proxy], tmp_path: Path
) -> None:
    proxy = proxies["keys"]
    proxy.spent.touch()
    async with behind(proxy, tmp_path) as (_, service):
        ids = await service.post_all(some())
        told = await reason(service, "budget_exceeded Budget has been exceeded! Current cost: 10.0")
        proxy.spent.unlink()
        ended = await service.all_ended(ids, SECONDS)

    assert told.startswith(f"{SPENT}: HTTP 422 Unprocessable Entity")
    assert {each["status"] for each in ended} == {"completed"}


UPSTREAM = {
    "it fails": (
        "status",
        {"status": 500},
        "server_error: HTTP 500 Internal Server Error: internal_server_error litellm.InternalServerError",
    ),
    "it refuses the gateway's key": (
        "status",
        {"status": 401},
        "litellm.AuthenticationError: AuthenticationError: XaiException",
    ),
    "it is out of credits": (
        "out_of_credits",
        {},
        f"{SPENT}: HTTP 429 Too Many Requests: throttling_error litellm.RateLimitError",
    ),
    "it limits the rate": (
        "status",
        {"status": 429},
        "HTTP 429 Too Many Requests: throttling_error litellm.RateLimitError",
    ),
    "it ends in the middle": (
        "drop",
        {},
        "server_error: HTTP 500 Internal Server Error: internal_server_error litellm.InternalServerError",
    ),
}


@pytest.mark.parametrize("case", UPSTREAM)
async def test_what_happens_upstream_is_named_and_nobody_is_to_blame(
    grok: Grok, proxies: dict[str, Proxy], tmp_path: Path, case: str
) -> None:
    kind, how, sentence = UPSTREAM[case]
    grok.misbehave(kind, **how)
    async with behind(proxies["plain"], tmp_path) as (_, service):
        ids = await service.post_all(some())
        told = await reason(service, sentence)
        statuses = {each["status"] for each in await service.all_of(ids)}
        grok.faults.clear()
        ended = await service.all_ended(ids, SECONDS)

    assert ("rate limited" in told) == (case == "it limits the rate")
    assert "failed" not in statuses
    assert {each["status"] for each in ended} == {"completed"}
