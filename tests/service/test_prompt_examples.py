"""Corrections in the prompt of a running service, as the fake Grok sees them."""

from functools import partial

from sqlalchemy.engine import URL

from benchmarks.support.waiting import eventually
from tests.support.service import Grok, Service, rows, running

A_DAY = 86_400_000_000
LAST = "SELECT cached_tokens FROM grok_calls WHERE cached_tokens IS NOT NULL ORDER BY number DESC LIMIT 1"


async def cached_tokens(service: Service, text: str) -> int:
    """How much of the prompt of a new text's call was in the provider's cache."""
    await service.ended(await service.post(text))
    [row] = await rows(service.database, LAST)
    return int(row.cached_tokens)


async def test_the_prompt_with_examples_is_served_from_the_providers_cache(
    database_url: URL, grok: Grok
) -> None:
    said = "My parcel is late and nobody answers, "
    async with running(database_url, grok) as service:
        wrong = await service.post(said + "that was wonderful.")
        await service.ended(wrong)
        plain = [await cached_tokens(service, f"{said}day {day}.") for day in range(2)][-1]
        correction = {"sentiment": "neutral", "clusters": ["delay"]}
        answer = await service.http.post(f"/api/v1/conversations/{wrong}/corrections", json=correction)
        assert answer.status_code == 200, answer.text
    await rows(database_url, "UPDATE corrections SET made_at = made_at - :day", day=A_DAY)

    asked = iter(range(1_000))

    async def is_longer(service: Service) -> bool:
        return await cached_tokens(service, f"{said}week {next(asked)}.") > plain

    async with running(database_url, grok, corrections_as_examples=True) as service:
        await eventually(partial(is_longer, service), 60)
    assert plain > 0
    assert grok.violations == []
