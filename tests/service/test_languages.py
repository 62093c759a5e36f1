"""The languages of insights, whoever made them, and what is unsure, through the running service."""

from sqlalchemy.engine import URL

from benchmarks.support.process import Json
from tests.support.service import Grok, Service, running

GERMAN = "Mein Paket ist seit zwei Wochen unterwegs und niemand antwortet mir"
ENGLISH = "My parcel is three days late and nobody answers"
EVER = {"start_time": "2020-01-01", "end_time": "2099-01-01"}


def told(view: Json) -> tuple[str, str | None, bool]:
    insight = view["insight"]
    return insight["analyzer"], insight["language"], insight["grok_analysis"]["sentiment_score"] is None


async def found(service: Service, **filters: str) -> list[str]:
    listed = (await service.get("/api/v1/insights", **EVER, **filters))["insights"]
    return sorted(each["text"] for each in listed)


async def test_what_grok_analysed_has_a_language_and_a_score_also_from_the_cache(
    database_url: URL, grok: Grok
) -> None:
    async with running(database_url, grok) as service:
        ids = await service.post_all([GERMAN, ENGLISH])
        views = await service.all_ended(ids)
        again = await service.ended(await service.post(GERMAN.upper()))

        assert [told(view) for view in views] == [("grok", "de", False), ("grok", "en", False)]
        assert told(again) == ("grok", "de", False)
        assert again["insight"]["cached"]
        assert await found(service, language="en") == [ENGLISH]
        assert await found(service, language="de") == [GERMAN.upper(), GERMAN]


async def test_offline_another_language_is_unsure_and_grok_is_asked_about_it_all_the_same(
    database_url: URL, grok: Grok
) -> None:
    async with running(database_url) as service:
        ids = await service.post_all([GERMAN, ENGLISH, GERMAN])
        views = await service.all_ended(ids)

        unsure = ("offline", "de", True)
        assert [told(view) for view in views] == [unsure, ("offline", "en", False), unsure]
        assert views[0]["insight"]["sentiment"] == "unsure"
        assert views[0]["insight"]["grok_analysis"]["clusters"] == ["other_language"]
        assert await found(service, sentiment="unsure") == [GERMAN, GERMAN]
        trends = await service.get("/api/v1/trends", days=1)
        assert trends["sentiment_counts"] == {"positive": 0, "neutral": 0, "negative": 1, "unsure": 2}
        metrics = await service.metrics()
        assert metrics['insights_total{sentiment="unsure"}'] == 2

    async with running(database_url, grok) as service:
        view = await service.ended(await service.post(GERMAN))

        assert told(view) == ("grok", "de", False)
        assert not view["insight"]["cached"]
    assert grok.sent[GERMAN] == 1
