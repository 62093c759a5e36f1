"""Several processes on one SQLite file are refused, however a server is asked for them."""

from typing import Any

import pytest

from core.settings import Settings
from core.several_workers import refusal, several

SERVER = "postgresql://db/insights"


def made(concurrency: int, **given: Any) -> Settings:
    return Settings(_env_file=None, web_concurrency=concurrency, **given)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("arguments", "concurrency", "asks"),
    [
        (["uvicorn", "main:app", "--workers", "2"], 1, "--workers"),
        (["uvicorn", "main:app", "--workers=4"], 1, "--workers"),
        (["uvicorn", "main:app"], 2, "WEB_CONCURRENCY"),
        (["uvicorn", "main:app", "--workers", "1"], 2, None),
        (["uvicorn", "main:app", "--workers"], 1, None),
        (["main.py"], 1, None),
    ],
)
def test_what_asks_for_several_is_named(arguments: list[str], concurrency: int, asks: str | None) -> None:
    assert several(arguments, concurrency) == asks
    assert (refusal(arguments, made(concurrency)) or "").partition(":")[0] == (asks or "")
    assert refusal(arguments, made(concurrency, database_url=SERVER)) is None
