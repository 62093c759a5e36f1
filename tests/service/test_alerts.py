"""Alerts of a running service: made, changed and listed, and told to a webhook."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy.engine import URL

from benchmarks.support.waiting import eventually
from tests.support.receivers import receiving
from tests.support.service import Service, running

ALERTS = "/api/v1/alerts"
SHARE = {"name": "Unhappy", "metric": "negative_share", "threshold": 0.4}


@pytest.fixture(scope="module")
async def shared(shared_database_url: URL) -> AsyncIterator[Service]:
    async with running(shared_database_url) as service:
        yield service


async def test_an_alert_says_what_it_was_not_told(shared: Service) -> None:
    made = (await shared.http.post(ALERTS, json={**SHARE, "window": "90m", "topic": "Delay"})).json()

    assert (made["direction"], made["minimum_count"], made["window"]) == ("above", 20, "90m")
    assert made["resolve_threshold"] == pytest.approx(0.36)
    assert (made["state"], made["topic"], made["firings"], made["value"]) == ("ok", "delay", 0, None)
    path = f"{ALERTS}/{made['id']}"
    assert await shared.get(path) == made
    changed = (await shared.http.patch(path, json={"threshold": 0.5, "window": "1d"})).json()
    assert (changed["threshold"], changed["resolve_threshold"], changed["window"]) == (0.5, 0.45, "1d")
    assert changed in (await shared.get(ALERTS))["alerts"]
    never = await shared.http.patch(path, json={"threshold": 40})
    assert (never.status_code, never.json()["details"][:10]) == (400, "threshold:")
    assert (await shared.http.delete(path)).status_code == 204
    assert (await shared.http.delete(path)).status_code == 404
    noted = [each for each in (await shared.get("/api/v1/audit"))["entries"] if each["target"] == made["id"]]
    assert [each["action"] for each in reversed(noted)][:2] == ["alert.create", "alert.change"]


@pytest.mark.parametrize(
    ("body", "details"),
    [
        ({**SHARE, "metric": "mood"}, "metric"),
        ({**SHARE, "window": "2m"}, "window: must be minutes"),
        ({**SHARE, "window": 60}, "window: must be minutes"),
        ({**SHARE, "topic": "no such thing"}, "topic: no topic of this name"),
        ({**SHARE, "field": "urgency"}, "field"),
        ({**SHARE, "field": "urgency=high"}, "field: urgency: no such field"),
        ({**SHARE, "field": "urgency=high", "topic": "delay"}, "field: goes with"),
        ({**SHARE, "metric": "surprise", "field": "urgency=high", "topic": "delay"}, "field: goes with"),
        ({**SHARE, "metric": "share"}, "topic or field, whose share is told"),
        ({**SHARE, "metric": "share", "topic": "delay", "threshold": 5}, "threshold: a share is a part of 1"),
        ({**SHARE, "topic": "!"}, "topic: no topic of this name"),
        ({**SHARE, "metric": "queue_age", "topic": "delay"}, "topic: goes with"),
        ({**SHARE, "metric": "surprise"}, "topic"),
        ({**SHARE, "metric": "budget_left"}, "metric: there is no DAILY_BUDGET_USD"),
        ({**SHARE, "resolve_threshold": 0.5}, "resolve_threshold: must not be over"),
        ({**SHARE, "direction": "below", "resolve_threshold": 0.3}, "resolve_threshold: must not be under"),
        ({**SHARE, "threshold": "NaN"}, "threshold"),
        ({**SHARE, "threshold": 5}, "threshold: a negative_share is a part of 1"),
        ({**SHARE, "minimum_count": -1}, "minimum_count"),
        ({**SHARE, "name": "two\nlines"}, "name"),
        ({"metric": "count", "threshold": 1}, "name"),
        ({**SHARE, "colour": "red"}, "colour"),
    ],
)
async def test_what_cannot_be_an_alert(shared: Service, body: dict[str, Any], details: str) -> None:
    answer = await shared.http.post(ALERTS, json=body)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_schema"), answer.text
    assert details in answer.json()["details"]


async def test_it_is_told_to_a_webhook_and_stands_in_the_list(database_url: URL) -> None:
    with receiving() as receiver:
        async with running(database_url, webhook_allow_private=True) as service:
            webhook = {"url": receiver.url, "events": ["alert.fired"]}
            secret = (await service.http.post("/api/v1/webhooks", json=webhook)).json()["secret"]
            now = datetime.now(UTC).isoformat()
            await service.ended(
                await service.post("My parcel is two weeks late and I am angry.", timestamp=now)
            )
            alert = {"name": "Any", "metric": "count", "threshold": 1}
            made = (await service.http.post(ALERTS, json=alert)).json()
            await receiver.has(1, 90)

            [event] = receiver.events(secret)
            assert event["type"] == "alert.fired"
            assert event["data"]["alert"]["id"] == made["id"]
            assert (event["data"]["alert"]["value"], event["data"]["alert"]["threshold"]) == (1.0, 1.0)

            async def fires() -> bool:
                [found] = (await service.get(ALERTS))["alerts"]
                return bool(found["state"] == "firing" and found["fired_at"])

            await eventually(fires)
