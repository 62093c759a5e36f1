"""What is written back to a help desk, and where to."""

import pytest
from pydantic import ValidationError

from core.settings import Settings
from domain.write_back import labels_after, mark_of, note_of

INSIGHT = {"grok_analysis": {"clusters": ["delay", "refund"]}, "sentiment": "negative"}
SUMMARY = {
    "summary": "The parcel is late.",
    "action_items": [{"text": "Send a new one."}],
    "decisions": [],
    "questions": [{"text": "When?", "answered": False}, {"text": "Where?", "answered": True}],
}


def test_labels_of_people_stay_and_the_sentiment_is_one() -> None:
    once = labels_after(["vip", "refund", "sentiment_positive"], INSIGHT)

    assert once == ["vip", "refund", "delay", "sentiment_negative"]
    assert labels_after(once, INSIGHT) == once


def test_a_note_has_what_is_open_and_a_mark() -> None:
    note = note_of(SUMMARY, "evt_1")

    assert note.splitlines() == [
        *("The parcel is late.", "", "To do:", "- Send a new one.", "", "Open questions:", "- When?", ""),
        mark_of("evt_1"),
    ]


def settings(**given: str) -> Settings:
    return Settings(_env_file=None, **given)  # type: ignore[call-arg, arg-type]


@pytest.mark.parametrize("path", ["/app/accounts/3", "/app/accounts/3/", "/api/v1/accounts/3"])
def test_the_account_is_that_of_the_address(path: str) -> None:
    given = settings(chatwoot_url=f"https://chat.example.com/desk{path}", chatwoot_token="t")

    assert given.chatwoot_account == ("https://chat.example.com/desk/api/v1/accounts/3", "t")
    assert settings().chatwoot_account is None


@pytest.mark.parametrize(
    "given",
    [
        {"chatwoot_url": "https://chat.example.com/app/accounts/3"},
        {"chatwoot_token": "t"},
        {"chatwoot_url": "https://chat.example.com/", "chatwoot_token": "t"},
        {"chatwoot_url": "https://chat.example.com/app/accounts/three", "chatwoot_token": "t"},
    ],
)
def test_what_leads_nowhere_is_refused_at_start(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="CHATWOOT_URL"):
        settings(**given)
