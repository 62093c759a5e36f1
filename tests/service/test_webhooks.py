"""Webhooks of a running service: made and changed by admins, and told of what happens, once it has."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy.engine import URL

from benchmarks.support.waiting import eventually
from domain.roles import Role
from tests.support.closed import closed, holding, key_in
from tests.support.receivers import WebhookReceiver, receiving
from tests.support.service import Grok, Service, running

WEBHOOKS = "/api/v1/webhooks"
SAID = "My parcel is two weeks late and nobody answers."
HIDDEN = "zeppelin"
ALLOWED: dict[str, Any] = {"webhook_allow_private": True}


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with receiving() as made:
        yield made


async def registered(service: Service, url: str, *events: str) -> dict[str, Any]:
    """A new webhook, with its secret."""
    body = {"url": url, "events": events or ["insight.completed", "conversation.failed", "summary.completed"]}
    answer = await service.http.post(WEBHOOKS, json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def deliveries(service: Service, id_: str, **given: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await service.get(f"{WEBHOOKS}/{id_}/deliveries", **given))["deliveries"]
    return found


@asynccontextmanager
async def told(
    database: URL, receiver: WebhookReceiver, **given: Any
) -> AsyncIterator[tuple[Service, dict[str, Any]]]:
    """An offline service with a webhook."""
    async with running(database, **ALLOWED, **given) as service:
        yield service, await registered(service, f"{receiver.url}/hook")


async def test_an_insight_is_told_as_a_get_shows_it(
    database_url: URL, grok: Grok, receiver: WebhookReceiver
) -> None:
    async with running(database_url, grok, **ALLOWED) as service:
        webhook = await registered(service, f"{receiver.url}/hook")
        id_ = await service.post(SAID, external_id="x1", author="ann", metadata={"kept": HIDDEN})
        view = await service.ended(id_)
        await receiver.has(1)

        [event] = receiver.events(webhook["secret"])
        assert event["type"] == "insight.completed"
        assert view["insight"].pop("correction") is None
        assert event["data"] == {"conversation_id": id_, "external_id": "x1", "insight": view["insight"]}
        # Ids and the insight: no text, no author, no metadata.
        assert not any(word in str(event) for word in (SAID, "ann", HIDDEN))

        async def is_delivered() -> bool:
            [delivery] = await deliveries(service, webhook["id"])
            return bool(delivery["state"] == "delivered")

        await eventually(is_delivered)
        [delivery] = await deliveries(service, webhook["id"])
        assert delivery["id"] == receiver.got[0][0]["webhook-id"]
        assert (delivery["tries"], delivery["outcome"], delivery["answer"]) == (1, "delivered", 200)

        async def is_counted() -> bool:
            return (await service.metrics())['webhook_tries_total{outcome="delivered"}'] == 1

        await eventually(is_counted)
        assert (await service.get(f"{WEBHOOKS}/{webhook['id']}"))["succeeded_at"]


async def test_a_summary_is_told(database_url: URL, grok: Grok, receiver: WebhookReceiver) -> None:
    async with running(database_url, grok, **ALLOWED) as service:
        webhook = await registered(service, receiver.url)
        turn = {"conversation_id": "c1", "user_id": "a", "user_type": "customer", "message_content": SAID}
        assert (await service.http.post("/chats", json=turn)).status_code == 201
        summary = await service.http.post("/chats/summarize", json={"conversation_id": "c1"})
        assert summary.status_code == 200, summary.text

        async def has_summary() -> Any:
            told_of = receiver.events(webhook["secret"])
            return [each for each in told_of if each["type"] == "summary.completed"]

        [event] = await eventually(has_summary)
        assert event["data"]["conversation_id"] == "c1"
        shown = event["data"]["summary"]
        assert {name: summary.json()[name] for name in shown} == shown


async def test_a_sent_event_can_be_sent_again_with_the_same_id_and_body(
    database_url: URL, receiver: WebhookReceiver
) -> None:
    async with told(database_url, receiver) as (service, webhook):
        await service.ended(await service.post(SAID))
        await receiver.has(1)
        id_ = receiver.got[0][0]["webhook-id"]

        async def has_ended() -> bool:
            return bool(await deliveries(service, webhook["id"], state="delivered"))

        await eventually(has_ended)
        answer = await service.http.post(f"{WEBHOOKS}/{webhook['id']}/deliveries/{id_}/resend")
        assert (answer.status_code, answer.json()["state"]) == (202, "pending")
        await receiver.has(2)
        assert {id_: 1} == {each: len(bodies) for each, bodies in receiver.bodies.items()}
        missing = await service.http.post(f"{WEBHOOKS}/{webhook['id']}/deliveries/evt_x/resend")
        assert missing.status_code == 404


async def test_a_receiver_that_hangs_or_fails_keeps_no_other_waiting(
    database_url: URL, receiver: WebhookReceiver
) -> None:
    with receiving() as dead:
        dead.status = 0
        async with told(database_url, receiver) as (service, webhook):
            await registered(service, f"{dead.url}/dead")
            ids = await service.post_all(f"{SAID} It has number {at}." for at in range(40))
            await service.all_ended(ids)
            await receiver.has(40)

            # The dead one holds its first turn all that time.
            assert len(dead.got) <= 16
            assert {each["data"]["conversation_id"] for each in receiver.events(webhook["secret"])} == {*ids}


async def test_the_events_of_a_chat_come_in_order(database_url: URL, receiver: WebhookReceiver) -> None:
    async with told(database_url, receiver, chat_quiet_seconds=0) as (service, webhook):
        for at in range(4):
            turn = {
                "conversation_id": "c",
                "user_id": "a",
                "user_type": "customer",
                "message_content": f"{SAID} {at}",
            }
            assert (await service.http.post("/chats", json=turn)).status_code == 201
            await service.ended("c")
        await receiver.has(4)

        times = [each["data"]["insight"]["analysed_at"] for each in receiver.events(webhook["secret"])]
        assert times == sorted(times)


async def test_a_webhook_is_switched_off_changed_and_deleted(
    database_url: URL, receiver: WebhookReceiver
) -> None:
    async with told(database_url, receiver) as (service, webhook):
        path = f"{WEBHOOKS}/{webhook['id']}"
        off = (await service.http.patch(path, json={"enabled": False})).json()
        assert (off["enabled"], off["disabled_reason"]) == (False, "disabled by an admin")
        assert "secret" not in off
        await service.ended(await service.post(SAID))
        assert await deliveries(service, webhook["id"]) == []

        changed = {"enabled": True, "url": f"{receiver.url}/moved", "events": ["insight.completed"]}
        on = (await service.http.patch(path, json=changed)).json()
        assert (on["enabled"], on["url"], on["events"]) == (True, changed["url"], ["insight.completed"])
        await service.ended(await service.post(f"{SAID} Again."))
        await receiver.has(1)
        assert receiver.paths == ["/moved"]
        assert receiver.events(webhook["secret"])

        async def has_succeeded() -> bool:
            return bool((await service.get(path))["succeeded_at"])

        await eventually(has_succeeded)
        assert (await service.get(WEBHOOKS))["webhooks"] == [await service.get(path)]

        assert (await service.http.delete(path)).status_code == 204
        for method in ("get", "delete"):
            assert (await service.http.request(method, path)).status_code == 404
        assert (await service.get(WEBHOOKS)) == {"webhooks": []}


@pytest.mark.parametrize(
    ("body", "details"),
    [
        ({"url": "http://example.com/", "events": ["alert.fired"]}, "url: must be https"),
        ({"url": "https://10.0.0.1/", "events": ["alert.fired"]}, "url: is not a public address"),
        ({"url": "https://example.com/", "events": ["nothing"]}, "events"),
        ({"url": "https://example.com/", "events": []}, "events"),
        ({"url": "https://example.com/", "events": ["alert.fired"] * 2}, "events: must not have the same"),
        ({"events": ["alert.fired"]}, "Missing required field: url"),
    ],
)
async def test_what_cannot_be_a_webhook(shared: Service, body: dict[str, Any], details: str) -> None:
    answer = await shared.http.post(WEBHOOKS, json=body)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_schema")
    assert details in answer.json()["details"]


async def test_a_change_has_to_say_something(shared: Service) -> None:
    webhook = await registered(shared, "https://example.com/hook")
    answer = await shared.http.patch(f"{WEBHOOKS}/{webhook['id']}", json={})

    assert answer.status_code == 400


@pytest.fixture(scope="module")
async def shared(shared_database_url: URL) -> AsyncIterator[Service]:
    async with running(shared_database_url) as service:
        yield service


async def test_only_admins_may_and_the_audit_log_says_who_did(database_url: URL) -> None:
    admin, agent = [await key_in(database_url, role) for role in (Role.ADMIN, Role.AGENT)]
    async with closed(database_url) as service:
        body = {"url": "https://example.com/hook?token=abc", "events": ["alert.fired"]}
        async with holding(service, agent) as http:
            assert (await http.post(WEBHOOKS, json=body)).status_code == 403
            assert (await http.get(WEBHOOKS)).status_code == 403
        async with holding(service, admin) as http:
            id_ = (await http.post(WEBHOOKS, json=body)).json()["id"]
            await http.patch(f"{WEBHOOKS}/{id_}", json={"enabled": False})
            await http.delete(f"{WEBHOOKS}/{id_}")
            entries = (await http.get("/api/v1/audit")).json()["entries"]

        noted = [(each["action"], each["target"], each["actor"]) for each in reversed(entries)]
        by_admin = [each for each in noted if each[0].startswith("webhook.")]
        assert by_admin == [
            (f"webhook.{action}", f"webhook:{id_}", f"key:{admin.id}")
            for action in ("create", "change", "delete")
        ]
        assert "token=abc" not in str(entries)


async def test_nothing_is_sent_twice_at_the_end(database_url: URL, receiver: WebhookReceiver) -> None:
    async with told(database_url, receiver) as (service, _):
        await service.ended(await service.post(SAID))
        await receiver.has(1)
    async with running(database_url, **ALLOWED) as service:
        await asyncio.sleep(0)
        await service.ended(await service.post(f"{SAID} Again."))
        await receiver.has(2)

    assert len(receiver.bodies) == 2
