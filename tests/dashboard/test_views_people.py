"""Who wrote, somebody's conversations, open cases, and two topics: the service's figures on the pages."""

import asyncio
from pathlib import Path
from typing import Literal

from benchmarks.support import databases
from benchmarks.support.serving import Served
from benchmarks.support.waiting import eventually
from client import Client
from client.calls import NewMessage
from dashboard import cases
from dashboard.pages import CASES, CONVERSATION, CONVERSATIONS, PAIR, PERSON, WHO
from tests.dashboard.pages import opened, said, settings
from tests.support.access import SECRET, make_keys
from tests.support.service import serving

WINDOW = {"from": "2026-11-12", "to": "2026-11-19"}
START, END = "2026-11-12", "2026-11-20"


def test_people_stand_in_the_order_and_role_of_the_address(of_sample: Served) -> None:
    page = opened(WHO.path, {**WINDOW, "role": "support_agent", "order": "-conversations"})
    with Client(of_sample.url) as client:
        found = client.people_page(
            role="support_agent", sort="-conversations", start_time=START, end_time=END
        )

    table = page.dataframe[0].value
    assert list(table["name"]) == [each.id for each in found.people]
    assert list(table["conversations"]) == [each.conversations for each in found.people]
    assert page.selectbox("w-role").value == "support_agent"
    assert "agents and companies wrote in this window" in said(page)


def test_who_came_again_is_counted(of_sample: Served) -> None:
    page = opened(WHO.path, WINDOW)
    with Client(of_sample.url) as client:
        people = client.people_page(start_time=START, end_time=END).people
    again = sum(each.conversations > 1 for each in people)

    assert f"{len(people)} customers wrote in this window, {again} of them in more than one" in said(page)
    assert page.get("vega_lite_chart")


def test_values_of_a_field_are_counted_and_lead_to_what_has_them(of_sample: Served) -> None:
    page = opened(WHO.path, {**WINDOW, "facet": "analyzer"})
    listed = opened(CONVERSATIONS.path, {**WINDOW, "facet": "analyzer", "value": "offline"})
    none = opened(CONVERSATIONS.path, {**WINDOW, "facet": "analyzer", "value": "grok"})

    (row,) = page.dataframe[1].value.to_dict("records")
    assert row["value"] == "offline"
    assert f"n = {row['n']}." in said(listed)
    assert "take a filter away" in said(none)
    assert none.text_input("w-value").value == "grok"


def test_a_field_that_the_service_does_not_know_is_its_own_words(of_sample: Served) -> None:
    page = opened(WHO.path, {**WINDOW, "facet": "metadata.shop"})

    assert "The service does not take this question" in said(page)
    assert len(page.dataframe) == 1


def test_somebody_has_their_conversations(of_sample: Served) -> None:
    page = opened(PERSON.path, {**WINDOW, "person": "318842"})

    assert "n = 3, those taken in last first" in said(page)
    assert set(page.dataframe[0].value["sentiment"]) == {"negative"}
    assert "318842" in [each.value for each in page.text]


def test_nobody_has_that_name(of_sample: Served) -> None:
    assert "They wrote nothing in this window" in said(opened(PERSON.path, {**WINDOW, "person": "never"}))


def test_cases_are_counted_by_outcome_and_opened_by_topic(of_sample: Served) -> None:
    with Client(of_sample.url) as client:
        for chat in [each for each in client.chats() if each.message_count == 1][:4]:
            client.summarize(chat.conversation_id)
        found = client.summaries_page(start_time=START, end_time=END)
    page = opened(CASES.path, {**WINDOW, "outcome": "all"})
    topic = found.summaries[0].topics[0]
    narrowed = opened(CASES.path, {**WINDOW, "outcome": "all", "topic": topic})

    total = sum(found.counts.values())
    assert f"{found.counts['maybe']} of {total} cases" in said(page)
    assert list(page.dataframe[0].value["summary"]) == [each.summary for each in found.summaries]
    assert len(page.dataframe[1].value) == len({slug for each in found.summaries for slug in each.topics})
    assert 0 < len(narrowed.dataframe[0].value) <= total
    assert narrowed.selectbox("w-topic").value == topic


def test_the_price_of_more_summaries_comes_before_the_word(of_sample: Served) -> None:
    page = opened(CASES.path, WINDOW)
    assert "no summary" not in said(page)

    asked = opened(CASES.path, {**WINDOW, "step": "price"})

    assert "have no summary. To write them costs nothing." in said(asked)
    assert [each.label for each in asked.button][-2:] == ["Summarise them", "No"]


def test_two_topics_side_by_side(of_sample: Served) -> None:
    page = opened(PAIR.path, {**WINDOW, "topic": "delay", "other": "customer_service"})
    with Client(of_sample.url) as client:
        topics = {each.slug: each for each in client.compare_topics(start_time=START, end_time=END).topics}

    assert list(page.dataframe[0].value["n"]) == [
        topics["delay"].count,
        topics["customer_service"].count,
    ]
    assert page.multiselect("w-two").value == ["delay", "customer_service"]


def test_two_topics_are_chosen_one_after_the_other(of_sample: Served) -> None:
    page = opened(PAIR.path, WINDOW)
    assert "Choose two topics" in said(page)

    page.multiselect("w-two").select("billing").run()
    assert page.query_params["topic"] == ["billing"] or page.query_params["topic"] == "billing"
    page.multiselect("w-two").select("refund").run()

    assert "“Billing” is in" in said(page)


def test_a_topic_that_is_not_in_the_window(of_sample: Served) -> None:
    page = opened(PAIR.path, {**WINDOW, "topic": "delay", "other": "never_was"})

    assert "One of the two is in no conversation" in said(page)


def test_more_summaries_are_for_those_who_may_and_come_after_the_price(tmp_path: Path) -> None:
    database = databases.sqlite(tmp_path)
    keys = asyncio.run(make_keys(database))
    given = {"auth_required": True, "auth_secret": SECRET, "chat_quiet_seconds": 0}
    with serving(database, None, **given) as server:
        with Client(server.url, key=keys["agent"]) as client:
            late: NewMessage = {
                "conversation_id": "late",
                "user_id": "ann",
                "user_type": "customer",
                "message_content": "My parcel is late. Where is it?",
                "timestamp": "2026-11-16T09:00:00Z",
            }
            client.post_messages([late])
            [*client.wait_for_analysis(["late"])]
        with settings(server.url, API_KEY=keys["viewer"]):
            assert not [each for each in opened(CASES.path, WINDOW).button if "cost" in each.label]
        with settings(server.url, API_KEY=keys["agent"]):
            page = opened(CASES.path, WINDOW)
            page.button[0].click().run()
            assert "1 conversation has no summary" in said(page)
            page.button[0].click().run()
            asyncio.run(eventually(lambda: "Done: 1 of 1 written" in said(page.run())))
            assert "open (" in said(page)


def test_an_outcome_is_corrected_and_that_is_taken_back(of_sample: Served) -> None:
    with Client(of_sample.url) as client:
        chat = next(each for each in client.chats() if each.message_count > 2)
        before = client.summarize(chat.conversation_id)
        assert before.status == "completed"
        other: Literal["yes", "no"] = "yes" if before.outcome != "yes" else "no"
        page = opened(CONVERSATION.path, {"id": chat.conversation_id})
        page.button(f"correct-outcome-{other}").click().run()

        assert f"Outcome: {cases.outcome(other)}" in said(page)
        assert f"The analyzer says: {cases.outcome(before.outcome)}" in said(page)
        page.button("correct-outcome-undo").click().run()
        after = client.summary(chat.conversation_id)
    assert after.status == "completed"
    assert (after.outcome, after.model_outcome) == (before.outcome, before.outcome)
    assert "correct-outcome-undo" not in [each.key for each in page.button]
