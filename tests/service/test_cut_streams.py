"""A streamed summary that breaks off is paid for, its draft taken back, and asked for again in one piece."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy.engine import URL

from tests.support.chat_sockets import joined
from tests.support.service import Grok, running

TICKS = 10**10
CALLS = "SELECT outcome, cost_ticks FROM grok_calls ORDER BY number"
SAID = "My parcel is late"
"""Too short to be analysed: the summary's calls are all there are."""
CUTS: dict[str, tuple[dict[str, Any], str]] = {
    "no end": ({"kind": "cut_stream"}, "unfinished"),
    "an end that a gateway made up": ({"kind": "cut_stream", "text": "stop"}, "malformed"),
    "a broken connection": ({"kind": "drop_stream"}, "cut_off"),
    "nothing but an end": ({"kind": "content", "text": "", "calls": 1}, "refused"),
}


@pytest.mark.parametrize(("how", "outcome"), CUTS.values(), ids=CUTS)
async def test_a_summary_whose_stream_breaks_off_is_asked_for_in_one_piece(
    database_url: URL, grok: Grok, how: dict[str, Any], outcome: str
) -> None:
    grok.misbehave(**how)
    grok.misbehave("drip", pause=0.005)
    grok.misbehave("slow", pause=0.3)  # so that what is taken back is heard before the summary
    settings = {"chat_quiet_seconds": 0.2, "max_retries": 0, "daily_budget_usd": 1}
    async with running(database_url, grok, **settings) as service, joined(service.url, "c1") as client:
        await client.say(SAID)
        drafts: list[tuple[str, bool]] = []
        while (frame := await client.wait_at_most("summary.draft", "summary"))["type"] != "summary":
            drafts.append((frame["text"], frame["starts"]))
        metrics = await service.metrics()
        calls: Sequence[Any] = await service.rows(CALLS)
        left = (await service.get("/api/v1/spending"))["budget"]["left_today_usd"]

    assert frame["summary"]["summary"] == "Messages 1 to 1."
    assert drafts[-1:] == ([] if outcome == "refused" else [("", True)])
    assert [b'"stream":true' in call.body for call in grok.recent] == [True, False]
    assert [row[0] for row in calls] == [outcome, "ok"]
    assert 1 - left == pytest.approx(sum(row[1] for row in calls) / TICKS, abs=2e-6)
    assert sum(row[1] for row in calls) >= grok.billed_ticks
    assert metrics['summaries_total{outcome="written"}'] == 1
    assert metrics.get('summaries_total{outcome="failed"}', 0) == 0


async def test_an_answer_that_is_wrong_in_one_piece_too_is_charged(database_url: URL, grok: Grok) -> None:
    grok.misbehave("content", text="{", marker=SAID)
    settings = {"chat_quiet_seconds": 0.2, "max_retries": 0}
    async with running(database_url, grok, **settings) as service, joined(service.url, "c1") as client:
        await client.say(SAID)
        told = (await client.next("summary"))["summary"]

    assert told["status"] == "failed"
    # Streamed, in one piece, and the canary that shows that the provider is not to blame.
    assert [call.kind for call in grok.calls] == ["summary", "summary", "analysis"]


@pytest.mark.parametrize("how", [{"kind": "finish", "text": "length"}, {"kind": "refusal"}])
async def test_what_is_not_the_streams_fault_is_asked_once(
    database_url: URL, grok: Grok, how: dict[str, Any]
) -> None:
    grok.misbehave(**how, marker=SAID)
    settings = {"chat_quiet_seconds": 0.2, "max_retries": 0}
    async with running(database_url, grok, **settings) as service, joined(service.url, "c1") as client:
        await client.say(SAID)
        told = (await client.next("summary"))["summary"]

    assert told["status"] == "failed"
    assert [call.kind for call in grok.calls] == ["summary", "analysis"]
