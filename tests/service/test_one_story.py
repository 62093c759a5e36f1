"""`/health`, `/metrics` and the log never contradict each other, whatever goes wrong and in whatever order."""

import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import URL

from benchmarks.support.process import POSTS, Json
from benchmarks.support.waiting import eventually
from tests.fake_grok.server import KEY
from tests.support.service import Grok, Service, rows, running

LATE = "My parcel is three days late and nobody answers"
SECONDS = 60
"""Beside the whole suite a service once took over 20 to be well again."""

STATUSES = st.sampled_from([401, 402, 403, 404, 500, 502, 503])
PARAMETER = '{"code": "invalid", "error": "Argument not supported on this model: reasoningEffort"}'
PAUSE = {"kind": "status", "status": 429, "headers": {"Retry-After": "1.2"}, "calls": 1}
FAULTS: st.SearchStrategy[Json] = st.one_of(
    st.builds(lambda status: {"kind": "status", "status": status}, STATUSES),
    st.builds(lambda status: {"kind": "status", "status": status, "calls": 1}, STATUSES),
    st.sampled_from(
        [
            PAUSE,
            {"kind": "out_of_credits"},
            {"kind": "status", "status": 400, "text": PARAMETER},
            {"kind": "plain_text", "text": "a login page"},
            {"kind": "drop"},
        ]
    ),
)
STEPS = st.one_of(
    FAULTS, st.sampled_from(["recover", "pause", "resume", "take the database away", "bring it back"])
)


@dataclass
class Story:
    """A service to which things happen, and what it says of them."""

    service: Service
    grok: Grok
    away: bool = False
    numbers: "count[int]" = field(default_factory=count)

    async def happen(self, step: Json | str) -> None:
        """One step, and a conversation that meets it."""
        match step:
            case dict():
                self.grok.faults.clear()
                self.grok.misbehave(**step)
            case "recover":
                self.grok.faults.clear()
            case "pause" | "resume":
                await self._post(f"/api/v1/analysis/{step}")
            case _:
                await self._move_database(away=step == "take the database away")
        await self._post(POSTS, {"text": f"{LATE} {next(self.numbers)}"})

    async def heal(self) -> None:
        """Put everything right."""
        self.grok.faults.clear()
        await self._move_database(away=False)
        await eventually(lambda: self._post("/api/v1/analysis/resume"), SECONDS)

    async def _post(self, path: str, body: Json | None = None) -> bool:
        """Whether it was taken; without a database it is refused, and with one it is not."""
        status = (await self.service.http.post(path, json=body)).status_code
        # The end of an outage is known at the next look.
        assert status in (200, 202, 503)
        return status != 503

    async def _move_database(self, *, away: bool) -> None:
        if away == self.away:
            return
        self.away, url = away, self.service.database
        if url.get_backend_name() == "sqlite":
            names = str(url.database), f"{url.database}.away"
            os.rename(*(names if away else reversed(names)))
            return
        server = url.set(database="postgres")
        await rows(server, f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS {str(not away).lower()}")
        if away:
            ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
            await rows(server, ended, name=url.database)

    def told(self) -> list[Json]:
        """The lines about states, so far."""
        return [line for line in self.service.logged.events() if "state" in line]

    async def agrees(self) -> bool:
        """Whether the three tell one story; not known where it changes while they are asked."""
        lines, before = self.told(), await self._health()
        shown, after = await self.service.metrics(), await self._health()
        if len(self.told()) != len(lines) or before["circuit"] != after["circuit"]:
            return False
        lasting = {name for name, value in _conditions(shown).items() if value}
        assert lasting == _open_in(lines)
        assert len(before["reasons"]) == len(lasting)
        assert (before["status"] == "ok") == (not lasting)
        assert (before["status"] == "unavailable") == ("database_unavailable" in lasting)
        assert shown["database_up"] == before["db_ok"] == ("database_unavailable" not in lasting)
        assert (shown["circuit_state"] == 0) == (before["circuit"] == "closed")
        assert shown["analysis_paused"] == ("analysis_paused" in lasting)
        return True

    async def is_well(self) -> bool:
        return bool((await self._health())["status"] == "ok" and await self.agrees())

    async def _health(self) -> Json:
        response = await self.service.http.get("/health")
        body: Json = response.json()
        assert (response.status_code == 503) == (body["status"] == "unavailable")
        return body


def _conditions(shown: dict[str, float]) -> dict[str, float]:
    prefix, suffix = 'service_condition{condition="', '"}'
    return {
        name.removeprefix(prefix).removesuffix(suffix): value
        for name, value in shown.items()
        if name.startswith(prefix)
    }


def _open_in(lines: list[Json]) -> set[str]:
    """What has begun and not ended; each begins and ends in turn, with a reason."""
    found: set[str] = set()
    for line in lines:
        assert line["reason"]
        assert (line["event"] in found) == (line["state"] == "ended"), line
        found ^= {line["event"]}
    return found


@pytest.fixture
async def story(database_url: URL, grok: Grok) -> AsyncIterator[Story]:
    quick: dict[str, Any] = {"error_threshold": 2, "max_retries": 0, "cooldown_seconds": 0.1}
    async with running(database_url, grok, **quick) as service:
        yield Story(service, grok)


bounded: Callable[[Any], Any] = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@bounded
@given(st.lists(STEPS, min_size=1, max_size=5))
async def test_through_any_faults_there_is_one_story(story: Story, steps: list[Json | str]) -> None:
    for step in steps:
        await story.happen(step)
        await eventually(story.agrees, SECONDS)
    await story.heal()
    await eventually(story.is_well, SECONDS)

    assert _open_in(story.told()) == set()
    for private in ("three days late", KEY):
        assert private not in str(story.service.logged)
