"""What operators read: JSON lines, and never a text or a key."""

import asyncio
import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import structlog
from pydantic import SecretStr

from tests.support.log_lines import Lines, captured

SECRET = "hunter2-hunter2"
log = structlog.get_logger()


@pytest.fixture
def lines() -> Iterator[Lines]:
    with captured("DEBUG") as logged:
        yield logged


def test_a_line_says_when_how_bad_and_what(lines: Lines) -> None:
    log.warning("circuit_opened", reason="HTTP 503", cooldown=10.0)

    [line] = lines.events()
    assert datetime.fromisoformat(line.pop("timestamp")).tzinfo == UTC
    assert line == {"level": "warning", "event": "circuit_opened", "reason": "HTTP 503", "cooldown": 10.0}


def test_libraries_write_the_same_lines(lines: Lines) -> None:
    logging.getLogger("uvicorn.error").warning("Invalid request from %s", "127.0.0.1:8000")
    logging.getLogger("some.library").warning("a\nb")

    assert [(line["level"], line["event"]) for line in lines.events()] == [
        ("warning", "Invalid request from 127.0.0.1:8000"),
        ("warning", "a\nb"),
    ]


def test_the_level_is_honoured() -> None:
    with captured("WARNING") as lines:
        log.info("quiet")
        log.warning("loud")
        logging.getLogger("uvicorn.error").info("quiet")
        logging.getLogger("alembic.runtime").info("quiet")

    assert [line["event"] for line in lines.events()] == ["loud"]


@pytest.mark.parametrize("library", ["uvicorn.error", "alembic.runtime.migration", "alembic.runtime.plugins"])
def test_what_libraries_say_of_their_ordinary_work_is_left_out(lines: Lines, library: str) -> None:
    logging.getLogger(library).info("Running upgrade 0001 -> 0002")

    assert str(lines) == ""


@pytest.mark.parametrize(
    "library", ["sqlalchemy.engine.Engine", "aiosqlite", "httpx", "httpcore.http11", "uvicorn.error"]
)
def test_at_no_level_are_libraries_heard_that_log_what_passes_through_them(
    lines: Lines, library: str
) -> None:
    logging.getLogger(library).debug("parameters: %s", SECRET)

    assert str(lines) == ""


@pytest.mark.parametrize(
    "name",
    ["text", "message_content", "messages", "prompt", "raw_data", "author", "Authorization", "api_key"],
)
def test_what_is_named_like_a_text_or_a_key_is_blanked_however_deep(lines: Lines, name: str) -> None:
    values: dict[str, object] = {name: SECRET, "deep": [{name: [SECRET], "reason": "kept"}]}

    log.info("odd", **values)

    [line] = lines.events()
    assert (line[name], line["deep"]) == ("[redacted]", [{name: "[redacted]", "reason": "kept"}])


def test_numbers_pass_under_any_name(lines: Lines) -> None:
    log.info("call_ended", prompt_tokens=12, texts=3, ok=True, cost=0.5, request=None)

    line = lines.events()[0]
    assert [line[name] for name in ("prompt_tokens", "texts", "ok", "cost", "request")] == [
        12,
        3,
        True,
        0.5,
        None,
    ]


@pytest.mark.parametrize(
    "value",
    [
        f"Authorization: Bearer {SECRET}",
        f"refused xai-{SECRET}",
        f"postgresql://me:{SECRET}@db/insights",
        {"url": f"postgresql://me:{SECRET}@db/insights"},
        SecretStr(SECRET),
    ],
)
def test_what_looks_like_a_key_is_blanked_under_any_name(lines: Lines, value: object) -> None:
    log.info("odd", value=value)
    logging.getLogger("some.library").error("odd %s", value)

    assert len(lines.events()) == 2
    assert SECRET not in str(lines)


def test_a_value_that_is_long_is_cut(lines: Lines) -> None:
    log.info("odd", value="x" * 10_000)

    assert len(str(lines)) < 1_000


def fail() -> None:
    raise ValueError(SECRET) from KeyError(SECRET)


def test_an_exception_is_its_class_its_causes_and_its_place_without_its_text(lines: Lines) -> None:
    try:
        fail()
    except ValueError as error:
        log.exception("odd")
        log.error("odd", exc_info=error)
        logging.getLogger("some.library").exception("It failed: %s\nand %s", error, SECRET)

    first, second, third = lines.events()
    assert (first["error"], first["causes"]) == ("ValueError", ["KeyError"])
    assert first["where"][-1].startswith("unit/test_logs.py:")
    assert first["where"][-1].endswith(" fail")
    assert second["where"] == first["where"]
    assert third["event"] == "It failed: "
    assert SECRET not in str(lines)


def test_a_group_of_exceptions_names_what_its_first_one_came_from(lines: Lines) -> None:
    """A worker whose tasks met a lock was a line that said ExceptionGroup, and nothing of the lock."""
    try:
        fail()
    except ValueError as error:
        log.error("odd", exc_info=ExceptionGroup("two tasks", [error, OSError(SECRET)]))

    (line,) = lines.events()
    assert (line["error"], line["causes"]) == ("ExceptionGroup", ["ValueError", "KeyError"])
    assert SECRET not in str(lines)


def test_a_task_that_fails_unseen_is_one_line_without_its_text(lines: Lines) -> None:
    async def failing() -> None:
        fail()

    async def forgetful() -> None:
        await asyncio.wait([asyncio.create_task(failing())])

    asyncio.run(forgetful())  # asyncio logs what nobody asked for when it is collected

    [line] = lines.events()
    assert (line["event"], line["error"]) == ("Task exception was never retrieved", "ValueError")
    assert SECRET not in str(lines)
