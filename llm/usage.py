"""The usage of a completion: what it consumed, from the counts that servers name alike and mean differently."""

from collections.abc import Mapping

from domain.analysis import Usage

MAX_TOKENS = 2**31 - 1
MAX_TICKS = 2**53


def parse_usage(value: object) -> Usage:
    """Parse the `usage` of a completion. Missing or invalid counts become 0, an invalid cost None."""
    usage = _object(value)
    prompt, completion = _tokens(usage, "prompt_tokens"), _tokens(usage, "completion_tokens")
    return Usage(
        prompt_tokens=prompt,
        cached_tokens=_tokens(_object(usage.get("prompt_tokens_details")), "cached_tokens"),
        completion_tokens=completion,
        reasoning_tokens=_reasoning(usage, prompt + completion),
        cost_ticks=_count(usage.get("cost_in_usd_ticks"), MAX_TICKS),
    )


def _reasoning(usage: Mapping[str, object], counted: int) -> int:
    """The reasoning tokens that are not among the `counted` ones, prompt and completion.

    xAI counts them beside `completion_tokens`, OpenAI within, and Gemini shows them only in the total, which has them
    with all three. Without a total they are taken to come on top: it is better to book too much.
    """
    total = _tokens(usage, "total_tokens")
    if total and total >= counted:
        return total - counted
    return _tokens(_object(usage.get("completion_tokens_details")), "reasoning_tokens")


def _tokens(counts: Mapping[str, object], name: str) -> int:
    return _count(counts.get(name), MAX_TOKENS) or 0


def _count(value: object, most: int) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most:
        return value
    return None


def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}
