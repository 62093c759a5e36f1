"""Topics and proposals as Streamlit draws them, of a service whose topics are changed."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from benchmarks.support import databases
from benchmarks.support.serving import Served
from client import Client
from dashboard.pages import CONVERSATION, PROPOSAL, PROPOSALS, TOPIC, TOPIC_CHANGES, TOPICS
from tests.dashboard.pages import opened, said, settings
from tests.dashboard.topical import POOL, WEEK, ended, talking
from tests.support.access import SECRET, make_keys
from tests.support.service import serving


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with talking(databases.sqlite(tmp_path_factory.mktemp("topical"))) as server:
        yield server


@pytest.fixture
def client(service: Served) -> Iterator[Client]:
    with settings(service.url), Client(service.url) as one:
        yield one


def done(page: AppTest) -> str:
    return "\n".join(each.value for each in page.success)


def test_topics_are_listed_with_their_counts(client: Client) -> None:
    page = opened(TOPICS.path, WEEK)
    found = client.compare_topics(start_time="2026-11-08", end_time="2026-11-15", sort="-count", limit=1)

    rows = page.dataframe[0].value
    assert (rows["topic"][0], rows["n"][0]) == (found.topics[0].label, found.topics[0].count)
    assert len(rows) == len(client.all_topics_page(limit=1_000).topics)


def test_a_sentiment_is_corrected_and_that_is_taken_back(client: Client) -> None:
    [chosen] = client.insights_page(start_time="2026-11-08", end_time="2026-11-15", limit=1).insights
    other = "positive" if chosen.sentiment != "positive" else "negative"
    page = opened(CONVERSATION.path, {"id": chosen.conversation_id})
    page.button(f"correct-{other}").click().run()

    assert "Saved." in done(page)
    assert f"Said to be: {other}" in said(page)
    assert f"The analyzer says: {chosen.sentiment}" in said(page)
    page.button("correct-undo").click().run()
    assert "Taken back." in done(page)
    stored = client.conversation(chosen.conversation_id).insight
    assert stored is not None
    assert (stored.sentiment, stored.correction) == (chosen.sentiment, None)


def test_topics_are_found_by_their_meaning(client: Client) -> None:
    page = opened(TOPICS.path, {**WEEK, "q": "invoices payments"})

    assert list(page.dataframe[0].value["topic"]) == ["Billing"]


def test_a_topic_is_renamed_and_that_is_undone(client: Client, service: Served) -> None:
    page = opened(TOPIC.path, {"topic": "billing"})
    page.text_input[0].set_value("Money matters")
    page.button[0].click().run()

    assert "Saved." in done(page)
    assert "Money matters" in said(page)
    assert client.topic_history("billing").changes[0].after == {"label": "Money matters"}

    with settings(service.url):
        page = opened(TOPIC_CHANGES.path)
        assert "“Money matters”: label from nothing to “Money matters”" in said(page)
        page.button("undo").click().run()
    assert "Taken back." in done(page)
    assert "Billing" in {each.label for each in client.all_topics_page().topics}


def test_a_topic_is_hidden_and_shown_again(client: Client, service: Served) -> None:
    page = opened(TOPIC.path, {"topic": "praise"})
    page.button[1].click().run()

    assert "hidden" in list(page.dataframe[0].value["found"])
    page.button[1].click().run()
    assert "active" in list(page.dataframe[0].value["found"])
    assert {each.kind for each in client.topic_changes(limit=2).changes} == {"edit"}


def test_topics_are_merged_by_a_job_and_the_undo_says_what_it_takes_back(
    client: Client, service: Served
) -> None:
    topics = {each.slug: each for each in client.all_topics_page(limit=1_000).topics}
    page = opened(TOPIC.path, {"topic": "billing"})
    page.multiselect[0].set_value([topics["pricing"].id, topics["refund"].id]).run()
    page.button("merge").click().run()

    assert ended(client).status == "completed"
    with settings(service.url):
        assert "Pricing, Refund" in list(opened(TOPIC.path, {"topic": "pricing"}).dataframe[0].value["found"])
        page = opened(TOPIC_CHANGES.path)
        assert "“Pricing”, “Refund” merged into “Billing”" in said(page)
        page.button("undo").click().run()
    assert client.all_topics_page(state="merged").topics == []


def test_nothing_is_undone_that_was_not_shown(client: Client) -> None:
    client.change_topic("praise", label="Thanks")
    page = opened(TOPIC_CHANGES.path)
    client.change_topic("booking", label="Bookings")
    page.button("undo").click().run()

    assert "somebody has done something since" in done(page)
    assert "“Bookings”: label from nothing to “Bookings”" in said(page)
    client.undo_topic_change()
    client.undo_topic_change()


def test_a_slug_that_is_taken_says_so_and_what_was_typed_stays(client: Client) -> None:
    page = opened(TOPIC.path, {"topic": "billing"})
    page.text_input[0].set_value("Praise")
    page.button[0].click().run()

    assert "The service does not do this" in page.error[0].value
    assert "label: it is a name of" in said(page)
    assert page.text_input[0].value == "Praise"


def test_a_topic_is_split_by_words(client: Client, service: Served) -> None:
    most = client.compare_topics(start_time="2026-11-08", end_time="2026-11-15", sort="-count", limit=1)
    page = opened(TOPIC.path, {"topic": most.topics[0].slug})
    page.text_input[1].set_value("parcel")
    page.text_input[2].set_value("parcels").run()
    page.button("split").click().run()

    assert ended(client).status == "completed"
    with settings(service.url):
        assert "to “Parcels” by their words" in said(opened(TOPIC_CHANGES.path))
    client.undo_topic_change()
    assert ended(client).status == "completed"


def test_new_topics_are_looked_for_opened_and_accepted_or_rejected(client: Client, service: Served) -> None:
    page = opened(PROPOSALS.path, WEEK)
    assert "There is none" in said(page)
    page.button[0].click().run()
    assert ended(client).status == "completed"
    pool, other = _of_pool(client)

    with settings(service.url):
        rows = opened(PROPOSALS.path, WEEK).dataframe[0].value
        assert (POOL, POOL, 0, "a rise") in zip(
            rows["size"], rows["people"], rows["before"], rows["likely"], strict=True
        )
        page = opened(PROPOSAL.path, {**WEEK, "proposal": pool})
        assert "20 people wrote about it in the window, 0 in the one before." in said(page)
        assert len(page.dataframe[1].value) == POOL
        page.text_input[0].set_value("The pool").run()
        page.button("accept").click().run()
        assert ended(client).status == "completed"
        page = opened(PROPOSAL.path, {**WEEK, "proposal": other})
        page.button("reject").click().run()
        assert "It is not proposed again" in done(page)

    assert "The pool" in {each.label for each in client.all_topics_page(limit=1_000).topics}
    with settings(service.url):
        assert "it is a topic" in said(opened(PROPOSAL.path, {**WEEK, "proposal": pool}))
        assert len(opened(PROPOSALS.path, {**WEEK, "state": "rejected"}).dataframe[0].value) == 1


def _of_pool(client: Client) -> tuple[str, str]:
    """The group of the pool, and another one."""
    found = client.proposals_page(state="proposed").proposals
    pool = next(each.id for each in found if any("chlorine" in word for word in each.words))
    return pool, next(each.id for each in found if each.id != pool)


def test_whoever_may_only_read_is_told_so(tmp_path: Path) -> None:
    database = databases.sqlite(tmp_path)
    keys = asyncio.run(make_keys(database))
    with serving(database, None, auth_required=True, auth_secret=SECRET) as server:
        with settings(server.url, API_KEY=keys["viewer"]):
            page = opened(TOPIC.path, {"topic": "billing"})
            assert "takes the role agent" in said(page)
            assert not page.text_input
        with settings(server.url, API_KEY=keys["agent"]):
            page = opened(TOPIC.path, {"topic": "billing"})
            page.text_input[0].set_value("Money matters")
            page.button[1].click().run()
            assert "Saved." in done(page)
