"""Gateways close connections that are idle: no call is lost by it, none is made or paid for twice."""

import asyncio
from itertools import pairwise

import pytest
from pydantic import SecretStr
from sqlalchemy.engine import URL

from benchmarks.support.waiting import eventually
from domain.analysis import ProviderFault
from domain.topics import BUILT_IN
from grok_client import GrokClient
from tests.fake_grok.server import KEY
from tests.service.test_grok_connection import ANSWER, at_once, closed, failure, listening, request
from tests.support.relay import relayed
from tests.support.service import Grok, running
from tests.support.summary_service import a_chat, summary_of

TEXT = "My parcel is three days late and nobody answers"
TICKS = 10**10
IDLE = 0.6
"""Seconds: a busy machine takes a good part of it from a connection to the first byte on it."""


def client_for(url: str) -> GrokClient:
    return GrokClient(base_url=url, api_key=SecretStr(KEY), model="grok-4.3", topics=BUILT_IN, timeout=10)


async def test_a_wait_for_the_turn_that_is_longer_than_a_connection_lives_loses_no_call(grok: Grok) -> None:
    async with relayed(grok.url, idle=IDLE) as relay, client_for(relay.url) as client:
        for _ in range(4):
            await client.analyse([TEXT], lambda: asyncio.sleep(2 * IDLE))

    assert len(grok.calls) == relay.connections == 4


@pytest.mark.parametrize("resets", [False, True], ids=["closes", "resets"])
async def test_a_request_that_meets_a_connection_as_it_closes_is_sent_on_a_new_one(
    grok: Grok, resets: bool
) -> None:
    turns: list[None] = []

    async def turn() -> None:
        turns.append(None)

    async with relayed(grok.url, hangs_up=True, resets=resets) as relay, client_for(relay.url) as client:
        replies = [await client.analyse([TEXT], turn) for _ in range(4)]

    assert [len(reply.rows) for reply in replies] == [1, 1, 1, 1]
    assert relay.hung_up > 0
    assert len(grok.calls) == len(turns) == 4


async def test_it_is_sent_once_more_and_not_for_ever() -> None:
    requests: list[int] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in range(2):
            await request(reader)
            requests.append(number)
            if len(requests) > 1:
                break
            writer.write(ANSWER)
        await closed(writer)

    async with listening(handler) as url, client_for(f"{url}/v1") as client:
        await client.analyse([TEXT], at_once)
        error = await failure(client)

    # The second connection was a new one: the request may well have left on it.
    assert (type(error), error.outcome) == (ProviderFault, "unreachable")
    assert requests == [0, 1, 0]


async def test_the_ledger_is_what_the_server_saw(database_url: URL, grok: Grok) -> None:
    async with (
        relayed(grok.url, idle=IDLE) as relay,
        running(
            database_url,
            None,
            grok_mode="real",
            grok_api_key=KEY,
            grok_base_url=relay.url,
            outbound_rps=1.2,
            max_batch=1,
            daily_budget_usd=1,
        ) as service,
    ):
        await service.all_ended(await service.post_all(f"{TEXT} ({number})" for number in range(4)))
        await summary_of(service, await a_chat(service))
        outcomes = await service.rows("SELECT outcome FROM grok_calls")
        budget = (await service.get("/api/v1/spending"))["budget"]

    assert [outcome for (outcome,) in outcomes] == ["ok"] * len(grok.calls)
    assert budget["left_today_usd"] == round(1 - grok.billed_ticks / TICKS, 6)
    # A busy machine sends one late, so that the next comes soon after it: some connections must have closed, not all.
    arrived = [call.arrived for call in grok.calls]
    assert any(later - earlier > IDLE for earlier, later in pairwise(arrived))
    assert relay.connections > 1


async def test_what_never_left_costs_nothing(database_url: URL, grok: Grok) -> None:
    nobody = "http://127.0.0.1:9/v1"
    settings = {"grok_mode": "real", "grok_api_key": KEY, "grok_base_url": nobody, "daily_budget_usd": 1}
    async with running(database_url, None, **settings) as service:
        await service.post(TEXT)
        ended = "SELECT cost_ticks FROM grok_calls WHERE outcome = 'unreachable'"
        costs = await eventually(lambda: service.rows(ended))

    assert [cost for (cost,) in costs] == [0] * len(costs)
