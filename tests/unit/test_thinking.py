"""What each model is told about thinking, and the room that its thoughts get."""

import pytest

from llm.thinking import MODELS, Thoughts, thinking_of

GEMINI_THINKERS = [
    "gemini-3.6-flash",
    "gemini-3.7-flash",
    "gemini-3.8-flash",
    "gemini-4-argon",
    "gemini-flash-latest",
]


@pytest.mark.parametrize(
    ("model", "configured", "sent"),
    [
        ("grok-4.3", None, "none"),
        ("grok-4.3-latest", None, "none"),
        ("grok-latest", None, "none"),
        ("grok-4.3", "high", "high"),
        ("grok-4.7", None, "low"),
        ("grok-4.5-latest", None, "low"),
        ("grok-4.20", None, None),
        ("grok-4.20-non-reasoning", None, None),
        ("grok-4.20-non-reasoning-latest", None, None),
        ("gemini-3.5-flash-lite", None, None),
        ("gemini-flash-lite-latest", None, None),
        *((model, None, "low") for model in GEMINI_THINKERS),
        ("gemini-9-of-tomorrow", None, None),
        ("a model of tomorrow", None, None),
        ("a model of tomorrow", "low", "low"),
    ],
)
def test_the_effort_is_the_cheapest_a_model_takes_unless_configured(
    model: str, configured: str | None, sent: str | None
) -> None:
    assert thinking_of(model).effort(configured) == sent


@pytest.mark.parametrize("model", [*GEMINI_THINKERS, "gemini-9-of-tomorrow"])
def test_thoughts_that_count_against_the_cap_get_room_in_it(model: str) -> None:
    thinking = thinking_of(model)

    assert thinking.headroom(0) >= 4_000
    assert thinking.headroom(9_000) == 9_000
    assert not thinking.is_unbounded(None)


@pytest.mark.parametrize(
    "model", ["grok-4.3", "grok-4.7", "grok-4.20", "gemini-3.5-flash-lite", "gemini-3.1-flash-lite", "gpt-9"]
)
def test_no_other_models_cap_is_raised(model: str) -> None:
    assert thinking_of(model).headroom(9_000) == 0


@pytest.mark.parametrize(
    ("model", "configured", "unbounded"),
    [
        ("grok-4.3", None, False),
        ("grok-4.3", "low", True),
        ("grok-4.7", None, True),
        ("grok-4.20-0309-reasoning", None, True),
        ("grok-4.20-non-reasoning", None, False),
        ("a model of tomorrow", None, True),
    ],
)
def test_a_model_that_nothing_limits_is_known(model: str, configured: str | None, unbounded: bool) -> None:
    assert thinking_of(model).is_unbounded(configured) is unbounded


def test_no_listed_name_is_an_alias_that_is_folded() -> None:
    assert [name for name in MODELS if name.endswith("-latest")] == []
    assert all(thinking.efforts is not None for thinking in MODELS.values())
    assert all(thinking.efforts == () for thinking in MODELS.values() if thinking.thoughts is Thoughts.NONE)
