"""Each view in each state: full, empty, too few, denied, and with a service that is away."""

import asyncio
from datetime import date
from pathlib import Path
from secrets import token_hex

import httpx
import pytest
from sqlalchemy.engine import URL

from benchmarks.support import databases
from benchmarks.support.process import free_port
from benchmarks.support.serving import Served
from benchmarks.support.waiting import eventually
from client import Client, calls
from core.clock import now
from core.secret_ring import SecretRing
from dashboard import api
from dashboard.api import Problem
from dashboard.pages import ALL, CHANGED, CONVERSATION, CONVERSATIONS
from database import opened_beside
from services.access.audit_log import AuditLog, audit_key
from services.access.keys import Keys
from tests.dashboard.pages import heard, opened, said, settings
from tests.support.access import ASKED, SECRET, bearer, make_keys
from tests.support.service import serving

WINDOW = {"from": "2026-11-16", "to": "2026-11-19"}
EVERY = pytest.mark.parametrize("path", [entry.path for entry in ALL])


def test_the_landing_page_says_what_changed_in_the_newest_half_of_the_sample(of_sample: Served) -> None:
    page = opened()
    with Client(of_sample.url) as client:
        found = client.compare_topics(
            start_time="2026-11-16", end_time="2026-11-20", sort="surprise", limit=1
        )

    booking = found.topics[0]
    assert page.date_input("w-first").value == date(2026, 11, 16)
    assert page.metric[0].value == str(found.window.total_insights)
    assert f"“{booking.label}” is in {booking.count} of {found.window.total_insights}" in said(page)
    assert f"in {booking.previous.count} of {found.previous.total_insights}" in said(page)
    assert len(page.dataframe[0].value) == found.total


def test_a_window_of_few_says_so_instead_of_a_chart(of_sample: Served) -> None:
    page = opened(CHANGED.path, {"from": "2026-11-19", "to": "2026-11-19"})

    assert "Too few for a chart" in said(page)
    assert not page.get("vega_lite_chart")


def test_the_slider_narrows_every_figure_and_stands_in_the_address(of_sample: Served) -> None:
    page = opened(CHANGED.path, WINDOW)
    before = int(page.metric[0].value)

    page.slider("w-confidence").set_value(60).run()

    assert page.query_params["confidence"] == "60"
    assert 0 < int(page.metric[0].value) < before
    again = opened(CHANGED.path, {**WINDOW, "confidence": "60"})
    assert again.metric[0].value == page.metric[0].value
    assert again.slider("w-confidence").value == 60


def test_what_is_chosen_in_a_window_with_nothing_in_it(of_sample: Served) -> None:
    page = opened(CHANGED.path, {"from": "2025-01-01", "to": "2025-01-07"})

    assert "No conversation of these two windows has a topic" in said(page)


def test_filters_of_the_list_come_from_the_address(of_sample: Served) -> None:
    address = {
        "from": "2026-11-12",
        "to": "2026-11-19",
        "topic": "delay",
        "sentiment": "negative",
        "sort": "score",
    }
    page = opened(CONVERSATIONS.path, address)
    with Client(of_sample.url) as client:
        found = client.insights_page(
            start_time="2026-11-12",
            end_time="2026-11-20",
            cluster="delay",
            sentiment="negative",
            sort="score",
        )

    assert f"n = {found.metadata.total_count}." in said(page)
    assert list(page.dataframe[0].value["score"]) == [
        each.grok_analysis.sentiment_score for each in found.insights
    ]
    assert page.selectbox("w-topic").value == "delay"
    assert page.selectbox("w-sentiment").value == "negative"


def test_words_are_searched_and_counted_by_sentiment(of_sample: Served) -> None:
    page = opened(CONVERSATIONS.path, {"from": "2026-11-12", "to": "2026-11-19"})

    page.text_input("w-words").set_value("refund").run()

    assert page.query_params["q"] == "refund"
    assert "negative" in said(page)
    assert all("refund" in text for text in page.dataframe[0].value["text"])


def test_a_list_without_a_row_says_what_to_do(of_sample: Served) -> None:
    page = opened(CONVERSATIONS.path, {**WINDOW, "q": "nobody wrote this"})

    assert "take a filter away" in said(page)


def test_a_conversation_has_its_messages_and_what_was_found(of_sample: Served) -> None:
    with Client(of_sample.url) as client:
        chat = next(each for each in client.chats() if each.message_count > 2)
        full = client.chat(chat.conversation_id)
    page = opened(CONVERSATION.path, {"id": chat.conversation_id, "message": "2"})

    for message in full.messages:
        assert message.message_content in said(page)
    assert "Quoted" in said(page)
    assert "Nobody has asked for a summary" in said(page)
    assert f"Said to be: {chat.sentiment}" in said(page)
    assert f"Topics: {', '.join(chat.topics)}" in said(page)


def test_a_summary_leads_to_the_messages_that_it_quotes(of_sample: Served) -> None:
    with Client(of_sample.url) as client:
        chat = next(each for each in client.chats() if each.message_count > 2)
        summary = client.summarize(chat.conversation_id)
    page = opened(CONVERSATION.path, {"id": chat.conversation_id})

    assert summary.status == "completed"
    assert summary.summary in said(page)
    for item in (*summary.questions, *summary.action_items, *summary.decisions):
        for position in item.positions:
            assert f"[Message {position}](#message-{position})" in said(page)


async def revoked(database: URL, server: Served, key: str) -> None:
    async with opened_beside(database) as beside:
        log = AuditLog(beside, now, audit_key(SecretRing([SECRET])))
        assert await Keys(beside, now, log, token_hex).revoke(key.split("_")[1], ASKED)
    async with httpx.AsyncClient(base_url=server.url, headers=bearer(key)) as http:

        async def is_refused() -> bool:
            return (await http.get("/auth/me")).status_code == 401

        await eventually(is_refused)


def test_a_key_that_ends_is_noticed_when_the_page_is_drawn_next_and_nothing_it_read_stays(
    tmp_path: Path,
) -> None:
    database = databases.sqlite(tmp_path)
    keys = asyncio.run(make_keys(database))
    closed = serving(database, None, auth_required=True, auth_secret=SECRET)
    with closed as server, settings(server.url, API_KEY=keys["viewer"]):
        page = opened()
        with heard(server) as requests:
            page.run()
        assert requests == ["GET /auth/me?"]
        assert "Nothing has been analysed yet" in said(page)
        asyncio.run(revoked(database, server, keys["viewer"]))

        page.run()

        assert "not valid" in said(page)
        assert "Nothing has been analysed yet" not in said(page)


def test_a_page_that_is_closed_while_it_asks_is_away(of_sample: Served) -> None:
    client = Client(of_sample.url)
    assert not isinstance(api.ask(client, calls.alive()), Problem)
    client.close()

    assert api.ask(client, calls.alive()).kind == "away"


def test_an_address_that_makes_no_sense_is_said_to(of_sample: Served) -> None:
    page = opened(CHANGED.path, {"from": "zzz", "confidence": "1000"})

    assert "A part of the address makes no sense" in said(page)
    assert page.slider("w-confidence").value == 0


@EVERY
def test_a_view_asks_at_most_six_times_and_nothing_twice(path: str, sample: Served, summarised: str) -> None:
    with heard(sample) as requests, settings(sample.url.replace("127.0.0.1", "localhost")):
        page = opened(path, {"id": summarised})
        landing = len(requests) if path == CHANGED.path else 6
        assert landing <= 6
        assert len(requests) == len(set(requests))
        before = len(requests)

        page.run()

        assert len(requests) == before


@EVERY
def test_a_view_of_nothing_says_what_to_do(path: str, nothing: Served) -> None:
    with settings(nothing.url):
        page = opened(path)

    assert page.info


@EVERY
def test_a_view_without_a_service_says_so(path: str) -> None:
    with settings(f"http://127.0.0.1:{free_port()}"):
        page = opened(path)

    assert "The service does not answer" in said(page)


def test_a_service_that_is_asked_too_often_says_so(tmp_path: Path) -> None:
    database = databases.sqlite(tmp_path)
    with serving(database, None, inbound_rps=0.01) as server, settings(server.url):
        page = opened()

    assert "Asked too often" in said(page)


def test_a_conversation_that_is_not_there(nothing: Served) -> None:
    with settings(nothing.url):
        page = opened(CONVERSATION.path, {"id": "never-was"})

    assert "There is nothing here" in said(page)


def test_a_closed_service_asks_for_a_key_and_takes_it(tmp_path: Path) -> None:
    database = databases.sqlite(tmp_path)
    keys = asyncio.run(make_keys(database))
    with serving(database, None, auth_required=True, auth_secret=SECRET) as server, settings(server.url):
        page = opened()
        assert "Log in" in said(page)
        assert not page.date_input

        page.text_input("offered_key").input("ipk_wrong")
        page.button[0].click().run()
        assert "is not valid" in said(page)

        page.text_input("offered_key").input(keys["viewer"])
        page.button[0].click().run()
        assert "Nothing has been analysed yet" in said(page)
        assert "Viewer" in said(page)


def test_a_key_of_the_settings_that_was_revoked_asks_for_another(tmp_path: Path) -> None:
    database = databases.sqlite(tmp_path)
    keys = asyncio.run(make_keys(database))
    with serving(database, None, auth_required=True, auth_secret=SECRET) as server:
        with settings(server.url, API_KEY=keys["viewer"]):
            assert "Nothing has been analysed yet" in said(opened())
        with settings(server.url, API_KEY=keys["revoked"]):
            assert "not valid" in said(opened())
